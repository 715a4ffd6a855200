//! A line to a server that writes down what goes over it, and may be long.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::Result;
use crate::store::{Store, postgres, redis};
use crate::wire::{Call, Protocol, Reader};

/// Stands before a server until this process ends, on a thread of its own: the benchmark's blocks
/// while it waits for a server to start.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    line: Arc<Line>,
}

struct Line {
    server: SocketAddr,
    protocol: Protocol,
    delay_ms: AtomicU64,
    calls: Mutex<Vec<Call>>,
    depth: Arc<Depth>,
}

/// How many answers, each to a call that was made after the one before, have arrived. Calls that
/// are under way together have the same depth, on whatever lines.
type Depth = AtomicUsize;

impl Proxy {
    /// Before a server on this machine.
    fn before(port: u16, protocol: Protocol, depth: &Arc<Depth>) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let line = Arc::new(Line {
            server: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            protocol,
            delay_ms: AtomicU64::new(0),
            calls: Mutex::default(),
            depth: Arc::clone(depth),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let served = Arc::clone(&line);
        std::thread::spawn(move || runtime.block_on(serve(listener, served)));
        Ok(Self { address, line })
    }

    /// From now on every answer arrives so much later.
    pub(crate) fn delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.line.delay_ms.store(millis, Ordering::Relaxed);
    }

    /// The calls since the last time, in the order they were sent.
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(
            &mut *self
                .line
                .calls
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// The lines to the servers of a store.
pub(crate) struct Lines {
    pub(crate) postgres: Option<Proxy>,
    pub(crate) redis: Option<Proxy>,
    depth: Arc<Depth>,
}

/// What went over them.
pub(crate) struct Asked {
    pub(crate) postgres: Vec<Call>,
    pub(crate) redis: Vec<Call>,
}

impl Asked {
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.postgres.iter().chain(&self.redis)
    }
}

impl Lines {
    pub(crate) fn to(store: Store) -> Result<Self> {
        let depth = Arc::default();
        let postgres = store
            .uses_postgres()
            .then(|| Proxy::before(postgres().server.port(), Protocol::Postgres, &depth));
        let redis = store
            .uses_redis()
            .then(|| Proxy::before(redis().server.port(), Protocol::Redis, &depth));
        Ok(Self {
            postgres: postgres.transpose()?,
            redis: redis.transpose()?,
            depth,
        })
    }

    /// How many round trips one after the other there were since [`Lines::take`].
    pub(crate) fn depth(&self) -> usize {
        self.depth.load(Ordering::SeqCst)
    }

    /// As [`Proxy::delay`], for each.
    pub(crate) fn delay(&self, delay: Duration) {
        let each = self.postgres.iter().chain(&self.redis);
        each.for_each(|line| line.delay(delay));
    }

    /// As [`Proxy::take`], for each.
    pub(crate) fn take(&self) -> Asked {
        self.depth.store(0, Ordering::SeqCst);
        let of = |line: &Option<Proxy>| line.as_ref().map(Proxy::take).unwrap_or_default();
        Asked {
            postgres: of(&self.postgres),
            redis: of(&self.redis),
        }
    }
}

async fn serve(listener: std::net::TcpListener, line: Arc<Line>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((client, _)) = listener.accept().await {
        let line = Arc::clone(&line);
        // Whatever goes wrong, both sides see a connection that ended.
        tokio::spawn(async move { line.connect(client).await.ok() });
    }
}

impl Line {
    async fn connect(&self, client: TcpStream) -> std::io::Result<()> {
        let server = TcpStream::connect(self.server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let (arrived, arriving) = mpsc::unbounded_channel();
        let sent = Depth::default();
        tokio::select! {
            ended = self.listen(from_client, to_server, &sent) => ended,
            ended = self.hold(from_server, arrived, &sent) => ended,
            ended = self.deliver(arriving, to_client) => ended,
        }
    }

    async fn listen(
        &self,
        mut client: tcp::OwnedReadHalf,
        mut server: tcp::OwnedWriteHalf,
        sent: &Depth,
    ) -> std::io::Result<()> {
        let (mut reader, mut bytes) = (Reader::new(self.protocol), vec![0; 16 * 1024]);
        loop {
            let count = client.read(&mut bytes).await?;
            if count == 0 {
                return Ok(());
            }
            let calls = reader
                .read(&bytes[..count])
                .map_err(|error| std::io::Error::other(error.to_string()))?;
            if !calls.is_empty() {
                let answered = self.depth.load(Ordering::SeqCst);
                sent.store(answered + 1, Ordering::SeqCst);
            }
            self.calls
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(calls);
            server.write_all(&bytes[..count]).await?;
        }
    }

    /// Notes when each part of an answer is due.
    async fn hold(
        &self,
        mut server: tcp::OwnedReadHalf,
        arrived: mpsc::UnboundedSender<Part>,
        sent: &Depth,
    ) -> std::io::Result<()> {
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let count = server.read(&mut bytes).await?;
            let delay = Duration::from_millis(self.delay_ms.load(Ordering::Relaxed));
            let part = Part {
                due: Instant::now() + delay,
                depth: sent.load(Ordering::SeqCst),
                bytes: bytes[..count].to_vec(),
            };
            if count == 0 || arrived.send(part).is_err() {
                return Ok(());
            }
        }
    }

    async fn deliver(
        &self,
        mut arriving: mpsc::UnboundedReceiver<Part>,
        mut client: tcp::OwnedWriteHalf,
    ) -> std::io::Result<()> {
        while let Some(part) = arriving.recv().await {
            // The timer counts whole milliseconds: without a delay it would add one.
            if part.due > Instant::now() {
                sleep_until(part.due).await;
            }
            // First, so that what the client calls next is deeper.
            self.depth.fetch_max(part.depth, Ordering::SeqCst);
            client.write_all(&part.bytes).await?;
        }
        Ok(())
    }
}

/// A part of an answer.
struct Part {
    due: Instant,
    depth: usize,
    bytes: Vec<u8>,
}
