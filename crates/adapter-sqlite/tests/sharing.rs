//! One file, several processes: each `Sqlite` stands for one.
#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapter_sqlite::Sqlite;
use conformance::sample;
use domain::ports::{CodeStore, Inserted, RateLimiter, SessionStore, StoreError, UserRepo};
use domain::rate_limit::Decision;
use domain::session::UserSession;
use rusqlite::Connection;
use tempfile::{TempDir, tempdir};
use tokio::task::JoinSet;

struct File {
    folder: TempDir,
}

impl File {
    fn new() -> Self {
        Self {
            folder: tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("a.db")
    }

    fn open(&self) -> Arc<Sqlite> {
        Arc::new(Sqlite::open(self.path()).unwrap())
    }

    /// Somebody else who writes and does not finish.
    fn lock(&self) -> Connection {
        let other = Connection::open(self.path()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
    }
}

/// Runs `contestant` 64 times at once, on two stores of one file in turn.
async fn race<T, Run>(contestant: impl Fn(Arc<Sqlite>) -> Run) -> Vec<T>
where
    T: Send + 'static,
    Run: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    let file = File::new();
    let stores = [file.open(), file.open()];
    let tasks: JoinSet<_> = stores
        .iter()
        .cycle()
        .take(64)
        .map(|store| contestant(store.clone()))
        .collect();
    tasks
        .join_all()
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_is_consumed_once_by_all_processes_together() {
    let code = sample::phone_code();
    let outcomes = race(|store| {
        let code = code.clone();
        async move {
            store.put(&code).await?;
            store.consume(code.id).await
        }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|consumed| **consumed).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_makes_one_session_in_all_processes_together() {
    let first = sample::session();
    let outcomes = race(|store| {
        let session = UserSession {
            code: first.code,
            ..sample::session()
        };
        async move { store.insert(&session, 20).await }
    })
    .await;
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == Inserted::Stored)
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_limit_holds_for_all_processes_together() {
    let charge = sample::charge(&[(10, 3600)]);
    let outcomes = race(|store| {
        let charges = [charge.clone()];
        async move { store.acquire(&charges, sample::NOW).await }
    })
    .await;
    assert_eq!(
        outcomes
            .iter()
            .filter(|decision| **decision == Decision::Granted)
            .count(),
        10
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_phone_has_one_user_in_all_processes_together() {
    let phone = sample::sealed_phone();
    let outcomes = race(|store| {
        let new = sample::user_of(phone.clone(), Vec::new());
        async move { store.find_or_create(&new).await }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|(_, created)| *created).count(), 1);
    assert!(outcomes.iter().all(|(user, _)| *user == outcomes[0].0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_process_revoked_another_sees_revoked() {
    let file = File::new();
    let (here, there) = (file.open(), file.open());
    for _ in 0..20 {
        let session = sample::session();
        assert_eq!(here.insert(&session, 20).await.unwrap(), Inserted::Stored);
        assert!(
            SessionStore::get(&*there, session.id)
                .await
                .unwrap()
                .is_some()
        );
        assert!(here.revoke(session.id, sample::NOW).await.unwrap());
        let seen = SessionStore::get(&*there, session.id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(seen.revoked_at, Some(sample::NOW));
    }
}

fn is_unavailable<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Unavailable(_)))
}

#[tokio::test]
async fn a_locked_file_is_an_error_within_2_s_and_recovers() {
    let file = File::new();
    let store = file.open();
    let (early, late) = (sample::phone_code(), sample::phone_code());
    assert!(store.put(&early).await.unwrap());

    let other = file.lock();
    let start = Instant::now();
    let outcome = store.put(&late).await;
    assert!(is_unavailable(&outcome), "{outcome:?}");
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert!(is_unavailable(&CodeStore::health(&*store).await));
    assert_eq!(
        CodeStore::get(&*store, early.id).await.unwrap(),
        Some(early)
    );

    drop(other);
    CodeStore::health(&*store).await.unwrap();
    let found = CodeStore::get(&*store, late.id).await.unwrap();
    assert_eq!(found, None, "a write that was given up was made later");
    assert!(store.put(&late).await.unwrap());
}

#[tokio::test]
async fn a_write_that_cannot_be_made_fails_alone() {
    let file = File::new();
    let store = file.open();
    let known = sample::new_user();
    assert!(store.find_or_create(&known).await.unwrap().1);

    // All of them wait for the lock, and so for one transaction.
    let other = file.lock();
    let mut same_id = sample::new_user();
    same_id.user.id = known.user.id;
    let (first, last) = (sample::phone_code(), sample::phone_code());
    let (put_first, fail, put_last, ()) = tokio::join!(
        store.put(&first),
        store.find_or_create(&same_id),
        store.put(&last),
        async { drop(other) },
    );
    assert!(put_first.unwrap());
    assert!(is_unavailable(&fail), "{fail:?}");
    assert!(put_last.unwrap());
    assert!(CodeStore::get(&*store, first.id).await.unwrap().is_some());
    assert!(CodeStore::get(&*store, last.id).await.unwrap().is_some());
}

#[tokio::test]
async fn more_writes_than_the_queue_holds_are_refused_at_once() {
    let file = File::new();
    let store = file.open();
    let other = file.lock();
    let writes: JoinSet<_> = std::iter::repeat_with(|| {
        let store = store.clone();
        async move {
            let start = Instant::now();
            let outcome = store.put(&sample::phone_code()).await;
            assert!(is_unavailable(&outcome), "{outcome:?}");
            start.elapsed()
        }
    })
    .take(6000)
    .collect();
    let waits = writes.join_all().await;
    let at_once = waits.iter().filter(|wait| **wait < Duration::from_secs(1));
    assert!(at_once.count() > 1000);
    drop(other);
    assert!(store.put(&sample::phone_code()).await.unwrap());
}
