//! The one thread that writes. It takes whatever waits in its queue into one transaction and
//! answers once that is on disk: many callers share the cost of one commit.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use domain::ports::StoreError;
use rusqlite::{Connection, Result};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::row::{is_busy, store_error};

/// How long a caller waits: a store that is slow or locked is an error within 2 s, with time left
/// to say so.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How many writes may wait. Above that the store is busy: memory stays bounded.
const QUEUE: usize = 4096;

/// The most writes in one transaction.
const BATCH: usize = 512;

/// How often a lock that another process holds is tried again. It is free for moments only when
/// that process is busy, so rarely would mean never.
const LOCK_POLL: Duration = Duration::from_micros(200);

/// A write that waits to be committed.
trait Write: Send {
    /// Whether its caller went away or has waited long enough.
    fn is_abandoned(&self) -> bool;
    /// Runs inside a transaction: again in another one, if that is rolled back.
    fn run(&mut self, conn: &Connection) -> Result<()>;
    /// It is on disk.
    fn committed(self: Box<Self>);
    fn failed(self: Box<Self>, error: StoreError);
}

struct Job<T, F> {
    op: F,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Write for Job<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> Result<T> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, conn: &Connection) -> Result<()> {
        self.done = Some((self.op)(conn)?);
        Ok(())
    }

    fn committed(self: Box<Self>) {
        if let Some(done) = self.done {
            // An error means that nobody waits any more.
            let _ = self.reply.send(Ok(done));
        }
    }

    fn failed(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}

type Batch = Vec<Box<dyn Write>>;

/// The way to the writing thread. Dropping it lets the thread finish and waits for it.
pub(crate) struct Writer {
    queue: Option<SyncSender<Box<dyn Write>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(conn: Connection) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(QUEUE);
        let thread = thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || serve(&conn, &waiting))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Runs `op` in a transaction and returns its answer once that is on disk. `op` may run more
    /// than once; only its last run counts.
    ///
    /// # Errors
    /// Nothing is known to be written then.
    pub(crate) async fn write<T, F>(&self, op: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let stopped = || StoreError::unavailable("the writer has stopped");
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue
            .try_send(Box::new(Job {
                op,
                done: None,
                reply,
            }))
            .map_err(|full| match full {
                TrySendError::Full(_) => StoreError::unavailable("too many writes are waiting"),
                TrySendError::Disconnected(_) => stopped(),
            })?;
        match timeout(PATIENCE, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(stopped())),
            Err(_) => Err(StoreError::unavailable(
                "the write was not committed in time",
            )),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(conn: &Connection, waiting: &Receiver<Box<dyn Write>>) {
    while let Ok(first) = waiting.recv() {
        let mut batch = vec![first];
        batch.extend(waiting.try_iter().take(BATCH - 1));
        commit(conn, batch);
    }
}

fn commit(conn: &Connection, mut batch: Batch) {
    match begin(conn, &mut batch).and_then(|()| run(conn, &mut batch)) {
        Ok(()) => batch.into_iter().for_each(|write| write.committed()),
        Err(error) => {
            roll_back(conn);
            match <[_; 1]>::try_from(batch) {
                Ok([write]) => write.failed(store_error(error)),
                // One that cannot be written fails alone.
                Err(batch) => batch
                    .into_iter()
                    .for_each(|write| commit(conn, vec![write])),
            }
        }
    }
}

/// Waits for the lock for as long as anybody waits for the batch.
fn begin(conn: &Connection, batch: &mut Batch) -> Result<()> {
    loop {
        batch.retain(|write| !write.is_abandoned());
        match execute(conn, "BEGIN IMMEDIATE") {
            Err(error) if is_busy(&error) && !batch.is_empty() => thread::sleep(LOCK_POLL),
            outcome => return outcome,
        }
    }
}

fn run(conn: &Connection, batch: &mut Batch) -> Result<()> {
    batch.iter_mut().try_for_each(|write| write.run(conn))?;
    execute(conn, "COMMIT")
}

fn roll_back(conn: &Connection) {
    if !conn.is_autocommit()
        && let Err(error) = execute(conn, "ROLLBACK")
    {
        tracing::error!(%error, "a write that failed could not be rolled back");
    }
}

fn execute(conn: &Connection, sql: &str) -> Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}
