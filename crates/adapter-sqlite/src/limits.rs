use async_trait::async_trait;
use domain::ports::{RateLimiter, StoreError};
use domain::rate_limit::{Charge, Counter, CounterKey, Decision};
use domain::timestamp::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Result, params};

use crate::Sqlite;
use crate::row::{millis, sound};

const BY_KEY: &str = "SELECT hits FROM counters WHERE key = ?1";
const UPSERT: &str = "INSERT INTO counters (key, hits, expires_at) VALUES (?1, ?2, ?3)
    ON CONFLICT (key) DO UPDATE SET hits = excluded.hits, expires_at = excluded.expires_at";
const DELETE: &str = "DELETE FROM counters WHERE key = ?1";
const SWEEP: &str = "DELETE FROM counters WHERE key IN
    (SELECT key FROM counters WHERE expires_at <= ?1 LIMIT ?2)";

#[async_trait]
impl RateLimiter for Sqlite {
    async fn acquire(&self, charges: &[Charge], now: Timestamp) -> Result<Decision, StoreError> {
        let charges = charges.to_vec();
        self.writer
            .write(move |conn| acquire(conn, &charges, now))
            .await
    }

    async fn refund(&self, charges: &[Charge], at: Timestamp) -> Result<(), StoreError> {
        let charges = charges.to_vec();
        self.writer
            .write(move |conn| {
                charges
                    .iter()
                    .try_for_each(|charge| refund(conn, charge, at))
            })
            .await
    }

    async fn clear(&self, keys: &[CounterKey]) -> Result<(), StoreError> {
        let keys = keys.to_vec();
        self.writer
            .write(move |conn| keys.iter().try_for_each(|key| delete(conn, key)))
            .await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.sweep(SWEEP, now, limit).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.health().await
    }
}

fn acquire(conn: &Connection, charges: &[Charge], now: Timestamp) -> Result<Decision> {
    let mut counters = charges
        .iter()
        .map(|charge| load(conn, &charge.key))
        .collect::<Result<Vec<_>>>()?;
    let refused = counters
        .iter()
        .zip(charges)
        .filter_map(|(counter, charge)| Some((counter.admit(charge, now).err()?, charge.scope)))
        .max_by_key(|(retry_after, _)| *retry_after);
    if let Some((retry_after, scope)) = refused {
        return Ok(Decision::Denied { scope, retry_after });
    }
    for (counter, charge) in counters.iter_mut().zip(charges) {
        counter.record(charge, now);
        save(conn, charge, counter)?;
    }
    Ok(Decision::Granted)
}

fn refund(conn: &Connection, charge: &Charge, at: Timestamp) -> Result<()> {
    let mut counter = load(conn, &charge.key)?;
    counter.give_back(charge, at);
    if counter.is_empty() {
        delete(conn, &charge.key)
    } else {
        save(conn, charge, &counter)
    }
}

/// The counter of that key, empty if there is none.
fn load(conn: &Connection, key: &CounterKey) -> Result<Counter> {
    let counter = conn
        .prepare_cached(BY_KEY)?
        .query_row([key.as_bytes()], |row| {
            sound(
                Counter::from_bytes(row.get_ref(0)?.as_blob()?),
                0,
                Type::Blob,
            )
        })
        .optional()?;
    Ok(counter.unwrap_or_default())
}

fn save(conn: &Connection, charge: &Charge, counter: &Counter) -> Result<()> {
    let over = millis(counter.expires_at(&charge.limit));
    conn.prepare_cached(UPSERT)?
        .execute(params![charge.key.as_bytes(), counter.to_bytes(), over])
        .map(drop)
}

fn delete(conn: &Connection, key: &CounterKey) -> Result<()> {
    conn.prepare_cached(DELETE)?
        .execute([key.as_bytes()])
        .map(drop)
}
