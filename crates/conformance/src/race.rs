use std::collections::BTreeMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::task::AtomicWaker;

/// Starts a task on your executor. With tokio: `|task| drop(tokio::spawn(task))`, called from a
/// runtime of several threads.
pub type Spawn = fn(BoxFuture<'static, ()>);

/// How many tasks race.
pub(crate) const CONTESTANTS: usize = 8;

/// How often they meet: a race that is lost once in a hundred times is lost in every run.
pub(crate) const ROUNDS: usize = 100;

struct Track<T> {
    not_started: AtomicUsize,
    finished: Mutex<BTreeMap<usize, thread::Result<T>>>,
    referee: AtomicWaker,
}

/// Runs the same thing in many tasks that start together, and returns what each of them says.
pub(crate) async fn race<T, Run>(spawn: Spawn, contestant: impl Fn(usize) -> Run) -> Vec<T>
where
    T: Send + 'static,
    Run: Future<Output = T> + Send + 'static,
{
    let track = Arc::new(Track {
        not_started: AtomicUsize::new(CONTESTANTS),
        finished: Mutex::new(BTreeMap::new()),
        referee: AtomicWaker::new(),
    });
    for number in 0..CONTESTANTS {
        let (track, run) = (track.clone(), contestant(number));
        spawn(Box::pin(async move {
            track.starting_shot().await;
            let result = AssertUnwindSafe(run).catch_unwind().await;
            track.finished.lock().unwrap().insert(number, result);
            track.referee.wake();
        }));
    }
    let results = track.all_finished().await;
    results
        .into_values()
        .map(|result| result.unwrap_or_else(|panic| resume_unwind(panic)))
        .collect()
}

impl<T> Track<T> {
    /// Without it, who never waits for anything is done before the next one starts.
    async fn starting_shot(&self) {
        self.not_started.fetch_sub(1, Ordering::AcqRel);
        poll_fn(|context| {
            if self.not_started.load(Ordering::Acquire) == 0 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    async fn all_finished(&self) -> BTreeMap<usize, thread::Result<T>> {
        poll_fn(|context| {
            self.referee.register(context.waker());
            let mut finished = self.finished.lock().unwrap();
            if finished.len() < CONTESTANTS {
                return Poll::Pending;
            }
            Poll::Ready(std::mem::take(&mut *finished))
        })
        .await
    }
}
