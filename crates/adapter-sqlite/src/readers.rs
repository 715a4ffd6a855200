//! Reads: where they are called, on read-only connections that are kept for the next read.

use std::path::PathBuf;
use std::time::Duration;

use domain::ports::StoreError;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, Result};

use crate::row::store_error;

/// In WAL mode a reader waits for nobody, except for a recovery after a crash.
const PATIENCE: Duration = Duration::from_millis(250);

/// As many connections as threads ever read at once, opened when they are first needed.
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::default(),
        }
    }

    /// Runs `query`. A connection that failed is closed, and the next read opens another.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T, StoreError> {
        self.try_read(query).map_err(store_error)
    }

    fn try_read<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = self.idle.lock().pop();
        let conn = idle.map_or_else(|| self.connect(), Ok)?;
        let answer = query(&conn)?;
        self.idle.lock().push(conn);
        Ok(answer)
    }

    fn connect(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&self.path, flags)?;
        conn.busy_timeout(PATIENCE)?;
        Ok(conn)
    }
}
