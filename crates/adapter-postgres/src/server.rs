//! Where the database is, and how to connect to it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::fault::{Fault, OpenError};
use crate::tls;

/// Where the database is.
#[derive(Clone)]
pub struct Settings {
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with several `HOST:PORT` for a cluster whose
    /// primary changes. `?sslmode=require` insists on TLS, `disable` does without; else it is used
    /// if the server offers it and is not on this machine. However it came to be used, the server's
    /// certificate and name are checked.
    pub url: String,
    /// How many connections there may be.
    pub pool: usize,
    /// Certificates (PEM) of the only authorities to trust, in place of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Without the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = parse(&self.url).ok();
        f.debug_struct("Settings")
            .field("server", &config.as_ref().map(name))
            .field("pool", &self.pool)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}

/// What to connect to, and how.
#[derive(Clone)]
pub(crate) struct Server {
    config: Config,
    tls: MakeRustlsConnect,
    runtime: Handle,
}

pub(crate) struct Connection {
    pub(crate) client: Arc<Client>,
    talk: AbortHandle,
}

impl Connection {
    /// Closes the socket, whatever is under way.
    pub(crate) fn cut(self) {
        self.talk.abort();
    }
}

impl Server {
    pub(crate) fn new(settings: &Settings) -> Result<Self, OpenError> {
        let mut config =
            parse(&settings.url).map_err(|fault| OpenError::new("postgres.url", fault))?;
        configure(&mut config);
        let tls = tls::connector(settings.ca_file.as_deref());
        let tls = tls.map_err(|fault| OpenError::new(name(&config), fault))?;
        let runtime = Handle::current();
        Ok(Self {
            config,
            tls,
            runtime,
        })
    }

    /// `HOST:PORT/DATABASE`.
    pub(crate) fn name(&self) -> String {
        name(&self.config)
    }

    /// Connects in the runtime that the stores were opened in: the caller's own may end while
    /// others use the connection.
    pub(crate) async fn connect(&self) -> Result<Connection, Error> {
        let (config, tls) = (self.config.clone(), self.tls.clone());
        // A set of one: it is given up with its caller.
        let mut connecting = JoinSet::new();
        let connect = async move {
            let (client, talk) = config.connect(tls).await?;
            Ok(Connection {
                client: Arc::new(client),
                talk: tokio::spawn(talk).abort_handle(),
            })
        };
        connecting.spawn_on(connect, &self.runtime);
        match connecting.join_next().await {
            Some(Ok(connected)) => connected,
            // That runtime has ended. The caller has a deadline.
            _ => std::future::pending().await,
        }
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

fn configure(config: &mut Config) {
    config
        .application_name("phone-auth")
        // After a failover the old primary may be a standby, and still accept connections.
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        // A server that vanished is noticed in half a minute, and with a statement under way soon.
        .keepalives_idle(Duration::from_secs(15))
        .keepalives_interval(Duration::from_secs(5))
        .keepalives_retries(3)
        .tcp_user_timeout(Duration::from_secs(3));
    // Nobody listens in between, and Debian gives every server a certificate that nobody trusts.
    if config.get_ssl_mode() == SslMode::Prefer && config.get_hosts().iter().all(is_here) {
        config.ssl_mode(SslMode::Disable);
    }
}

fn parse(url: &str) -> Result<Config, Fault> {
    // Else a password with an `@` in it would be shown as part of the host.
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if !is_url || url.matches('@').count() > 1 {
        return Err(Fault::Url);
    }
    // libpq's word for what `require` means here.
    let url = url.replace("sslmode=verify-full", "sslmode=require");
    let config: Config = url.parse().map_err(|_| Fault::Url)?;
    // Without a name there is nothing to check a certificate against.
    if config.get_hosts().is_empty() || !config.get_hostaddrs().is_empty() {
        return Err(Fault::Url);
    }
    Ok(config)
}

fn name(config: &Config) -> String {
    let ports = config.get_ports().iter().chain(std::iter::repeat(&5432));
    let hosts = config
        .get_hosts()
        .iter()
        .zip(ports)
        .map(|(host, port)| match host {
            Host::Tcp(host) => format!("{host}:{port}"),
            Host::Unix(path) => path.display().to_string(),
        });
    let database = config
        .get_dbname()
        .or(config.get_user())
        .unwrap_or_default();
    format!("{}/{database}", hosts.collect::<Vec<_>>().join(","))
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

    fn mode(url: &str) -> SslMode {
        let mut config = parse(url).unwrap();
        configure(&mut config);
        config.get_ssl_mode()
    }

    #[test]
    fn tls_is_used_where_somebody_could_listen_or_where_it_is_asked_for() {
        assert_eq!(mode("postgres://db.example.com/a"), SslMode::Prefer);
        assert_eq!(mode("postgres://localhost,192.0.2.1/a"), SslMode::Prefer);
        assert_eq!(mode("postgres://localhost/a"), SslMode::Disable);
        assert_eq!(mode("postgres://[::1]/a"), SslMode::Disable);
        assert_eq!(mode("postgres://%2Frun%2Fpostgresql/a"), SslMode::Disable);
        let asked = "postgres://localhost/a?sslmode=verify-full";
        assert_eq!(mode(asked), SslMode::Require);
    }

    #[tokio::test]
    async fn a_server_is_named_without_who_asks() {
        let settings = Settings {
            url: "postgres://app:secret@a,b:6432/db?sslmode=require".to_owned(),
            pool: 1,
            ca_file: None,
        };
        let server = Server::new(&settings).unwrap();
        assert_eq!(server.name(), "a:5432,b:6432/db");
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
