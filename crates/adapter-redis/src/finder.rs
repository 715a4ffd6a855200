//! Finding the server to talk to: the master that has the keys of a port.

use std::sync::{Arc, LazyLock};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::connection::{Connection, tls};
use crate::error::{Fault, OpenError};
use crate::inspect::{COMMANDS, inspect};
use crate::script::Script;
use crate::settings::{Server, Servers, Settings};

/// What a server says of a script whose user may not do something: 6.2, 7.0, and later ones.
const FORBIDDEN: [&str; 3] = [
    "NOPERM",
    "The user executing the script",
    "ACL failure in script",
];

static REHEARSE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("rehearse.lua")));

/// Knows where to ask for the master.
pub(crate) struct Finder {
    servers: Servers,
    seeds: Vec<Server>,
    tls: Option<TlsConnector>,
    prefix: String,
}

impl Finder {
    pub(crate) fn new(settings: &Settings) -> Result<Arc<Self>, OpenError> {
        let (seeds, with_tls) = settings.servers.parse()?;
        let ca_file = settings.ca_file.as_deref();
        Ok(Arc::new(Self {
            servers: settings.servers.clone(),
            seeds,
            tls: with_tls.then(|| tls(ca_file)).transpose()?,
            prefix: settings.prefix.clone(),
        }))
    }

    /// A connection to the master that has this key.
    pub(crate) async fn connect(
        &self,
        key: &str,
        deadline: Instant,
    ) -> Result<Connection, OpenError> {
        let mut connection = match &self.servers {
            Servers::Sentinel { master, .. } => self.elected(master, deadline).await?,
            Servers::Single(_) | Servers::Cluster(_) => self.owner(key, deadline).await?,
        };
        let info = self.ask(&connection, &redis::cmd("INFO"), deadline).await?;
        let judged = inspect(info, &self.servers);
        connection.master = judged.map_err(|fault| OpenError::new(&connection.server, fault))?;
        Ok(connection)
    }

    /// The server that has the key: the first to which any server shows the way.
    async fn owner(&self, key: &str, deadline: Instant) -> Result<Connection, OpenError> {
        let ways = self.seeds.iter().map(|seed| self.way(seed, key, deadline));
        let mut ways: FuturesUnordered<_> = ways.collect();
        let mut failures = Failures::default();
        while let Some(outcome) = ways.next().await {
            match outcome {
                Ok(connection) => return Ok(connection),
                Err(error) => failures.add(error),
            }
        }
        Err(failures.most_telling(&self.servers))
    }

    /// Any node of a Cluster knows who has a key, and says so of any command.
    async fn way(
        &self,
        seed: &Server,
        key: &str,
        deadline: Instant,
    ) -> Result<Connection, OpenError> {
        let connection = self.open(seed, deadline).await?;
        if matches!(self.servers, Servers::Single(_)) {
            return Ok(connection);
        }
        let mut command = redis::cmd("EXISTS");
        let asked = timeout_at(deadline, connection.query(command.arg(key))).await;
        match asked.map_err(|_| OpenError::new(seed, Fault::Silent))? {
            Ok(()) => Ok(connection),
            Err(error) => match moved_to(&error) {
                // A node that does not know what it is called means the host it was asked at.
                Some(("", port)) => self.open(&seed.at(&seed.host, port), deadline).await,
                Some((host, port)) => self.open(&seed.at(host, port), deadline).await,
                None => Err(self.fault(seed, error)),
            },
        }
    }

    /// The master that most sentinels name, or all that answer. One that has not heard of a failover
    /// names a server that may be back, with nothing in it.
    async fn elected(&self, name: &str, deadline: Instant) -> Result<Connection, OpenError> {
        let half = deadline.saturating_duration_since(Instant::now()) / 2;
        let votes = self
            .seeds
            .iter()
            .map(|seed| self.vote(seed, name, deadline - half));
        let mut votes: FuturesUnordered<_> = votes.collect();
        let (mut named, mut failures) = (Vec::<Server>::new(), Failures::default());
        while let Some(vote) = votes.next().await {
            match vote {
                Ok(server) => named.push(server),
                Err(error) => failures.add(error),
            }
            let agreed =
                |server: &&Server| named.iter().filter(|other| other.is_at(server)).count();
            if let Some(server) = named
                .iter()
                .find(|server| 2 * agreed(server) > self.seeds.len())
            {
                return self.open(server, deadline).await;
            }
        }
        match named.split_first() {
            Some((server, others)) if others.iter().all(|other| other.is_at(server)) => {
                self.open(server, deadline).await
            }
            Some(_) => Err(OpenError::new(self.servers.key(), Fault::Divided)),
            None => Err(failures.most_telling(&self.servers)),
        }
    }

    /// The master that a sentinel names.
    async fn vote(
        &self,
        sentinel: &Server,
        name: &str,
        deadline: Instant,
    ) -> Result<Server, OpenError> {
        let connection = match self.open(&sentinel.as_sentinel(), deadline).await {
            Err(error) if error.is_of_password() => {
                self.open(&sentinel.without_login(), deadline).await?
            }
            outcome => outcome?,
        };
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        let master: Option<(String, u16)> = self.ask(&connection, &command, deadline).await?;
        let unknown = || OpenError::new(sentinel, Fault::UnknownMaster(name.to_owned()));
        let (host, port) = master.ok_or_else(unknown)?;
        Ok(sentinel.at(&host, port))
    }

    async fn open(&self, server: &Server, deadline: Instant) -> Result<Connection, OpenError> {
        let connection = Connection::open(server, self.tls.as_ref(), deadline).await?;
        let database = server.login.db();
        if database != 0 {
            let mut select = redis::cmd("SELECT");
            self.ask::<()>(&connection, select.arg(database), deadline)
                .await?;
        }
        Ok(connection)
    }

    /// Tries every command on keys that begin with `base` and are gone afterwards.
    pub(crate) async fn rehearse(
        &self,
        connection: &Connection,
        base: &str,
        deadline: Instant,
    ) -> Result<(), OpenError> {
        let keys = ["hash", "set", "sorted", "text"].map(|kind| format!("{base}rehearsal:{kind}"));
        let call = REHEARSE.on(&keys);
        self.ask::<()>(connection, &call.with_text(), deadline)
            .await?;
        self.ask(connection, call.command(), deadline).await
    }

    /// Sends a command by which a connection is made ready.
    async fn ask<T: FromRedisValue>(
        &self,
        connection: &Connection,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<T, OpenError> {
        let server = &connection.server;
        let answer = timeout_at(deadline, connection.query(command)).await;
        let answer = answer.map_err(|_| OpenError::new(server, Fault::Silent))?;
        answer.map_err(|error| self.fault(server, error))
    }

    fn fault(&self, server: &Server, error: RedisError) -> OpenError {
        let text = error.to_string();
        let forbidden = error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
            || FORBIDDEN.iter().any(|words| text.contains(words));
        let fault = if forbidden {
            Fault::Forbidden {
                why: text,
                user: server.login.username().unwrap_or("default").to_owned(),
                prefix: self.prefix.clone(),
                commands: COMMANDS,
            }
        } else if text.contains("unknown command") && text.contains("SENTINEL") {
            Fault::NoSentinel
        } else {
            error.into()
        };
        OpenError::new(server, fault)
    }
}

/// What became of several ways, when none led anywhere.
#[derive(Default)]
struct Failures(Option<OpenError>);

impl Failures {
    /// What a server says tells more than that another one is not there.
    fn add(&mut self, error: OpenError) {
        if self.0.is_none() || error.is_an_answer() {
            self.0 = Some(error);
        }
    }

    fn most_telling(self, servers: &Servers) -> OpenError {
        self.0
            .unwrap_or_else(|| OpenError::new(servers.key(), Fault::Url))
    }
}

/// Where a node of a Cluster says that the key is.
fn moved_to(error: &RedisError) -> Option<(&str, u16)> {
    let moved = error.kind() == ErrorKind::Server(ServerErrorKind::Moved);
    let (address, _slot) = error.redirect_node().filter(|_| moved)?;
    let (host, port) = address.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_says_where_a_key_is() {
        let said = |kind, text: &str| -> RedisError {
            (ErrorKind::Server(kind), "said", text.to_owned()).into()
        };
        for (text, expected) in [
            ("3999 10.0.0.7:6381", Some(("10.0.0.7", 6381))),
            ("3999 fd00::7:6381", Some(("fd00::7", 6381))),
            ("3999 node-7.internal:6381", Some(("node-7.internal", 6381))),
            ("3999 :6381", Some(("", 6381))),
            ("3999 10.0.0.7", None),
            ("3999", None),
        ] {
            assert_eq!(
                moved_to(&said(ServerErrorKind::Moved, text)),
                expected,
                "{text}"
            );
        }
        assert_eq!(
            moved_to(&said(ServerErrorKind::Ask, "3999 10.0.0.7:6381")),
            None
        );
    }
}
