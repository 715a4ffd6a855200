//! Deadlines of use cases.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::auth::AuthError;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::problem::Problem;
use crate::watch::is_outage;

/// How long a use case may take before its caller is told to try again: an answer is out within
/// two seconds, whatever is down.
pub(crate) const DEADLINE: Duration = Duration::from_millis(1800);

/// A use case went past its deadline.
#[derive(Debug, thiserror::Error)]
#[error("a use case went past its deadline")]
pub(crate) struct Late;

/// Awaits a use case that changes nothing, and gives it up at the deadline.
pub(crate) async fn in_time<T>(
    work: impl Future<Output = Result<T, AuthError>>,
) -> Result<T, Problem> {
    match timeout(DEADLINE, work).await {
        Ok(done) => done.map_err(Problem::from),
        Err(_) => Err(Problem::late()),
    }
}

/// Where work goes on that its caller no longer waits for.
#[derive(Clone)]
pub struct Background {
    runtime: Handle,
    tasks: Arc<Mutex<JoinSet<()>>>,
    /// All work, whoever waits for it.
    under_way: TaskTracker,
}

impl Background {
    /// Work goes on in `runtime`, which has to outlive the servers: their workers' own runtimes end
    /// with them.
    pub fn new(runtime: Handle) -> Self {
        let under_way = TaskTracker::new();
        under_way.close();
        Self {
            runtime,
            tasks: Arc::default(),
            under_way,
        }
    }

    /// Waits until no work is under way, but not for ever: a store that never answers must not keep
    /// the messages that wait behind it from going out.
    ///
    /// For a shutdown, before and after the servers stop. Before, as their workers take with them
    /// what their calls have under way at a store; and after, for what came last.
    pub async fn finish(&self, within: Duration) {
        if timeout(within, self.under_way.wait()).await.is_err() {
            tracing::error!("ending with calls under way that a store does not answer");
            self.tasks.lock().abort_all();
        }
    }

    /// Awaits a use case that changes something. It runs to its end even if its caller goes away or
    /// is answered 503 at the deadline: half a sign-in would spend a code for nothing.
    pub(crate) fn complete<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, AuthError>> + Send + 'static,
    ) -> Complete<T> {
        Complete {
            work: Some(work.boxed()),
            deadline: None,
            background: self.clone(),
            token: self.under_way.token(),
        }
    }

    fn go_on<T: Send + 'static>(
        &self,
        work: BoxFuture<'static, Result<T, AuthError>>,
        token: TaskTrackerToken,
    ) {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        let work = async move {
            let _token = token;
            match work.await {
                Err(error) if is_outage(&error) => {
                    tracing::debug!(%error, "an outage after its caller had gone");
                }
                Err(error) => tracing::warn!(%error, "failed after its caller had gone"),
                Ok(_) => {}
            }
        };
        tasks.spawn_on(work, &self.runtime);
    }
}

/// See [`Background::complete`]. On the way to its result nothing is spawned.
pub(crate) struct Complete<T: Send + 'static> {
    work: Option<BoxFuture<'static, Result<T, AuthError>>>,
    deadline: Option<Pin<Box<Sleep>>>,
    background: Background,
    token: TaskTrackerToken,
}

impl<T: Send + 'static> Future for Complete<T> {
    type Output = Result<T, Problem>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Taken out while it is polled: what panicked does not go on.
        if let Some(mut work) = self.work.take() {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done.map_err(Problem::from));
            }
            self.work = Some(work);
        }
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep(DEADLINE)));
        deadline.as_mut().poll(cx).map(|()| Err(Problem::late()))
    }
}

impl<T: Send + 'static> Drop for Complete<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.background.go_on(work, self.token.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Work that waits for a signal, and tells when it is done.
    fn work() -> (
        impl Future<Output = Result<u8, AuthError>> + Send,
        oneshot::Sender<()>,
        oneshot::Receiver<()>,
    ) {
        let (go, gone) = oneshot::channel::<()>();
        let (done, seen) = oneshot::channel();
        let work = async {
            let _ = gone.await;
            let _ = done.send(());
            Ok(7)
        };
        (work, go, seen)
    }

    #[tokio::test]
    async fn work_that_is_done_in_time_gives_its_result() {
        let (work, go, _seen) = work();
        go.send(()).unwrap();
        let background = Background::new(Handle::current());
        assert_eq!(background.complete(work).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_goes_on_when_its_caller_goes_away() {
        let (work, go, seen) = work();
        let background = Background::new(Handle::current());
        let mut call = background.complete(work);
        assert!((&mut call).now_or_never().is_none());
        drop(call);
        go.send(()).unwrap();
        background.finish(PATIENCE).await;
        seen.await.unwrap();
    }

    #[tokio::test]
    async fn work_that_its_caller_waits_for_is_waited_for_too() {
        let (work, go, _seen) = work();
        let background = Background::new(Handle::current());
        let call = background.complete(work);
        let mut finish = std::pin::pin!(background.finish(PATIENCE));
        assert!((&mut finish).now_or_never().is_none());
        go.send(()).unwrap();
        assert_eq!(call.await.unwrap(), 7);
        assert!(finish.now_or_never().is_some());
    }

    #[tokio::test]
    async fn work_that_panics_stops_neither_the_rest_nor_the_shutdown() {
        let background = Background::new(Handle::current());
        let (rest, go, seen) = work();
        let broken = async {
            tokio::task::yield_now().await;
            panic!("a broken store");
        };
        let mut broken = background.complete::<u8>(broken);
        let mut rest = background.complete(rest);
        assert!((&mut broken).now_or_never().is_none());
        assert!((&mut rest).now_or_never().is_none());
        drop((broken, rest));
        go.send(()).unwrap();
        background.finish(PATIENCE).await;
        seen.await.unwrap();
    }

    #[tokio::test]
    async fn work_that_never_ends_does_not_stop_the_shutdown() {
        let background = Background::new(Handle::current());
        let (work, _go, seen) = work();
        let mut call = background.complete(work);
        assert!((&mut call).now_or_never().is_none());
        drop(call);
        background.finish(Duration::from_millis(20)).await;
        assert!(seen.await.is_err(), "given up");
    }

    #[tokio::test]
    async fn the_caller_is_answered_at_the_deadline_and_the_work_goes_on() {
        let (work, go, seen) = work();
        let background = Background::new(Handle::current());
        let started = Instant::now();
        let problem = background.complete(work).await.unwrap_err();
        assert_eq!(problem.status_code(), 503);
        assert!(started.elapsed() < Duration::from_secs(2));
        go.send(()).unwrap();
        background.finish(PATIENCE).await;
        seen.await.unwrap();
    }

    #[tokio::test]
    async fn reading_is_given_up_at_the_deadline() {
        let (work, _go, seen) = work();
        assert_eq!(in_time(work).await.unwrap_err().status_code(), 503);
        assert!(seen.await.is_err(), "the work went on");
    }
}
