//! An HTTP client of a few lines: it sends exactly what it is told, however wrong.

use std::future::{Future, IntoFuture};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::PATIENCE;

/// A call that is not made yet; awaiting it makes it.
#[derive(Debug, Clone)]
#[must_use = "a call is made when it is awaited"]
pub struct Request {
    to: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A call without headers and body.
    pub fn new(to: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            to,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// By somebody with an access token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Through a proxy that says where it came from.
    pub fn forwarded_for(self, address: &str) -> Self {
        self.header("x-forwarded-for", address)
    }

    /// With a JSON body.
    pub fn json(self, body: Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// With any body.
    pub fn body(self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut request = self.header("content-type", media_type);
        request.body = Some(body.into());
        request
    }

    /// Whether it is to that path.
    pub fn is_to(&self, path: &str) -> bool {
        self.path == path
    }

    /// Whether it is a POST.
    pub fn is_post(&self) -> bool {
        self.method == "POST"
    }

    fn bytes(&self) -> Vec<u8> {
        let Self {
            to, method, path, ..
        } = self;
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\n");
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }

    /// Makes the call on a connection of its own.
    ///
    /// # Errors
    /// The server cannot be reached, or ends without an answer.
    pub async fn attempt(self) -> io::Result<Answer> {
        Connection::open(self.to).await?.call(&self).await
    }
}

impl IntoFuture for Request {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let shown = format!("{} {}", self.method, self.path);
            let answer = self.attempt().await;
            answer.unwrap_or_else(|error| panic!("{shown}: {error}"))
        })
    }
}

/// A connection that is kept alive between calls.
pub struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn open(to: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect(to).await?)
    }

    /// Connects from an address of the loopback, 127.0.0.1 being only the usual one.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn open_from(from: Ipv4Addr, to: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        Self::over(socket.connect(to).await?)
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        Ok(Self {
            reader: BufReader::new(reader),
            writer,
        })
    }

    /// Sends bytes as they are. A server that has closed already has answered already.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await
    }

    /// Makes a call.
    ///
    /// # Errors
    /// The server ends without an answer.
    pub async fn call(&mut self, request: &Request) -> io::Result<Answer> {
        let sent = self.send(&request.bytes()).await;
        let answer = self.answer().await;
        if answer.is_err() {
            sent?;
        }
        answer
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// The server ends without an answer, or is silent.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        read(&mut self.reader).await
    }

    /// Sends these bytes over and over, one a second, until there is an answer.
    ///
    /// # Errors
    /// The server ends without an answer.
    pub async fn answer_to_drops(&mut self, bytes: &[u8]) -> io::Result<Answer> {
        let Self { reader, writer } = self;
        let dripping = async {
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            for byte in bytes.iter().cycle() {
                ticks.tick().await;
                if writer.write_u8(*byte).await.is_err() {
                    break;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            answer = read(reader) => answer,
            never = dripping => never,
        }
    }

    /// Whether the server closes the connection, rather than waiting for more.
    pub async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.reader.read_to_end(&mut rest))
            .await
            .is_ok()
    }
}

async fn read(from: &mut BufReader<OwnedReadHalf>) -> io::Result<Answer> {
    let reading = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(from.read_u8().await?);
        }
        let head = String::from_utf8(head).expect("a head in UTF-8");
        let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status
            .and_then(|text| text.parse().ok())
            .expect("a status line");
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        let length = answer
            .header("content-length")
            .map_or(0, |text| text.parse().expect("a length"));
        answer.body = vec![0; length];
        from.read_exact(&mut answer.body).await?;
        Ok(answer)
    };
    let late = || io::Error::new(io::ErrorKind::TimedOut, "no answer");
    timeout(PATIENCE, reading).await.unwrap_or(Err(late()))
}

/// Sends bytes as they are, and reads one answer.
///
/// # Errors
/// As [`Connection::answer`].
pub async fn say(to: SocketAddr, bytes: impl AsRef<[u8]>) -> io::Result<Answer> {
    let mut connection = Connection::open(to).await?;
    // It may answer and close before everything was sent.
    let _ = connection.send(bytes.as_ref()).await;
    connection.answer().await
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.header_values(name);
        let value = found.next();
        assert!(found.next().is_none(), "{name} came twice");
        value
    }

    /// The values of a header that may come several times.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.headers.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if there is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body, of an answer that has this status.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// The body of a problem with this status and code, in the form of RFC 9457.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["type"], format!("urn:phone-auth:problem:{code}"));
        for member in ["title", "detail"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()));
        }
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let wait = body["retry_after"].as_u64().map(|secs| secs.to_string());
        assert_eq!(self.header("retry-after"), wait.as_deref());
        body
    }
}
