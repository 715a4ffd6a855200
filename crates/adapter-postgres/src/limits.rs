use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{RateLimiter, StoreError};
use domain::rate_limit::{Charge, CounterKey, Decision};
use domain::timestamp::Timestamp;
use tokio_postgres::Row;

use crate::Postgres;
use crate::pool::params;
use crate::row::{Unreadable, first, millis, number, optional, sound};

const ACQUIRE: &str =
    "SELECT refused, wait FROM phone_auth.acquire($1, $2, $3, $4, $5, $6, $7, $8)";
const REFUND: &str = "SELECT FROM phone_auth.refund($1, $2, $3, $4)";
const CLEAR: &str = "SELECT FROM phone_auth.clear_counters($1)";
const SWEEP: &str = "SELECT phone_auth.sweep_counters($1, $2)";
const HEALTH: &str = "SELECT FROM phone_auth.acquire('{}', '{}', '{}', '{}', '{}', '{}', '{}', 0)";

/// 73 million years: the server adds two of them without an overflow.
const LONGEST: i64 = 1 << 61;

#[async_trait]
impl RateLimiter for Postgres {
    async fn acquire(&self, charges: &[Charge], now: Timestamp) -> Result<Decision, StoreError> {
        let spans: Vec<_> = charges.iter().map(span).collect();
        let windows: Vec<_> = (1..).zip(charges).flat_map(windows).collect();
        let row = params![
            keys(charges) => BYTEA_ARRAY,
            costs(charges) => INT8_ARRAY,
            slots(charges) => INT8_ARRAY,
            spans => INT8_ARRAY,
            windows.iter().map(|window| window.charge).collect::<Vec<_>>() => INT8_ARRAY,
            windows.iter().map(|window| window.most).collect::<Vec<_>>() => INT8_ARRAY,
            windows.iter().map(|window| window.period).collect::<Vec<_>>() => INT8_ARRAY,
            moment(now) => INT8,
        ];
        let rows = self.pool.once(ACQUIRE, row).await?;
        let decided = first(&rows, |row| decision(row, charges))?;
        decided.ok_or_else(|| StoreError::corrupt("charges were neither granted nor refused"))
    }

    async fn refund(&self, charges: &[Charge], at: Timestamp) -> Result<(), StoreError> {
        let row = params![
            keys(charges) => BYTEA_ARRAY,
            costs(charges) => INT8_ARRAY,
            slots(charges) => INT8_ARRAY,
            moment(at) => INT8,
        ];
        self.pool.once(REFUND, row).await.map(drop)
    }

    async fn clear(&self, keys: &[CounterKey]) -> Result<(), StoreError> {
        let keys: Vec<_> = keys.iter().map(|key| key.as_bytes()).collect();
        self.pool
            .repeatable(CLEAR, params![keys => BYTEA_ARRAY])
            .await
            .map(drop)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.sweep(SWEEP, now, limit).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.health(HEALTH).await
    }
}

/// A window, and the number of the charge that has to fit it, counted from 1.
struct Windowed {
    charge: i64,
    most: i64,
    period: i64,
}

fn windows((number, charge): (i64, &Charge)) -> impl Iterator<Item = Windowed> {
    charge.limit.windows().iter().map(move |window| Windowed {
        charge: number,
        most: window.count.into(),
        period: duration(window.period),
    })
}

fn keys(charges: &[Charge]) -> Vec<&[u8; 16]> {
    charges.iter().map(|charge| charge.key.as_bytes()).collect()
}

fn costs(charges: &[Charge]) -> Vec<i64> {
    charges.iter().map(|charge| charge.cost.into()).collect()
}

fn slots(charges: &[Charge]) -> Vec<i64> {
    let slot = |charge: &Charge| duration(Duration::from_millis(charge.limit.slot_ms()));
    charges.iter().map(slot).collect()
}

/// The longest window: what is older is forgotten.
fn span(charge: &Charge) -> i64 {
    let periods = charge
        .limit
        .windows()
        .iter()
        .map(|window| duration(window.period));
    periods.max().unwrap_or_default()
}

fn duration(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).map_or(LONGEST, |millis| millis.min(LONGEST))
}

fn moment(at: Timestamp) -> i64 {
    millis(at).min(LONGEST)
}

fn decision(row: &Row, charges: &[Charge]) -> Result<Decision, Unreadable> {
    let Some(wait) = optional(row, 1, number::<i64, u64>)? else {
        return Ok(Decision::Granted);
    };
    let number: usize = number::<i64, _>(row, 0)?;
    let charge = charges.get(number.wrapping_sub(1));
    Ok(Decision::Denied {
        scope: sound(charge, row, 0)?.scope,
        retry_after: Duration::from_millis(wait),
    })
}
