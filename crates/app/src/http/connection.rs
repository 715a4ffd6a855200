//! A connection with deadlines.
//!
//! The framework limits the head of the first request only: on a connection that is kept alive a
//! peer could send a later head, or the rest of a body nobody reads, at one byte an hour. So the
//! stream itself watches the clock, with one timer for the whole connection.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// For a head, from its first byte; the first head has a second more.
    pub(super) head: Duration,
    /// For a word between two requests, or for taking up the next piece of an answer.
    pub(super) idle: Duration,
}

impl Deadlines {
    pub(super) const DEFAULT: Self = Self {
        head: Duration::from_secs(5),
        idle: Duration::from_secs(30),
    };
}

/// The framework answers 408 to a late first head, and does so before the connection is cut.
const FIRST_HEAD_GRACE: Duration = Duration::from_secs(1);

/// What a connection is waiting for, known to its stream and to the requests on it.
pub(super) struct Pace {
    deadlines: Deadlines,
    phase: Cell<Phase>,
}

#[derive(Clone, Copy)]
enum Phase {
    /// The rest of a request is due by then.
    Due(Instant),
    /// No byte of a request has come; one is due by then.
    Idle(Instant),
    /// A request is being served, under deadlines of its own.
    Serving,
}

impl Pace {
    /// A request has arrived.
    pub(super) fn serving(&self) {
        self.phase.set(Phase::Serving);
    }

    /// Its answer is made.
    pub(super) fn served(&self, now: Instant) {
        self.phase.set(Phase::Idle(now + self.deadlines.idle));
    }

    fn heard(&self) {
        if let Phase::Idle(_) = self.phase.get() {
            self.phase
                .set(Phase::Due(Instant::now() + self.deadlines.head));
        }
    }

    /// A long answer to a slow reader is no silence.
    fn written(&self) {
        if let Phase::Idle(_) = self.phase.get() {
            self.served(Instant::now());
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.phase.get() {
            Phase::Due(at) | Phase::Idle(at) => Some(at),
            Phase::Serving => None,
        }
    }
}

/// A stream that fails once its peer is late.
pub(super) struct Connection {
    stream: TcpStream,
    pace: Rc<Pace>,
    /// Goes off at the deadline or before it, and is then set anew: most requests never touch it.
    alarm: Pin<Box<Sleep>>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, deadlines: Deadlines) -> Self {
        let first = Instant::now() + deadlines.head + FIRST_HEAD_GRACE;
        let phase = Cell::new(Phase::Due(first));
        Self {
            stream,
            pace: Rc::new(Pace { deadlines, phase }),
            alarm: Box::pin(sleep_until(first)),
        }
    }

    pub(super) fn pace(&self) -> Rc<Pace> {
        Rc::clone(&self.pace)
    }

    /// Ready once the peer is late; else the task is woken when it will be.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(at) = self.pace.deadline()
            && at < self.alarm.deadline()
        {
            self.alarm.as_mut().reset(at);
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let next = self.pace.deadline();
            let next = next.unwrap_or(now + self.pace.deadlines.head);
            if next <= now {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(next);
        }
        Poll::Pending
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            self.pace.heard();
            return read;
        }
        self.poll_late(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if written.is_ready() {
            self.pace.written();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    const DEADLINES: Deadlines = Deadlines {
        head: Duration::from_millis(50),
        idle: Duration::from_millis(150),
    };

    async fn connect() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (peer, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (
            Connection::new(accepted.unwrap().0, DEADLINES),
            peer.unwrap(),
        )
    }

    /// How long the connection waited for a byte that never came.
    async fn waited(connection: &mut Connection) -> Duration {
        let started = Instant::now();
        let late = connection.read_u8().await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        started.elapsed()
    }

    #[tokio::test]
    async fn a_silent_connection_is_cut_when_its_idle_time_is_over() {
        let (mut connection, _peer) = connect().await;
        connection.pace().served(Instant::now());
        let waited = waited(&mut connection).await;
        assert!(
            waited >= Duration::from_millis(140) && waited < Duration::from_secs(1),
            "{waited:?}"
        );
    }

    #[tokio::test]
    async fn a_later_head_has_as_long_as_the_first_and_dripping_does_not_help() {
        let (mut connection, mut peer) = connect().await;
        connection.pace().served(Instant::now());
        let started = Instant::now();
        let dripping = async {
            let mut drops = tokio::time::interval(Duration::from_millis(10));
            while peer.write_u8(b'G').await.is_ok() {
                drops.tick().await;
            }
        };
        let reading = async {
            while connection.read_u8().await.is_ok() {}
            started.elapsed()
        };
        tokio::select! {
            () = dripping => panic!("the peer noticed before the connection did"),
            took = reading => assert!(took >= DEADLINES.head && took < DEADLINES.idle, "{took:?}"),
        }
    }

    #[tokio::test]
    async fn a_request_that_is_being_served_is_not_cut() {
        let (mut connection, _peer) = connect().await;
        connection.pace().serving();
        let served = timeout(Duration::from_millis(200), connection.read_u8()).await;
        assert!(served.is_err(), "cut while being served: {served:?}");
        connection.pace().served(Instant::now());
        waited(&mut connection).await;
    }
}
