//! The way to the keys of one port.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::ports::StoreError;
use parking_lot::RwLock;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};

use crate::connection::Connection;
use crate::error::OpenError;
use crate::finder::Finder;
use crate::row::store_error;
use crate::script::Call;

/// The longest that an operation takes, whatever happens.
const PATIENCE: Duration = Duration::from_millis(1200);

/// The longest that finding and greeting the master takes in it.
const CONNECTING: Duration = Duration::from_millis(600);

/// Servers that hand over need a moment until they all name the same master.
const PAUSE: Duration = Duration::from_millis(20);

/// The keys of one port, all in one slot of a Cluster, and the connection to the server that has
/// them. A connection that gave trouble is dropped, and the next operation makes another.
pub(crate) struct Link {
    finder: Arc<Finder>,
    base: String,
    connection: RwLock<Option<Arc<Connection>>>,
    /// One connects, and the others wait for what becomes of it. Holds what became of the last.
    turn: Mutex<String>,
    failures: AtomicU64,
}

impl Link {
    /// The link of the keys `<prefix>{port}:…`.
    pub(crate) fn new(finder: Arc<Finder>, prefix: &str, port: &str) -> Self {
        Self {
            finder,
            base: format!("{prefix}{{{port}}}:"),
            connection: RwLock::default(),
            turn: Mutex::default(),
            failures: AtomicU64::new(0),
        }
    }

    /// Connects, and tries whether everything is allowed.
    pub(crate) async fn open(&self, deadline: Instant) -> Result<(), OpenError> {
        let connection = self.finder.connect(&self.base, deadline).await?;
        self.finder
            .rehearse(&connection, &self.base, deadline)
            .await?;
        *self.connection.write() = Some(Arc::new(connection));
        Ok(())
    }

    pub(crate) fn key(&self, name: impl std::fmt::Display) -> String {
        format!("{}{name}", self.base)
    }

    /// Runs a script.
    pub(crate) async fn run<T: FromRedisValue>(&self, call: Call) -> Result<T, StoreError> {
        let deadline = Instant::now() + PATIENCE;
        let outcome = match self.send(call.command(), deadline).await {
            Err(error) if is(&error, ServerErrorKind::NoScript) => {
                self.send(&call.with_text(), deadline).await
            }
            outcome => outcome,
        };
        outcome.map_err(store_error)
    }

    /// Runs a command.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let outcome = self.send(command, Instant::now() + PATIENCE).await;
        outcome.map_err(store_error)
    }

    /// A write of nothing, which says no where a write would be refused.
    pub(crate) async fn health(&self) -> Result<(), StoreError> {
        let mut command = redis::cmd("SETRANGE");
        command.arg(self.key("health")).arg(0).arg("");
        self.query(&command).await
    }

    async fn send<T: FromRedisValue>(&self, command: &Cmd, deadline: Instant) -> RedisResult<T> {
        loop {
            match self.attempt(command, deadline).await {
                Err(error) if is_elsewhere(&error) && Instant::now() + PAUSE < deadline => {
                    sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt<T: FromRedisValue>(&self, command: &Cmd, deadline: Instant) -> RedisResult<T> {
        let connection = timeout_at(deadline, self.connection()).await;
        let connection = connection.map_err(|_| late("the way to the master is not found"))??;
        let answer = timeout_at(deadline, connection.query(command)).await;
        let answer = answer.map_err(|_| late(&format!("{} does not answer", connection.server)));
        let answer = answer.flatten();
        if answer.as_ref().is_err_and(is_lost) {
            self.forget(&connection);
        }
        answer
    }

    async fn connection(&self) -> RedisResult<Arc<Connection>> {
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
        let deadline = Instant::now() + CONNECTING;
        let connected = self.finder.connect(&self.base, deadline).await;
        let connection = connected.map(Arc::new).map_err(|error| {
            *last = error.to_string();
            self.failures.fetch_add(1, Ordering::Release);
            io::Error::other(error)
        })?;
        *self.connection.write() = Some(connection.clone());
        Ok(connection)
    }

    fn current(&self) -> Option<Arc<Connection>> {
        let connection = self.connection.read().clone();
        connection.filter(|connection| connection.is_open())
    }

    /// Unless another one has taken its place.
    fn forget(&self, connection: &Arc<Connection>) {
        let mut current = self.connection.write();
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, connection))
        {
            *current = None;
        }
    }
}

fn late(what: &str) -> RedisError {
    let text = format!("{what} within {PATIENCE:?}");
    io::Error::new(io::ErrorKind::TimedOut, text).into()
}

fn is(error: &RedisError, kind: ServerErrorKind) -> bool {
    error.kind() == ErrorKind::Server(kind)
}

/// Whether the command was refused because another server is the master: it was not carried out.
fn is_elsewhere(error: &RedisError) -> bool {
    is(error, ServerErrorKind::Moved)
        || is(error, ServerErrorKind::ReadOnly)
        || error.to_string().contains("READONLY")
}

/// Whether the connection is of no use any more: closed, silent, or to the wrong server.
fn is_lost(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
        || is(error, ServerErrorKind::ClusterDown)
        || is(error, ServerErrorKind::MasterDown)
        || is_elsewhere(error)
}

#[cfg(test)]
mod tests {
    use ServerErrorKind::{
        BusyLoading, ClusterDown, MasterDown, Moved, NoPerm, ReadOnly, TryAgain,
    };

    use super::*;

    fn said(kind: ServerErrorKind, text: &str) -> RedisError {
        (ErrorKind::Server(kind), "said", text.to_owned()).into()
    }

    #[test]
    fn a_connection_is_dropped_if_another_server_may_do_better() {
        for kind in [ClusterDown, MasterDown, Moved, ReadOnly] {
            assert!(is_lost(&said(kind, "")), "{kind:?}");
        }
        assert!(is_lost(&late("it")));
        for kind in [BusyLoading, NoPerm, TryAgain] {
            assert!(!is_lost(&said(kind, "")), "{kind:?}");
        }
    }

    #[test]
    fn a_command_is_repeated_only_if_it_was_not_carried_out() {
        let of_6_2 = "Error running script: @user_script: 9: -READONLY You can't write";
        for error in [
            said(Moved, "1 a:2"),
            said(ReadOnly, ""),
            said(ServerErrorKind::ResponseError, of_6_2),
        ] {
            assert!(is_elsewhere(&error), "{error}");
        }
        for error in [late("it"), said(ClusterDown, ""), said(BusyLoading, "")] {
            assert!(!is_elsewhere(&error), "{error}");
        }
    }
}
