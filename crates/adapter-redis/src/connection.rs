//! One connection to one server.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, RedisConnectionInfo, RedisResult};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::error::{Fault, OpenError};
use crate::settings::Server;

/// How long an address of several has to answer before the next one is tried.
const PATIENCE: Duration = Duration::from_millis(250);

/// A connection that many callers share. It closes when the last of them has let go.
pub(crate) struct Connection {
    pub(crate) server: Server,
    /// What the server calls itself, if it was found to be the master.
    pub(crate) master: String,
    redis: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Connects and signs in. It lives in the runtime of its caller.
    pub(crate) async fn open(
        server: &Server,
        tls: Option<&TlsConnector>,
        deadline: Instant,
    ) -> Result<Self, OpenError> {
        let opened = timeout_at(deadline, connect(server, tls)).await;
        let opened = opened.unwrap_or(Err(Fault::Silent));
        opened.map_err(|fault| OpenError::new(server, fault))
    }

    async fn start<S>(server: &Server, stream: S) -> Result<Self, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Callers keep deadlines of their own.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
        let (redis, driver) =
            MultiplexedConnection::new_with_config(&nobody, stream, config).await?;
        let connection = Self {
            server: server.clone(),
            redis,
            driver: tokio::spawn(driver),
            master: String::new(),
        };
        connection.sign_in().await?;
        Ok(connection)
    }

    /// The client library would call whatever a server says to AUTH a wrong password.
    async fn sign_in(&self) -> Result<(), Fault> {
        let login = &self.server.login;
        if let Some(password) = login.password() {
            let mut auth = redis::cmd("AUTH");
            auth.arg(login.username()).arg(password);
            let taken = self.query::<()>(&auth).await;
            taken.map_err(Fault::of_password)?;
        }
        Ok(())
    }

    /// Whether the server has not closed it.
    pub(crate) fn is_open(&self) -> bool {
        !self.driver.is_finished()
    }

    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        command.query_async(&mut self.redis.clone()).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn connect(server: &Server, tls: Option<&TlsConnector>) -> Result<Connection, Fault> {
    let tcp = dial(&server.host, server.port).await?;
    let Some(tls) = tls else {
        return Connection::start(server, tcp).await;
    };
    let name = ServerName::try_from(server.host.clone()).map_err(io::Error::other)?;
    let stream = tls.connect(name, tcp).await.map_err(Fault::of_tls)?;
    Connection::start(server, stream).await
}

async fn dial(host: &str, port: u16) -> Result<TcpStream, Fault> {
    let addresses = lookup_host((host, port)).await;
    let addresses: Vec<_> = addresses.map_err(|_| Fault::UnknownHost)?.collect();
    let tcp = reach(&addresses).await?;
    tcp.set_nodelay(true)?;
    notice_silence(&SockRef::from(&tcp))?;
    Ok(tcp)
}

/// The first address that answers: one that is silent is passed over if there is another.
async fn reach(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut others = addresses.iter();
    while let Some(address) = others.next() {
        let connecting = TcpStream::connect(address);
        if others.len() == 0 {
            return connecting.await;
        }
        if let Ok(Ok(tcp)) = timeout(PATIENCE, connecting).await {
            return Ok(tcp);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// A server that vanished is noticed in half a minute, and with a command under way soon. It also
/// keeps a firewall in between from forgetting a connection that nobody uses.
fn notice_silence(socket: &SockRef<'_>) -> io::Result<()> {
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(Duration::from_secs(3)))?;
    Ok(())
}

/// How to trust servers: by the authorities in that file, or else by those of the system.
pub(crate) fn tls(ca_file: Option<&Path>) -> Result<TlsConnector, OpenError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => add_file(&mut roots, path)
            .map_err(|error| OpenError::new(path.display(), Fault::CaFile(error)))?,
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::new("TLS", Fault::Other(error.into())))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn add_file(
    roots: &mut RootCertStore,
    path: &Path,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err("it holds no certificate".into());
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};

    use super::*;

    #[tokio::test]
    async fn an_address_that_is_silent_or_refuses_is_passed_over() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = server.local_addr().unwrap();
        // Its queue of connections is full, so it says nothing to another one.
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let silent = listener.local_addr().unwrap().as_socket().unwrap();
        let _inside = TcpStream::connect(silent).await.unwrap();
        let refusing = SocketAddr::from(([127, 0, 0, 1], 1));
        for others in [silent, refusing] {
            let reached = timeout(2 * PATIENCE, reach(&[others, server])).await;
            assert_eq!(reached.unwrap().unwrap().peer_addr().unwrap(), server);
        }
        let refused = reach(&[refusing]).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_connection_notices_that_its_server_vanished() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let tcp = dial("127.0.0.1", port).await.unwrap();
        let socket = SockRef::from(&tcp);
        let seconds = Duration::from_secs;
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), seconds(15));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), seconds(5));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(seconds(3)));
    }
}
