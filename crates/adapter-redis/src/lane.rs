//! The connection that the callers in one runtime share.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use redis::RedisResult;
use tokio::sync::Mutex;

use crate::connection::Connection;
use crate::error::OpenError;

/// At most one connection at a time. One that gave trouble is not used any more, and the next
/// caller makes another.
#[derive(Default)]
pub(crate) struct Lane {
    connection: RwLock<Option<Arc<Connection>>>,
    /// One connects, and the others wait for what becomes of it. Holds what became of the last.
    turn: Mutex<String>,
    failures: AtomicU64,
}

impl Lane {
    /// The connection, or else the one that `connect` makes.
    pub(crate) async fn connection(
        &self,
        connect: impl AsyncFnOnce() -> Result<Connection, OpenError>,
    ) -> RedisResult<Arc<Connection>> {
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        let failures = self.failures.load(Ordering::Acquire);
        let mut last = self.turn.lock().await;
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        if self.failures.load(Ordering::Acquire) != failures {
            return Err(io::Error::other(last.clone()).into());
        }
        let connection = connect().await.map_err(|error| {
            *last = error.to_string();
            self.failures.fetch_add(1, Ordering::Release);
            io::Error::other(error)
        })?;
        Ok(self.keep(connection))
    }

    pub(crate) fn keep(&self, connection: Connection) -> Arc<Connection> {
        let connection = Arc::new(connection);
        *self.connection.write() = Some(connection.clone());
        connection
    }

    pub(crate) fn has_connection(&self) -> bool {
        self.current().is_some()
    }

    fn current(&self) -> Option<Arc<Connection>> {
        let connection = self.connection.read().clone();
        connection.filter(|connection| connection.is_good())
    }
}
