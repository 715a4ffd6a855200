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

    /// A connection to the master that has this key: the first to which any server shows the way.
    pub(crate) async fn connect(
        &self,
        key: &str,
        deadline: Instant,
    ) -> Result<Connection, OpenError> {
        let ways = self.seeds.iter().map(|seed| self.way(seed, key, deadline));
        let mut ways: FuturesUnordered<_> = ways.collect();
        let mut failure = None;
        while let Some(outcome) = ways.next().await {
            match outcome {
                Ok(connection) => return Ok(connection),
                // What a server says tells more than that another one is not there.
                Err(error) if failure.is_none() || error.is_an_answer() => failure = Some(error),
                Err(_) => {}
            }
        }
        Err(failure.unwrap_or_else(|| OpenError::new(self.servers.key(), Fault::Url)))
    }

    async fn way(
        &self,
        seed: &Server,
        key: &str,
        deadline: Instant,
    ) -> Result<Connection, OpenError> {
        let connection = match &self.servers {
            Servers::Single(_) => self.open(seed, deadline).await?,
            Servers::Cluster(_) => self.owner(seed, key, deadline).await?,
            Servers::Sentinel { master, .. } => self.master(seed, master, deadline).await?,
        };
        let info = self.ask(&connection, &redis::cmd("INFO"), deadline).await?;
        inspect(info, &self.servers).map_err(|fault| OpenError::new(&connection.server, fault))?;
        Ok(connection)
    }

    async fn open(&self, server: &Server, deadline: Instant) -> Result<Connection, OpenError> {
        Connection::open(server, self.tls.as_ref(), deadline).await
    }

    /// The node of a Cluster that has the key. Any node knows, and says so of any command.
    async fn owner(
        &self,
        seed: &Server,
        key: &str,
        deadline: Instant,
    ) -> Result<Connection, OpenError> {
        let connection = self.open(seed, deadline).await?;
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

    async fn master(
        &self,
        sentinel: &Server,
        name: &str,
        deadline: Instant,
    ) -> Result<Connection, OpenError> {
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
        self.open(&sentinel.at(&host, port), deadline).await
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

/// Where a node of a Cluster says that the key is.
fn moved_to(error: &RedisError) -> Option<(&str, u16)> {
    let moved = error.kind() == ErrorKind::Server(ServerErrorKind::Moved);
    let (address, _slot) = error.redirect_node().filter(|_| moved)?;
    let (host, port) = address.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}
