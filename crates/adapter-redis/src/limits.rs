use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use domain::ports::{RateLimiter, StoreError};
use domain::rate_limit::{Charge, CounterKey, Decision};
use domain::timestamp::Timestamp;

use crate::Redis;
use crate::row::{GRACE, millis, millis_of, sound};
use crate::script::{Call, Script};

static ACQUIRE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("limits/acquire.lua")));
static REFUND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("limits/refund.lua")));

impl Redis {
    fn key_of_counter(&self, key: &CounterKey) -> String {
        self.limits.key(HEXLOWER.encode(key.as_bytes()))
    }

    fn on_counters_of(&self, charges: &[Charge], script: &'static Script) -> Call {
        let keys = charges
            .iter()
            .map(|charge| self.key_of_counter(&charge.key));
        script.on(&keys.collect::<Vec<_>>())
    }
}

#[async_trait]
impl RateLimiter for Redis {
    async fn acquire(&self, charges: &[Charge], now: Timestamp) -> Result<Decision, StoreError> {
        if charges.is_empty() {
            return Ok(Decision::Granted);
        }
        let call = self.on_counters_of(charges, &ACQUIRE);
        let call = call.arg(millis(now)).arg(millis_of(GRACE));
        let call = charges
            .iter()
            .fold(call, |call, charge| with_charge(call, charge, now));
        let (refused, wait): (usize, u64) = self.limits.run(call).await?;
        let Some(number) = refused.checked_sub(1) else {
            return Ok(Decision::Granted);
        };
        Ok(Decision::Denied {
            scope: sound(charges.get(number), "charge")?.scope,
            retry_after: Duration::from_millis(wait),
        })
    }

    async fn refund(&self, charges: &[Charge], at: Timestamp) -> Result<(), StoreError> {
        if charges.is_empty() {
            return Ok(());
        }
        let call = self.on_counters_of(charges, &REFUND);
        let call = charges.iter().fold(call, |call, charge| {
            call.arg(charge.cost).arg(millis(charge.limit.slot_of(at)))
        });
        self.limits.run(call).await
    }

    async fn clear(&self, keys: &[CounterKey]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let keys = keys.iter().map(|key| self.key_of_counter(key));
        self.limits
            .query(&redis::Cmd::del(keys.collect::<Vec<_>>()))
            .await
    }

    /// Counters leave by their time to live.
    async fn sweep(&self, _now: Timestamp, _limit: usize) -> Result<usize, StoreError> {
        Ok(0)
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.limits.health().await
    }
}

fn with_charge(call: Call, charge: &Charge, now: Timestamp) -> Call {
    let windows = charge.limit.windows();
    let longest = windows.iter().map(|window| window.period).max();
    let call = call
        .arg(charge.cost)
        .arg(millis(charge.limit.slot_of(now)))
        .arg(millis_of(longest.unwrap_or_default()))
        .arg(windows.len());
    windows.iter().fold(call, |call, window| {
        call.arg(window.count).arg(millis_of(window.period))
    })
}
