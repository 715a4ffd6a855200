//! The queue of messages and the workers that hand them to a gateway.
//!
//! Bounded: a place is reserved before a message is accepted, so an accepted message always has
//! one. Closing it takes no more messages and waits until the last one has an outcome.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain::auth::{Auth, SendJob};
use domain::ports::{QueueFull, SendQueue, SendSlot};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// How long the workers leave the queue alone once they have emptied it. Under load they then take
/// many messages at a time, where being woken for each would cost more than delivering it.
const REST: Duration = Duration::from_millis(1);

/// The accepting end of the queue.
pub(crate) struct Queue {
    sender: mpsc::Sender<SendJob>,
}

/// The delivering end of the queue, before its workers start.
pub(crate) struct Jobs {
    receiver: mpsc::Receiver<SendJob>,
}

/// A queue with room for `capacity` messages.
pub(crate) fn queue(capacity: usize) -> (Arc<Queue>, Jobs) {
    let (sender, receiver) = mpsc::channel(capacity);
    (Arc::new(Queue { sender }), Jobs { receiver })
}

struct Slot(mpsc::OwnedPermit<SendJob>);

impl SendSlot for Slot {
    fn fill(self: Box<Self>, job: SendJob) {
        self.0.send(job);
    }
}

impl SendQueue for Queue {
    fn reserve(&self) -> Result<Box<dyn SendSlot>, QueueFull> {
        let permit = self
            .sender
            .clone()
            .try_reserve_owned()
            .map_err(|_| QueueFull)?;
        Ok(Box::new(Slot(permit)))
    }
}

/// The workers.
pub(crate) struct Dispatcher {
    close: oneshot::Sender<()>,
    pump: JoinHandle<()>,
}

impl Dispatcher {
    /// Starts to deliver, at most `workers` messages at once. Must be called within a tokio
    /// runtime that outlives the servers.
    pub(crate) fn start(jobs: Jobs, auth: Arc<Auth>, workers: usize) -> Self {
        let (close, closed) = oneshot::channel();
        let pump = tokio::spawn(pump(jobs.receiver, auth, workers, closed));
        Self { close, pump }
    }

    /// Takes no more messages and waits until every accepted one has its outcome.
    pub(crate) async fn drain(self) {
        let _ = self.close.send(());
        if let Err(error) = self.pump.await {
            tracing::error!(%error, "the dispatcher ended before its queue was empty");
        }
    }
}

async fn pump(
    mut jobs: mpsc::Receiver<SendJob>,
    auth: Arc<Auth>,
    workers: usize,
    mut closed: oneshot::Receiver<()>,
) {
    let mut under_way = FuturesUnordered::new();
    let mut batch = Vec::new();
    let mut rest = pin!(sleep(Duration::ZERO));
    loop {
        let free = workers - under_way.len();
        let rested = rest.is_elapsed() || jobs.is_closed();
        tokio::select! {
            biased;
            _ = &mut closed, if !jobs.is_closed() => jobs.close(),
            Some(()) = under_way.next() => {}
            received = jobs.recv_many(&mut batch, free), if free > 0 && rested => {
                if received == 0 {
                    break;
                }
                under_way.extend(batch.drain(..).map(|job| deliver(&auth, job)));
                if received < free {
                    rest.as_mut().reset(Instant::now() + REST);
                }
            }
            () = &mut rest, if !rested => {}
        }
    }
    while under_way.next().await.is_some() {}
}

/// A gateway adapter that panics fails its message, not the service.
async fn deliver(auth: &Auth, job: SendJob) {
    if AssertUnwindSafe(auth.deliver(&job))
        .catch_unwind()
        .await
        .is_err()
    {
        auth.abandon(&job, "the gateway adapter panicked").await;
    }
}
