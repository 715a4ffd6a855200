//! One database, several nodes: each `Postgres` stands for one.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use adapter_postgres::Postgres;
use conformance::sample;
use domain::id::PhoneCodeId;
use domain::ports::{CodeStore, Inserted, RateLimiter, SessionStore, StoreError, UserRepo};
use domain::rate_limit::Decision;
use domain::session::UserSession;
use servers::psql;
use tokio::task::JoinSet;

use crate::support::{fresh, open, settings, somebody};

/// Runs `contestant` 64 times at once, on two stores of one database in turn.
async fn race<T, Run>(contestant: impl Fn(Arc<Postgres>) -> Run) -> Vec<T>
where
    T: Send + 'static,
    Run: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    let (here, url) = fresh().await;
    let stores = [here, open(&url).await];
    let tasks: JoinSet<_> = stores
        .iter()
        .cycle()
        .take(64)
        .map(|store| contestant(store.clone()))
        .collect();
    let outcomes = tasks.join_all().await;
    outcomes.into_iter().map(Result::unwrap).collect()
}

async fn eight_calls(store: Arc<Postgres>, id: PhoneCodeId) {
    let call = |store: Arc<Postgres>| async move { store.begin_attempt(id).await };
    let calls: JoinSet<_> = (0..8).map(|_| call(store.clone())).collect();
    for counted in calls.join_all().await {
        counted.unwrap();
    }
}

/// A web server's workers have runtimes of their own, which end before what is done last.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn connections_outlive_the_runtime_of_the_callers_they_were_made_for() {
    let server = servers::Postgres::start();
    let store = open(server.url()).await;
    let code = sample::phone_code();
    store.put(&code).await.unwrap();
    let worker = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let calls = worker.spawn(eight_calls(store.clone(), code.id));
    calls.await.unwrap();
    server.pause();
    let under_way = tokio::spawn(eight_calls(store, code.id));
    tokio::time::sleep(Duration::from_millis(100)).await;
    worker.shutdown_background();
    server.resume();
    under_way.await.unwrap();
}

#[tokio::test]
async fn an_operation_outlives_the_runtime_that_began_it() {
    let (store, _) = fresh().await;
    let code = sample::phone_code();
    let mut put = store.put(&code);
    let worker = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    {
        let _entered = worker.enter();
        let begun = put.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(begun.is_pending());
    }
    worker.shutdown_background();
    assert!(put.await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_is_consumed_once_by_all_nodes_together() {
    let code = sample::phone_code();
    let outcomes = race(|store| {
        let code = code.clone();
        async move {
            store.put(&code).await?;
            store.consume(code.id).await
        }
    });
    let consumed = outcomes.await.into_iter().filter(|consumed| *consumed);
    assert_eq!(consumed.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_makes_one_session_in_all_nodes_together() {
    let first = sample::session();
    let outcomes = race(|store| {
        let session = UserSession {
            code: first.code,
            ..sample::session()
        };
        async move { store.insert(&session, 20).await }
    });
    let stored = |inserted: &Inserted| *inserted == Inserted::Stored;
    assert_eq!(outcomes.await.into_iter().filter(stored).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_limit_holds_for_all_nodes_together() {
    let charge = sample::charge(&[(10, 3600)]);
    let outcomes = race(|store| {
        let charges = [charge.clone()];
        async move { store.acquire(&charges, sample::NOW).await }
    });
    let granted = |decision: &Decision| *decision == Decision::Granted;
    assert_eq!(outcomes.await.into_iter().filter(granted).count(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_phone_has_one_user_in_all_nodes_together() {
    let phone = sample::sealed_phone();
    let outcomes = race(|store| {
        let new = sample::user_of(phone.clone(), Vec::new());
        async move { store.find_or_create(&new).await }
    });
    let outcomes = outcomes.await;
    assert_eq!(outcomes.iter().filter(|(_, created)| *created).count(), 1);
    assert!(outcomes.iter().all(|(user, _)| *user == outcomes[0].0));
}

/// Each of them changes many rows of one user, in the order that it comes across them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sign_ins_and_sign_outs_of_one_user_do_not_wait_for_each_other() {
    const USERS: usize = 20;
    let (here, url) = fresh().await;
    let there = open(&url).await;
    let users = [(); USERS].map(|()| sample::user_id());
    for (number, user) in users.iter().cycle().take(40 * USERS).enumerate() {
        // The last ones are the oldest: an index comes across them first, a scan last.
        let at = sample::NOW - Duration::from_secs(number as u64);
        let session = sample::session_of(*user, at);
        assert_eq!(here.insert(&session, 100).await.unwrap(), Inserted::Stored);
    }
    psql(&url, "ANALYZE phone_auth.sessions");
    for user in users {
        let mut all = JoinSet::new();
        for store in [&here, &there, &here, &there] {
            let (one, other) = (store.clone(), store.clone());
            all.spawn(async move { one.revoke_all(user, sample::NOW).await.map(drop) });
            all.spawn(async move {
                let session = sample::session_of(user, sample::NOW);
                other.insert(&session, 2).await.map(drop)
            });
        }
        for outcome in all.join_all().await {
            outcome.unwrap();
        }
    }
}

#[tokio::test]
async fn what_one_node_revoked_another_sees_revoked() {
    let (here, url) = fresh().await;
    let there = open(&url).await;
    for _ in 0..20 {
        let session = sample::session();
        assert_eq!(here.insert(&session, 20).await.unwrap(), Inserted::Stored);
        let seen = SessionStore::get(&*there, session.id).await.unwrap();
        assert_eq!(seen.unwrap().revoked_at, None);
        assert!(here.revoke(session.id, sample::NOW).await.unwrap());
        let seen = SessionStore::get(&*there, session.id).await.unwrap();
        assert_eq!(seen.unwrap().revoked_at, Some(sample::NOW));
    }
}

#[tokio::test]
async fn a_sweep_waits_for_nobody_and_leaves_what_others_are_at() {
    let (store, url) = fresh().await;
    let [one, two] = [(); 2].map(|()| sample::phone_code());
    let sweep = || CodeStore::sweep(&*store, one.expires_at, 100);
    assert!(store.put(&one).await.unwrap());
    let other = somebody(&url).await;
    other
        .batch_execute("BEGIN; UPDATE phone_auth.codes SET attempts = 3")
        .await
        .unwrap();
    assert!(store.put(&two).await.unwrap());
    assert_eq!(sweep().await.unwrap(), 1, "all but the one being changed");
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(sweep().await.unwrap(), 1);
}

#[tokio::test]
async fn one_node_sweeps_at_a_time() {
    let (store, url) = fresh().await;
    let code = sample::phone_code();
    assert!(store.put(&code).await.unwrap());
    // Another node in the middle of its sweep.
    let other = somebody(&url).await;
    other.batch_execute("BEGIN").await.unwrap();
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('phone_auth.sweep_codes', 0))";
    other.batch_execute(lock).await.unwrap();
    let sweep = || CodeStore::sweep(&*store, code.expires_at, 100);
    assert_eq!(sweep().await.unwrap(), 0);
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(sweep().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sweep_of_many_removes_each_row_once() {
    let (here, url) = fresh().await;
    let there = open(&url).await;
    for _ in 0..600 {
        assert!(here.put(&sample::phone_code()).await.unwrap());
    }
    let expiry = sample::phone_code().expires_at;
    let mut removed = 0;
    while removed < 600 {
        let (here, there) = tokio::join!(
            CodeStore::sweep(&*here, expiry, 400),
            CodeStore::sweep(&*there, expiry, 400),
        );
        removed += here.unwrap() + there.unwrap();
    }
    assert_eq!(removed, 600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_nodes_that_start_at_once_all_open_an_empty_database() {
    for _ in 0..5 {
        let url = servers::Postgres::shared().database();
        let start = || {
            let settings = settings(&url);
            async move { Postgres::open(&settings).await.unwrap() }
        };
        let nodes: JoinSet<_> = std::iter::repeat_with(start).take(8).collect();
        assert_eq!(nodes.join_all().await.len(), 8);
        assert_eq!(Postgres::pending(&settings(&url)).await.unwrap(), 0);
    }
}
