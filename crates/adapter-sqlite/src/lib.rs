//! Every store port, in one SQLite file: the default, durable.
//!
//! [`Sqlite`] is all four store ports at once. A write that it acknowledged is on disk. One thread
//! writes, and commits together what many callers wait for; reads run where they are called, each
//! on a read-only connection of its own. Nothing is remembered outside the file, so any number of
//! processes may share it.
//!
//! Its futures need a tokio runtime with a timer.

mod codes;
mod limits;
mod open;
mod readers;
mod row;
mod sessions;
mod users;
mod writer;

use std::path::Path;

use domain::ports::StoreError;
use domain::timestamp::Timestamp;
use rusqlite::params;

pub use open::{Fault, OpenError};
use readers::Readers;
use row::millis;
use writer::Writer;

/// The most rows one transaction sweeps: writes that wait behind it hardly notice.
const SWEEP_STEP: usize = 256;

/// The stores in one file. Dropping it completes what is under way and closes the file.
pub struct Sqlite {
    // Dropped first: the last to close the file has to be the one that may write to it.
    readers: Readers,
    writer: Writer,
}

impl Sqlite {
    /// Opens the file, makes it if it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// A [`Fault`] in one line that says what to do; the file is as it was then.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = open::absolute(path.as_ref())?;
        let conn = open::up_to_date(&path)?;
        let writer = Writer::start(conn).map_err(|source| OpenError::new(&path, source.into()))?;
        let readers = Readers::new(path);
        Ok(Self { readers, writer })
    }

    /// Brings the schema of the file up to date, and says how many migrations that took.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub fn migrate(path: impl AsRef<Path>) -> Result<usize, OpenError> {
        let path = open::absolute(path.as_ref())?;
        let pending = open::pending(&path)?;
        open::up_to_date(&path).map(|_| pending)
    }

    /// How many migrations the file lacks: all, if it does not exist. Changes nothing.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub fn pending(path: impl AsRef<Path>) -> Result<usize, OpenError> {
        open::pending(&open::absolute(path.as_ref())?)
    }

    /// Runs a `DELETE` of the rows that are over at `?1`, at most `?2`, until `limit` are gone.
    async fn sweep(
        &self,
        delete: &'static str,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let mut removed = 0;
        while removed < limit {
            let step = SWEEP_STEP.min(limit - removed);
            let swept = self
                .writer
                .write(move |conn| {
                    conn.prepare_cached(delete)?
                        .execute(params![millis(now), step])
                })
                .await?;
            removed += swept;
            if swept < step {
                break;
            }
        }
        Ok(removed)
    }

    /// A read, and a write of nothing: it shows that the writer lives and that nobody else keeps
    /// the file locked.
    async fn health(&self) -> Result<(), StoreError> {
        self.readers
            .read(|conn| conn.prepare_cached("SELECT 1 FROM users")?.exists([]))?;
        self.writer.write(|_| Ok(())).await
    }
}
