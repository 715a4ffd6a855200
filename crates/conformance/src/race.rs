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
    for contestant in 0..CONTESTANTS {
        let (track, turn) = (track.clone(), turn.clone());
        spawn(Box::pin(async move {
            let run = track.run(move |round| turn(contestant, round));
            let result = AssertUnwindSafe(run).catch_unwind().await;
            track.finish(contestant, result);
        }));
    }
    by_round(track.finished().await)
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

struct Track<T> {
    at_the_line: AtomicUsize,
    results: Mutex<BTreeMap<usize, thread::Result<Vec<T>>>>,
    referee: AtomicWaker,
}

impl<T> Track<T> {
    async fn run<Turn: Future<Output = T>>(&self, turn: impl Fn(usize) -> Turn) -> Vec<T> {
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
        self.at_the_line.fetch_add(1, Ordering::AcqRel);
        let mut looks = 0;
        poll_fn(|context| {
            if self.at_the_line.load(Ordering::Acquire) >= (round + 1) * CONTESTANTS {
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

    fn finish(&self, contestant: usize, result: thread::Result<Vec<T>>) {
        if result.is_err() {
            // The others need not wait for who dropped out.
            self.at_the_line
                .fetch_add(CONTESTANTS * ROUNDS, Ordering::AcqRel);
        }
        self.results.lock().unwrap().insert(contestant, result);
        self.referee.wake();
    }

    async fn finished(&self) -> Vec<Vec<T>> {
        let results = poll_fn(|context| {
            self.referee.register(context.waker());
            let mut results = self.results.lock().unwrap();
            if results.len() < CONTESTANTS {
                return Poll::Pending;
            }
            Poll::Ready(std::mem::take(&mut *results))
        });
        let answers =
            |result: thread::Result<_>| result.unwrap_or_else(|panic| resume_unwind(panic));
        results.await.into_values().map(answers).collect()
    }
}

impl<T> Default for Track<T> {
    fn default() -> Self {
        Self {
            at_the_line: AtomicUsize::new(0),
            results: Mutex::default(),
            referee: AtomicWaker::new(),
        }
    }
}
