//! The way to the keys of one port.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use domain::ports::StoreError;
use parking_lot::RwLock;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind};
use tokio::runtime::{self, Handle};
use tokio::time::{Instant, sleep, timeout_at};

use crate::connection::Connection;
use crate::error::OpenError;
use crate::finder::Finder;
use crate::lane::Lane;
use crate::row::store_error;
use crate::script::Call;

/// The longest that an operation takes, whatever happens.
const PATIENCE: Duration = Duration::from_millis(1200);

/// The longest that finding and greeting the master takes in it.
const CONNECTING: Duration = Duration::from_millis(600);

/// Servers that hand over need a moment until they all name the same master.
const PAUSE: Duration = Duration::from_millis(20);

/// The keys of one port, all in one slot of a Cluster, and the way to the server that has them.
///
/// Every runtime that calls has a connection of its own, which lives and ends with it: a web
/// server's worker hands nothing to another thread and waits for none, and what it has under way
/// goes out in one packet. As soon as one of them has found another master, all others follow: the
/// last one may be back, and not know yet that it is none.
pub(crate) struct Link {
    finder: Arc<Finder>,
    base: String,
    lanes: RwLock<HashMap<runtime::Id, Arc<Lane>>>,
    master: RwLock<String>,
}

impl Link {
    /// The link of the keys `<prefix>{port}:…`.
    pub(crate) fn new(finder: Arc<Finder>, prefix: &str, port: &str) -> Self {
        Self {
            finder,
            base: format!("{prefix}{{{port}}}:"),
            lanes: RwLock::default(),
            master: RwLock::default(),
        }
    }

    /// Connects, and tries whether everything is allowed.
    pub(crate) async fn open(&self, deadline: Instant) -> Result<(), OpenError> {
        let connection = self.finder.connect(&self.base, deadline).await?;
        self.finder
            .rehearse(&connection, &self.base, deadline)
            .await?;
        self.lane().keep(connection, &self.master);
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
        let lane = self.lane();
        let connection = timeout_at(deadline, self.connection(&lane)).await;
        let connection = connection.map_err(|_| late("the way to the master is not found"))??;
        let answer = timeout_at(deadline, connection.query(command)).await;
        let answer = answer.map_err(|_| late(&format!("{} does not answer", connection.server)));
        let answer = answer.flatten();
        if answer.as_ref().is_err_and(is_lost) {
            lane.give_up(&connection);
        }
        answer
    }

    async fn connection(&self, lane: &Lane) -> RedisResult<Arc<Connection>> {
        let connect = async || {
            let deadline = Instant::now() + CONNECTING;
            self.finder.connect(&self.base, deadline).await
        };
        lane.connection(&self.master, connect).await
    }

    fn lane(&self) -> Arc<Lane> {
        let runtime = Handle::current().id();
        if let Some(lane) = self.lanes.read().get(&runtime) {
            return lane.clone();
        }
        let mut lanes = self.lanes.write();
        // A runtime that ended took its connection with it.
        lanes.retain(|_, lane| lane.is_connected() || Arc::strong_count(lane) > 1);
        lanes.entry(runtime).or_default().clone()
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
    use crate::{Port, Servers, Settings};

    #[test]
    fn a_runtime_that_ended_leaves_nothing_behind() {
        let server = servers::Redis::start();
        let settings = Settings {
            servers: Servers::Single(server.url().to_owned()),
            ports: Port::ALL.to_vec(),
            prefix: server.prefix(),
            ca_file: None,
        };
        let link = Link::new(Finder::new(&settings).unwrap(), &settings.prefix, "codes");
        for _ in 0..3 {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(link.health()).unwrap();
            assert_eq!(link.lanes.read().len(), 1);
        }
    }

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
