//! The connection that the callers in one runtime share.

use std::io;
use std::sync::Arc;

use parking_lot::RwLock;
use redis::RedisResult;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::error::OpenError;

/// At most one connection, to the master that was found last.
#[derive(Default)]
pub(crate) struct Lane {
    connection: RwLock<Option<Arc<Connection>>>,
    /// One connects, and the others wait for what becomes of it. Holds when it last failed, and why.
    turn: Mutex<Option<(Instant, String)>>,
}

impl Lane {
    /// The connection to `master`, or else to the one that `connect` finds, which is the master from
    /// then on.
    pub(crate) async fn connection(
        &self,
        master: &RwLock<String>,
        connect: impl AsyncFnOnce() -> Result<Connection, OpenError>,
    ) -> RedisResult<Arc<Connection>> {
        if let Some(connection) = self.current(master) {
            return Ok(connection);
        }
        let asked = Instant::now();
        let mut failure = self.turn.lock().await;
        if let Some(connection) = self.current(master) {
            return Ok(connection);
        }
        if let Some((_, why)) = failure.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(io::Error::other(why.clone()).into());
        }
        let connection = connect().await.map_err(|error| {
            *failure = Some((Instant::now(), error.to_string()));
            io::Error::other(error)
        })?;
        Ok(self.keep(connection, master))
    }

    pub(crate) fn keep(&self, connection: Connection, master: &RwLock<String>) -> Arc<Connection> {
        master.write().clone_from(&connection.master);
        let connection = Arc::new(connection);
        *self.connection.write() = Some(connection.clone());
        connection
    }

    /// The next caller makes another one, unless there is one already.
    pub(crate) fn give_up(&self, connection: &Arc<Connection>) {
        let mut current = self.connection.write();
        current.take_if(|current| Arc::ptr_eq(current, connection));
    }

    pub(crate) fn is_connected(&self) -> bool {
        let connection = self.connection.read();
        connection
            .as_ref()
            .is_some_and(|connection| connection.is_open())
    }

    fn current(&self, master: &RwLock<String>) -> Option<Arc<Connection>> {
        let connection = self.connection.read().clone()?;
        let is_current = connection.is_open() && connection.master == *master.read();
        is_current.then_some(connection)
    }
}
