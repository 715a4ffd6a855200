//! The configuration: read in layers, checked whole, typed.
//!
//! Built-in defaults, then a file, then `PHONE_AUTH__…` variables, then flags; later ones win.
//! Every fault is reported at once, each in one line with its key, the layer its value came from
//! and what to write instead. `docs/configuration.md` tells operators of every key.

mod entry;
mod fault;
mod findings;
mod layers;
mod policy;
mod reader;
mod secrets;
mod sections;
mod server_url;
mod stores;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use adapter_jwt::Algorithm;
use domain::auth::Policy;
use domain::phone::Country;
use ipnet::IpNet;

pub use self::entry::Secret;
pub use self::fault::{Fault, Faults};
pub use self::findings::findings;
pub use self::layers::{Layer, Sources};
pub use self::reader::Setting;
pub use self::server_url::ServerUrl;
pub use self::values::Origin;

/// What an installation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// A weak setting is a warning.
    Development,
    /// A weak setting stops the start.
    Production,
}

/// A whole configuration, without faults. Secrets are hidden in its debug output.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the installation is for.
    pub profile: Profile,
    /// The listeners.
    pub server: Server,
    /// Where this process keeps its files.
    pub data_dir: PathBuf,
    /// Where the key ring is.
    pub keys: RingSource,
    /// What the use cases go by, complete: `sends_per_phone` holds the first resend wait too.
    pub policy: Policy,
    /// Which adapter serves each port.
    pub stores: Stores,
    /// The SQLite database.
    pub sqlite_path: PathBuf,
    /// How to reach PostgreSQL, if a port is there.
    pub postgres: Option<Postgres>,
    /// How to reach Redis, if a port is there.
    pub redis: Option<Redis>,
    /// Gateways and the way to them.
    pub sms: Sms,
    /// What access tokens say, and how they are signed.
    pub tokens: Tokens,
    /// Logging.
    pub log: Log,
    settings: Vec<Setting>,
}

/// The listeners.
#[derive(Debug, Clone)]
pub struct Server {
    /// The public listener.
    pub bind: SocketAddr,
    /// Where browsers find it.
    pub public_origin: Origin,
    /// The listener of health checks and metrics.
    pub ops_bind: SocketAddr,
    /// Whether that one may be reachable from outside in production.
    pub ops_public: bool,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether `/auth/phone_code` is served.
    pub short_contract: bool,
    /// Whether `/openapi.json` and `/docs` are served.
    pub docs: bool,
    /// Threads of the public listener.
    pub workers: usize,
    /// How long it still serves when it is told to end.
    pub drain: Duration,
}

/// Where the key ring is.
#[derive(Debug, Clone)]
pub enum RingSource {
    /// In the configuration itself.
    Text(Secret),
    /// In a file, which development makes at first start.
    File(PathBuf),
}

/// Where the rows of a port are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Store {
    /// This process; gone when it ends.
    Memory,
    /// One file.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
    /// Redis or Valkey, for what is short-lived.
    Redis,
}

impl Store {
    /// Every store.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Sqlite, Self::Postgres, Self::Redis];

    /// Its name in the configuration, and that of its cargo feature.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }

    /// Whether it is part of this build.
    pub const fn is_built(self) -> bool {
        match self {
            Self::Memory => true,
            Self::Sqlite => cfg!(feature = "sqlite"),
            Self::Postgres => cfg!(feature = "postgres"),
            Self::Redis => cfg!(feature = "redis"),
        }
    }
}

/// How to reach PostgreSQL.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// The server and its database.
    pub url: ServerUrl,
    /// Connections of this process, at most.
    pub pool: usize,
    /// Whom its certificate has to be from; the system's authorities if left out.
    pub ca_file: Option<PathBuf>,
}

/// How to reach Redis.
#[derive(Debug, Clone)]
pub struct Redis {
    /// The servers.
    pub servers: RedisServers,
    /// What every key starts with, so that services can share a server.
    pub prefix: String,
    /// Whom its certificate has to be from; the system's authorities if left out.
    pub ca_file: Option<PathBuf>,
}

/// What sort of Redis it is.
#[derive(Debug, Clone)]
pub enum RedisServers {
    /// One server.
    Single(ServerUrl),
    /// A cluster, by some of its nodes.
    Cluster(Vec<ServerUrl>),
    /// A master that sentinels watch.
    Sentinel {
        /// The master's name.
        master: String,
        /// The sentinels.
        urls: Vec<ServerUrl>,
    },
}

/// Which adapter serves each port.
#[derive(Debug, Clone, Copy)]
pub struct Stores {
    /// `CodeStore`
    pub codes: Store,
    /// `RateLimiter`
    pub rate_limits: Store,
    /// `SessionStore`
    pub sessions: Store,
    /// `UserRepo`
    pub users: Store,
}

impl Stores {
    /// Every port's adapter, by the port's name in the configuration.
    pub fn by_name(&self) -> [(&'static str, Store); 4] {
        [
            ("codes", self.codes),
            ("rate_limits", self.rate_limits),
            ("sessions", self.sessions),
            ("users", self.users),
        ]
    }

    /// Whether it serves a port.
    pub fn uses(&self, store: Store) -> bool {
        self.by_name().iter().any(|(_, used)| *used == store)
    }
}

/// Gateways and the way to them.
#[derive(Debug, Clone)]
pub struct Sms {
    /// Names of gateways, in order of preference.
    pub route: Vec<String>,
    /// The same for single countries.
    pub routes: BTreeMap<Country, Vec<String>>,
    /// Every gateway by its name.
    pub gateways: BTreeMap<String, Gateway>,
    /// Messages handed to gateways at the same time.
    pub workers: usize,
    /// Messages that may wait for a worker.
    pub queue: usize,
}

/// A gateway as configured. Which settings it takes is known to its adapter.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// What sort of gateway it is.
    pub kind: String,
    /// Everything else in its section; a `NAME_file` is read and stands here as `NAME`.
    settings: BTreeMap<String, Secret>,
}

impl Gateway {
    /// Its settings, for its adapter.
    pub fn settings(&self) -> adapter_sms::Settings {
        adapter_sms::Settings::new(
            self.settings
                .iter()
                .map(|(key, value)| (key, value.expose())),
        )
    }
}

/// What access tokens say, and how they are signed.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// `iss`
    pub issuer: String,
    /// `aud`
    pub audience: String,
    /// What new keys sign with.
    pub algorithm: Algorithm,
    /// How long a new key is published before it signs.
    pub key_overlap: Duration,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Logging.
#[derive(Debug, Clone)]
pub struct Log {
    /// A level, or levels per module: `info,actix_web=warn`.
    pub level: String,
    /// How lines are written.
    pub format: LogFormat,
}

impl Config {
    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(sources: &Sources) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let entries = layers::gather(sources, &mut faults);
        let mut reader = reader::Reader::new(entries, faults);
        let config = sections::read(&mut reader);
        let (config, settings) = reader.finish(config)?;
        Ok(Self { settings, ..config })
    }

    /// Every setting with its value, secrets hidden, and the layer it came from; sorted by key.
    pub fn effective(&self) -> &[Setting] {
        &self.settings
    }
}
