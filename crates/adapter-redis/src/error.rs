use std::io;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why the servers cannot be used, in one line that says what to do. It shows no password.
#[derive(Debug, thiserror::Error)]
#[error("{server} {fault}")]
pub struct OpenError {
    server: String,
    fault: Fault,
}

impl OpenError {
    pub(crate) fn new(server: impl ToString, fault: impl Into<Fault>) -> Self {
        Self {
            server: server.to_string(),
            fault: fault.into(),
        }
    }

    /// What is wrong.
    pub fn into_fault(self) -> Fault {
        self.fault
    }

    /// Whether a server does not know who we are.
    pub(crate) fn is_of_password(&self) -> bool {
        matches!(self.fault, Fault::PasswordWrong)
    }

    /// Whether a server was reached and has something to say.
    pub(crate) fn is_an_answer(&self) -> bool {
        !matches!(
            self.fault,
            Fault::UnknownHost | Fault::Refused | Fault::Silent
        )
    }
}

/// What is wrong with servers that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A URL that is none, or of something else; or no URL.
    #[error(
        "is not a URL of Redis: write redis://user:password@host:6379/0, or rediss:// for TLS, special characters percent-encoded (@ as %40)"
    )]
    Url,
    /// Some URLs for TLS, others not.
    #[error("has both redis:// and rediss://: write rediss:// everywhere, or nowhere")]
    Mixed,
    /// A prefix with braces.
    #[error("has braces, which say where a Cluster puts a key: leave them out")]
    Prefix,
    /// The file with the certificate of the authority.
    #[error("has no certificate to trust ({0}): let redis.ca_file name the authority's, in PEM")]
    CaFile(Box<dyn std::error::Error + Send + Sync>),
    /// No address belongs to the host.
    #[error("is not a host that is known here: correct its name in [redis]")]
    UnknownHost,
    /// Nothing listens there.
    #[error("refuses connections: start the server, or correct its address in [redis]")]
    Refused,
    /// Nothing comes back.
    #[error(
        "does not answer: look whether it runs, a firewall lets this host in, and it speaks TLS just as [redis] says"
    )]
    Silent,
    /// It hangs up. One that is full says so, if one listens before it does.
    #[error(
        "closes the connection: look whether it speaks TLS just as [redis] says, whether its maxclients is high enough, and whether it is in protected mode for want of a password"
    )]
    Closed,
    /// It has no password, and takes none but local clients.
    #[error(
        "is in protected mode: give it a password (requirepass, or ACL SETUSER), and write that into the URL"
    )]
    Protected,
    /// It starts.
    #[error("is loading its data: wait until INFO says loading:0, and start again")]
    Loading,
    /// Something else listens there.
    #[error("does not answer as Redis does: correct its host and port in [redis]")]
    NotRedis,
    /// No agreement on TLS.
    #[error(
        "cannot be trusted ({0}): set redis.ca_file to its authority, and name the host as its certificate does"
    )]
    Tls(io::Error),
    /// It wants a password, and there is none.
    #[error("asks for a password: write it into the URL, redis://user:password@host:6379")]
    PasswordMissing,
    /// It does not take the password.
    #[error("rejects the user or the password: correct them in [redis]")]
    PasswordWrong,
    /// It has fewer databases, or is a node of a Cluster.
    #[error(
        "has no database of that number: correct what follows the last / of its URL, or raise databases in its configuration; a Cluster has 0 alone"
    )]
    Database,
    /// The user may not do what is needed.
    #[error("forbids what is needed ({why}): run ACL SETUSER {user} ~{prefix}* {commands}")]
    Forbidden {
        /// The server's words.
        why: String,
        /// The user's name.
        user: String,
        /// What the keys begin with.
        prefix: String,
        /// What the user has to be allowed.
        commands: &'static str,
    },
    /// Older than 6.2.
    #[error("is Redis {0}: install 6.2 or later, or Valkey")]
    TooOld(String),
    /// It would remove keys when its memory is full.
    #[error(
        "removes keys when its memory is full ({0}), and with them limits and sessions: run CONFIG SET maxmemory-policy noeviction, and write maxmemory-policy noeviction into its configuration"
    )]
    Evicting(String),
    /// It is no master, and takes no writes.
    #[error("is a replica: name its master in [redis]")]
    Replica,
    /// It is a master whose replicas are not there.
    #[error("has too few replicas to take writes: start them, or lower its min-replicas-to-write")]
    FewReplicas,
    /// It is a node of a Cluster.
    #[error("is a node of a Cluster: write redis.cluster_urls in place of {0}")]
    Cluster(&'static str),
    /// It is a node of a Cluster that lacks masters.
    #[error(
        "says that its Cluster does not serve all keys ({0}): look at CLUSTER INFO and CLUSTER NODES, bring back the masters that fail or give their slots to others, and start again"
    )]
    ClusterDown(String),
    /// It is no node of a Cluster.
    #[error("is no node of a Cluster: write redis.url in place of redis.cluster_urls")]
    NoCluster,
    /// It is a sentinel.
    #[error("is a sentinel: write redis.sentinel.master and redis.sentinel.urls in place of {0}")]
    Sentinel(&'static str),
    /// It is no sentinel.
    #[error("is no sentinel: write redis.url in place of redis.sentinel")]
    NoSentinel,
    /// The sentinels know no such master.
    #[error("knows no master {0:?}: correct redis.sentinel.master")]
    UnknownMaster(String),
    /// The sentinels name different masters.
    #[error("do not agree on the master: wait until a failover is over, or look at the sentinels")]
    Divided,
    /// Anything else.
    #[error("cannot be used: {0}")]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Fault {
    /// Why there is no agreement on TLS.
    pub(crate) fn of_tls(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Tls(error),
        }
    }

    /// Why a password is not taken.
    pub(crate) fn of_password(error: RedisError) -> Self {
        match error.into() {
            fault @ (Self::Closed | Self::Protected | Self::NotRedis) => fault,
            _ => Self::PasswordWrong,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::Other(error.into()),
        }
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        let text = error.to_string();
        let says = |words| text.contains(words);
        match error.kind() {
            ErrorKind::Parse => Self::NotRedis,
            ErrorKind::Server(ServerErrorKind::BusyLoading) => Self::Loading,
            ErrorKind::Server(ServerErrorKind::ClusterDown) => Self::ClusterDown(text),
            ErrorKind::Server(ServerErrorKind::MasterDown) => Self::Replica,
            _ if says("running in protected mode") => Self::Protected,
            _ if says("max number of clients") || error.is_connection_dropped() => Self::Closed,
            _ if says("Authentication required") => Self::PasswordMissing,
            _ if says("DB index is out of range") || says("SELECT is not allowed") => {
                Self::Database
            }
            _ if says("NOREPLICAS") => Self::FewReplicas,
            _ => Self::Other(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_ready_is_told_what_to_wait_for() {
        let told = |kind| {
            let said: RedisError = (ErrorKind::Server(kind), "said").into();
            Fault::from(said).to_string()
        };
        let loading = told(ServerErrorKind::BusyLoading);
        assert!(loading.contains("wait until INFO says"), "{loading}");
        let cut_off = told(ServerErrorKind::MasterDown);
        assert!(cut_off.contains("name its master"), "{cut_off}");
    }
}
