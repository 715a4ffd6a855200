//! Every store port, in PostgreSQL.
//!
//! [`Postgres`] is all four store ports at once. Every operation calls one function of the schema
//! `phone_auth`, in a transaction of its own: it costs one round trip, is on the server's disk when
//! it is acknowledged, and works through a PgBouncer that gives each transaction another
//! connection. Any number of nodes may share the database. Its user needs no more than to be allowed
//! to make that schema.
//!
//! It is opened in a tokio runtime with IO and time, where its connections live for as long as it
//! is used; its callers may be in other ones.

mod codes;
mod fault;
mod limits;
mod open;
mod pool;
mod row;
mod server;
mod sessions;
mod tls;
mod users;

use domain::ports::StoreError;
use domain::timestamp::Timestamp;

pub use fault::{Fault, OpenError};
use pool::{Pool, params};
use row::{column, first, millis, number};
use server::Server;
pub use server::Settings;
use tokio_postgres::Row;

/// The most rows one transaction sweeps: writes that wait behind it hardly notice.
const SWEEP_STEP: usize = 256;

const WAITS: &str = "SELECT pg_catalog.current_setting('synchronous_commit'),
    pg_catalog.current_setting('fsync')";

/// The stores in one database.
pub struct Postgres {
    pool: Pool,
}

impl Postgres {
    /// Connects, and brings the schema up to date: makes it, if it is missing.
    ///
    /// # Errors
    /// Within 5 s a [`Fault`], in one line that names the server and says what to do.
    pub async fn open(settings: &Settings) -> Result<Self, OpenError> {
        let server = Server::new(settings)?;
        let ready = open::ready(&server).await;
        ready.map_err(|fault| server.refused(fault))?;
        let pool = Pool::new(server, settings.pool);
        Ok(Self { pool })
    }

    /// Brings the schema up to date, however long that takes, and says how many migrations it took.
    ///
    /// # Errors
    /// As [`Postgres::open`]; once it is at it, whenever a migration fails.
    pub async fn migrate(settings: &Settings) -> Result<usize, OpenError> {
        let server = Server::new(settings)?;
        let applied = open::migrate(&server).await;
        applied.map_err(|fault| server.refused(fault))
    }

    /// How many migrations the database lacks: all, if it has no schema. Changes nothing.
    ///
    /// # Errors
    /// As [`Postgres::open`].
    pub async fn pending(settings: &Settings) -> Result<usize, OpenError> {
        let server = Server::new(settings)?;
        let pending = open::pending(&server).await;
        pending.map_err(|fault| server.refused(fault))
    }

    /// Whether a crash of the server leaves all that it acknowledged: its commits wait for the disk.
    ///
    /// # Errors
    /// The server cannot answer.
    pub async fn keeps_commits(&self) -> Result<bool, StoreError> {
        let rows = self.pool.repeatable(WAITS, params![]).await?;
        let waits = |row: &Row, setting| Ok(column::<&str>(row, setting)? != "off");
        let waits = first(&rows, |row| Ok(waits(row, 0)? && waits(row, 1)?))?;
        Ok(waits.unwrap_or_default())
    }

    /// Runs a function that sweeps at most `$2` rows that are over at `$1`, until `limit` are gone.
    async fn sweep(&self, sweep: &str, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut removed = 0;
        while removed < limit {
            let step = SWEEP_STEP.min(limit - removed);
            let over = params![millis(now) => INT8, step as i64 => INT8];
            let rows = self.pool.once(sweep, over).await?;
            let swept = first(&rows, |row| number::<i64, usize>(row, 0))?.unwrap_or_default();
            removed += swept;
            if swept < step {
                break;
            }
        }
        Ok(removed)
    }

    /// Runs a port's own write of nothing, which fails where a write to its table would.
    async fn health(&self, nothing: &str) -> Result<(), StoreError> {
        self.pool.repeatable(nothing, params![]).await.map(drop)
    }
}
