//! Where the database is, and how to connect to it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Timeout, timeout};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::fault::{Fault, OpenError};
use crate::tls;

/// How long a host has to answer before the next one is tried too: an operation has time for some
/// that say nothing.
const HEAD_START: Duration = Duration::from_millis(200);

/// How long each address of a host's name has to let somebody in: a silent one may be named first.
const PER_ADDRESS: Duration = Duration::from_millis(400);

/// Where the database is.
#[derive(Clone)]
pub struct Settings {
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with several `HOST:PORT` for a cluster whose
    /// primary changes. A host that is not this machine has to speak TLS, unless `?sslmode=prefer`
    /// or `disable` says otherwise; `require` asks this machine too. However it came to be used,
    /// the server's certificate and name are checked.
    pub url: String,
    /// How many connections there may be.
    pub pool: usize,
    /// Certificates (PEM) of the only authorities to trust, in place of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Without the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = parse(&self.url).ok();
        f.debug_struct("Settings")
            .field("server", &hosts.as_deref().map(name))
            .field("pool", &self.pool)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}

/// What to connect to, and how.
#[derive(Clone)]
pub(crate) struct Server {
    /// One for each host.
    hosts: Vec<Config>,
    tls: MakeRustlsConnect,
    runtime: Handle,
}

pub(crate) struct Connection {
    pub(crate) client: Arc<Client>,
    talk: AbortHandle,
}

impl Connection {
    async fn make(host: Config, tls: MakeRustlsConnect) -> Result<Self, Error> {
        let (client, talk) = host.connect(tls).await?;
        Ok(Self {
            client: Arc::new(client),
            talk: tokio::spawn(talk).abort_handle(),
        })
    }

    /// Closes the socket, whatever is under way.
    pub(crate) fn cut(self) {
        self.talk.abort();
    }
}

impl Server {
    pub(crate) fn new(settings: &Settings) -> Result<Self, OpenError> {
        let hosts = parse(&settings.url).map_err(|fault| OpenError::new("postgres.url", fault))?;
        let tls = tls::connector(settings.ca_file.as_deref());
        let tls = tls.map_err(|fault| OpenError::new(name(&hosts), fault))?;
        let runtime = Handle::current();
        Ok(Self {
            hosts,
            tls,
            runtime,
        })
    }

    /// Says whose fault it is: that of `HOST:PORT/DATABASE`.
    pub(crate) fn refused(&self, fault: Fault) -> OpenError {
        OpenError::new(name(&self.hosts), fault)
    }

    /// Connects in the runtime that the stores were opened in: the caller's own may end while
    /// others use the connection. As soon as a host has failed, or said nothing for a while, the
    /// next one is tried too; the first that takes writes is used.
    pub(crate) async fn connect(&self) -> Result<Connection, Error> {
        let mut hosts = self.hosts.iter();
        // Given up with its caller, or once one of them is connected.
        let mut attempts = JoinSet::new();
        let mut failure: Option<Error> = None;
        loop {
            let patience = hosts.next().map_or(Duration::MAX, |host| {
                let attempt = Connection::make(host.clone(), self.tls.clone());
                attempts.spawn_on(attempt, &self.runtime);
                HEAD_START
            });
            match self.within(patience, attempts.join_next()).await {
                Ok(Some(Ok(Ok(connection)))) => return Ok(connection),
                // What a server says tells more than that another one is not there.
                Ok(Some(Ok(Err(error)))) => {
                    let silent = |known: &Error| matches!(known.into(), Fault::Unreachable(_));
                    failure = failure.filter(|known| !silent(known));
                    failure.get_or_insert(error);
                }
                Ok(None) => match failure {
                    Some(error) => return Err(error),
                    // That runtime has ended. The caller has a deadline.
                    None => std::future::pending().await,
                },
                Ok(Some(Err(_))) | Err(_) => {}
            }
        }
    }

    /// Gives something up after a while. The timer too is in the runtime that the stores were opened
    /// in: one of the caller's would panic where another runtime goes on with the operation.
    pub(crate) fn within<F: Future>(&self, patience: Duration, work: F) -> Timeout<F> {
        let _entered = self.runtime.enter();
        timeout(patience, work)
    }

    /// Goes on with something that its caller does not wait for.
    pub(crate) fn go_on(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Ends the statement that the connection is at. The connection has to stay open until it has
    /// ended, or a PgBouncer in between would not know any more whose it was.
    pub(crate) async fn cancel(&self, connection: &Connection) -> Result<(), Error> {
        let client = &connection.client;
        client.cancel_token().cancel_query(self.tls.clone()).await?;
        client.batch_execute("").await
    }
}

/// A configuration for each host: tokio-postgres would not try the next one while one is silent.
fn parse(url: &str) -> Result<Vec<Config>, Fault> {
    let (scheme, rest) = url.split_once("://").ok_or(Fault::Url)?;
    // Else a password with an `@` in it would be shown as part of the host.
    if !matches!(scheme, "postgres" | "postgresql") || rest.matches('@').count() > 1 {
        return Err(Fault::Url);
    }
    let (login, rest) = rest.split_at(rest.find('@').map_or(0, |at| at + 1));
    let (hosts, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // libpq's word for what `require` means here.
    let rest = rest.replace("sslmode=verify-full", "sslmode=require");
    let one = |host| configured(&format!("{scheme}://{login}{host}{rest}"));
    hosts.split(',').map(one).collect()
}

fn configured(url: &str) -> Result<Config, Fault> {
    let mut config: Config = url.parse().map_err(|_| Fault::Url)?;
    let [host] = config.get_hosts() else {
        return Err(Fault::Url);
    };
    // Without a name there is nothing to check a certificate against.
    if !config.get_hostaddrs().is_empty() {
        return Err(Fault::Url);
    }
    let mode = match config.get_ssl_mode() {
        // Nobody listens in between, and Debian gives every server a certificate that nobody trusts.
        SslMode::Prefer if is_here(host) => SslMode::Disable,
        // Whoever is in between could say that the server has no TLS.
        SslMode::Prefer if !url.contains("sslmode=prefer") => SslMode::Require,
        asked => asked,
    };
    config
        .ssl_mode(mode)
        .application_name("phone-auth")
        // After a failover the old primary may be a standby, and still accept connections.
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .connect_timeout(PER_ADDRESS)
        // A server that vanished is noticed in half a minute, and with a statement under way soon.
        .keepalives_idle(Duration::from_secs(15))
        .keepalives_interval(Duration::from_secs(5))
        .keepalives_retries(3)
        .tcp_user_timeout(Duration::from_secs(3));
    Ok(config)
}

fn name(hosts: &[Config]) -> String {
    let addresses = hosts.iter().flat_map(|config| {
        let ports = config.get_ports().iter().chain(std::iter::repeat(&5432));
        config.get_hosts().iter().zip(ports).map(address)
    });
    let database = hosts
        .first()
        .and_then(|config| config.get_dbname().or(config.get_user()));
    let addresses: Vec<_> = addresses.collect();
    format!("{}/{}", addresses.join(","), database.unwrap_or_default())
}

fn address((host, port): (&Host, &u16)) -> String {
    match host {
        Host::Tcp(host) => format!("{host}:{port}"),
        Host::Unix(path) => path.display().to_string(),
    }
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let address = name.parse::<IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modes(url: &str) -> Vec<SslMode> {
        let hosts = parse(url).unwrap();
        hosts.iter().map(Config::get_ssl_mode).collect()
    }

    #[test]
    fn tls_is_required_where_somebody_could_listen_or_where_it_is_asked_for() {
        use SslMode::{Disable, Prefer, Require};
        assert_eq!(modes("postgres://db.example.com/a"), [Require]);
        assert_eq!(
            modes("postgres://localhost,192.0.2.1/a"),
            [Disable, Require]
        );
        assert_eq!(modes("postgres://a,b/a?sslmode=prefer"), [Prefer, Prefer]);
        assert_eq!(modes("postgres://a/b?sslmode=disable"), [Disable]);
        assert_eq!(modes("postgres://localhost/a"), [Disable]);
        assert_eq!(modes("postgres://[::1]/a"), [Disable]);
        assert_eq!(modes("postgres://%2Frun%2Fpostgresql/a"), [Disable]);
        let asked = "postgres://localhost/a?sslmode=verify-full";
        assert_eq!(modes(asked), [Require]);
    }

    #[tokio::test]
    async fn a_server_is_named_without_who_asks() {
        let settings = Settings {
            url: "postgres://app:secret@a,b:6432/db?sslmode=require".to_owned(),
            pool: 1,
            ca_file: None,
        };
        let server = Server::new(&settings).unwrap();
        let refused = server.refused(Fault::NoDatabase).to_string();
        assert!(refused.starts_with("a:5432,b:6432/db does not exist"));
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
