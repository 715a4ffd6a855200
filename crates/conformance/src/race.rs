use std::collections::BTreeMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::task::AtomicWaker;

/// Starts a task on your executor. With tokio: `|task| drop(tokio::spawn(task))`, called from a
/// runtime of several threads.
pub type Spawn = fn(BoxFuture<'static, ()>);

/// How many tasks race.
pub(crate) const CONTESTANTS: usize = 8;

/// How often. A store that waits between a `get` and a `put` loses nearly every round; one in
/// memory, where the gap is nanoseconds, loses some.
pub(crate) const ROUNDS: usize = 100;

/// Runs `turn(contestant, round)` in one task for each contestant, all at once in every
/// round. Returns what they said, `[round][contestant]`.
pub(crate) async fn race<T, Turn>(
    spawn: Spawn,
    turn: impl Fn(usize, usize) -> Turn + Clone + Send + 'static,
) -> Vec<Vec<T>>
where
    T: Send + 'static,
    Turn: Future<Output = T> + Send + 'static,
{
    let track = Arc::new(Track::default());
    let contestants = (0..CONTESTANTS).map(|contestant| {
        let (track, turn) = (track.clone(), turn.clone());
        async move { track.run(move |round| turn(contestant, round)).await }.boxed()
    });
    by_round(together(spawn, contestants.collect()).await)
}

fn by_round<T>(contestants: Vec<Vec<T>>) -> Vec<Vec<T>> {
    let mut rounds: Vec<Vec<T>> = (0..ROUNDS).map(|_| Vec::new()).collect();
    for answers in contestants {
        for (round, answer) in rounds.iter_mut().zip(answers) {
            round.push(answer);
        }
    }
    rounds
}

/// Where the contestants line up before every round.
#[derive(Default)]
struct Track(AtomicUsize);

impl Track {
    async fn run<T, Turn: Future<Output = T>>(&self, turn: impl Fn(usize) -> Turn) -> Vec<T> {
        let _leave = Leave(self);
        let mut answers = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS {
            let turn = turn(round);
            self.line_up(round).await;
            answers.push(turn.await);
        }
        answers
    }

    /// Waits for the others, so that every round is run by all of them at once. Who is never kept
    /// waiting by a store would else be done before the next one starts.
    async fn line_up(&self, round: usize) {
        self.0.fetch_add(1, Ordering::AcqRel);
        let mut looks = 0;
        poll_fn(|context| {
            if self.0.load(Ordering::Acquire) >= (round + 1) * CONTESTANTS {
                return Poll::Ready(());
            }
            // Wakeful, for to be woken takes longer than the race; but some store may be at work.
            context.waker().wake_by_ref();
            looks += 1;
            if looks > 20 {
                thread::sleep(Duration::from_micros(50));
            }
            thread::yield_now();
            Poll::Pending
        })
        .await;
    }
}

/// The others need not wait for who is done or dropped out.
struct Leave<'a>(&'a Track);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(CONTESTANTS * ROUNDS, Ordering::AcqRel);
    }
}

/// Runs all tasks on the caller's executor. Returns what they said, in their order; a panic of one
/// of them goes on here.
pub(crate) async fn together<T: Send + 'static>(
    spawn: Spawn,
    tasks: Vec<BoxFuture<'static, T>>,
) -> Vec<T> {
    let count = tasks.len();
    let done = Arc::new(Done::default());
    for (number, task) in tasks.into_iter().enumerate() {
        let done = done.clone();
        spawn(Box::pin(async move {
            let result = AssertUnwindSafe(task).catch_unwind().await;
            done.results.lock().unwrap().insert(number, result);
            done.referee.wake();
        }));
    }
    let all = poll_fn(|context| {
        done.referee.register(context.waker());
        let mut results = done.results.lock().unwrap();
        if results.len() < count {
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut *results))
    });
    let answer = |result: thread::Result<T>| result.unwrap_or_else(|panic| resume_unwind(panic));
    all.await.into_values().map(answer).collect()
}

struct Done<T> {
    results: Mutex<BTreeMap<usize, thread::Result<T>>>,
    referee: AtomicWaker,
}

impl<T> Default for Done<T> {
    fn default() -> Self {
        Self {
            results: Mutex::default(),
            referee: AtomicWaker::new(),
        }
    }
}
