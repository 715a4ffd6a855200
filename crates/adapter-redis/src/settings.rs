use std::fmt;
use std::path::PathBuf;

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::error::{Fault, OpenError};

/// Where the stores are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The servers.
    pub servers: Servers,
    /// What they are for. Only these are connected and tried when the stores are opened, each at
    /// the master that has its keys; another one connects when it is used.
    pub ports: Vec<Port>,
    /// What every key begins with, so that services can share a server. Without braces.
    pub prefix: String,
    /// The authority that signed the certificates of the servers, in PEM; else those that the
    /// system trusts.
    pub ca_file: Option<PathBuf>,
}

/// A port that Redis can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// `CodeStore`
    Codes,
    /// `RateLimiter`
    RateLimits,
    /// `SessionStore`
    Sessions,
}

impl Port {
    /// Every port.
    pub const ALL: [Self; 3] = [Self::Codes, Self::RateLimits, Self::Sessions];
}

/// Servers by their URLs: `redis://user:password@host:6379/0`, or `rediss://` for TLS. Special
/// characters of a password are percent-encoded.
///
/// Debug output shows hosts and ports only.
#[derive(Clone)]
pub enum Servers {
    /// One server.
    Single(String),
    /// Some nodes of a Cluster; they name the others.
    Cluster(Vec<String>),
    /// The sentinels that know which server is the master. User, password and TLS of their URLs
    /// are those of the master too; a sentinel may do without the password.
    Sentinel {
        /// What the sentinels call the master.
        master: String,
        /// The sentinels.
        urls: Vec<String>,
    },
}

impl Servers {
    fn urls(&self) -> &[String] {
        match self {
            Self::Single(url) => std::slice::from_ref(url),
            Self::Cluster(urls) | Self::Sentinel { urls, .. } => urls,
        }
    }

    /// The name of the URLs in the configuration.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Single(_) => "redis.url",
            Self::Cluster(_) => "redis.cluster_urls",
            Self::Sentinel { .. } => "redis.sentinel.urls",
        }
    }

    /// At least one server, and whether they speak TLS: all do or none.
    pub(crate) fn parse(&self) -> Result<(Vec<Server>, bool), OpenError> {
        let fault = |fault| OpenError::new(self.key(), fault);
        let parsed = self.urls().iter().map(|url| Server::parse(url));
        let parsed: Option<Vec<_>> = parsed.collect();
        let (servers, tls): (Vec<Server>, Vec<bool>) =
            parsed.ok_or_else(|| fault(Fault::Url))?.into_iter().unzip();
        match tls.first() {
            None => Err(fault(Fault::Url)),
            Some(first) if tls.iter().any(|other| other != first) => Err(fault(Fault::Mixed)),
            Some(first) => Ok((servers, *first)),
        }
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for url in self.urls() {
            match Server::parse(url) {
                Some((server, _)) => list.entry(&format_args!("{server}")),
                None => list.entry(&"not a URL of Redis"),
            };
        }
        list.finish()
    }
}

/// One server, and who we are there. Shown as `host:port`.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) login: RedisConnectionInfo,
}

impl Server {
    /// The server of a URL, and whether it speaks TLS.
    fn parse(url: &str) -> Option<(Self, bool)> {
        let (scheme, rest) = url.split_once("://")?;
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            _ => return None,
        };
        // Else what comes after a special character in a password would be shown as the host.
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if rest[authority.len()..].contains(['@', '#']) {
            return None;
        }
        let info = format!("redis://{rest}").into_connection_info().ok()?;
        let login = info.redis_settings().clone();
        let ConnectionAddr::Tcp(host, port) = info.addr().clone() else {
            return None;
        };
        Some((Self { host, port, login }, tls))
    }

    /// Another server, reached as this one is.
    pub(crate) fn at(&self, host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            ..self.clone()
        }
    }

    /// Whether this is the same place as another one.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
    }

    /// The same server as a sentinel, which has no databases.
    pub(crate) fn as_sentinel(&self) -> Self {
        Self {
            login: self.login.clone().set_db(0),
            ..self.clone()
        }
    }

    /// The same server for somebody without a name.
    pub(crate) fn without_login(&self) -> Self {
        Self {
            login: RedisConnectionInfo::default(),
            ..self.clone()
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}
