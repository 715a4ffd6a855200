//! Every store port, in PostgreSQL.
//!
//! [`Postgres`] is all four store ports at once. Every operation is one statement in a transaction
//! of its own, so it costs one round trip, is on the server's disk when it is acknowledged, and
//! works through a PgBouncer that gives each transaction another connection: nothing is kept in a
//! session, no statement is prepared. Any number of nodes may share the database. All is in the
//! schema `phone_auth`; the user needs no more than to be allowed to make that.
//!
//! Its futures need a tokio runtime with IO and time.

mod codes;
mod fault;
mod limits;
mod open;
mod pool;
mod row;
mod server;
mod sessions;
mod sweep;
mod tls;
mod users;

use domain::ports::StoreError;

pub use fault::{Fault, OpenError};
use pool::{Pool, params};
use row::{column, first};
use server::Server;
pub use server::Settings;

/// A read that also shows whether the server takes writes.
const HEALTH: &str = "SELECT current_setting('transaction_read_only') = 'off',
    EXISTS (SELECT FROM phone_auth.users)";

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
        open::ready(&server).await?;
        let pool = Pool::new(server, settings.pool);
        Ok(Self { pool })
    }

    /// Brings the schema up to date, and says how many migrations that took.
    ///
    /// # Errors
    /// As [`Postgres::open`].
    pub async fn migrate(settings: &Settings) -> Result<usize, OpenError> {
        open::migrate(&Server::new(settings)?).await
    }

    /// How many migrations the database lacks: all, if it has no schema. Changes nothing.
    ///
    /// # Errors
    /// As [`Postgres::open`].
    pub async fn pending(settings: &Settings) -> Result<usize, OpenError> {
        open::pending(&Server::new(settings)?).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        let rows = self.pool.repeatable(HEALTH, params![]).await?;
        match first(&rows, |row| column(row, 0))? {
            Some(true) => Ok(()),
            _ => Err(StoreError::unavailable("the server takes no writes")),
        }
    }
}
