//! Through a PgBouncer in transaction mode, which gives each statement another connection.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use adapter_postgres::Postgres;
use conformance::{Spawn, code_store, rate_limiter, sample, session_store, user_repo};
use domain::ports::CodeStore;
use servers::PgBouncer;
use tokio::task::JoinSet;

use crate::support::{self, assert_unavailable, own_server, settings, somebody};

/// A new database, by its own URL and by the one through the pooler.
fn database() -> (String, String) {
    static BOUNCER: OnceLock<PgBouncer> = OnceLock::new();
    let bouncer = BOUNCER.get_or_init(|| PgBouncer::start(own_server()));
    let url = own_server().database();
    let through = bouncer.url(&url);
    (url, through)
}

async fn open() -> Arc<Postgres> {
    support::open(&database().1).await
}

const SPAWN: Spawn = |task| drop(tokio::spawn(task));

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_laws_of_codes_hold() {
    code_store::all(open().await, SPAWN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_laws_of_users_hold() {
    user_repo::all(open().await, SPAWN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_laws_of_sessions_hold() {
    session_store::all(open().await, SPAWN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_laws_of_limits_hold() {
    rate_limiter::all(open().await, SPAWN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_nodes_that_start_at_once_all_open_an_empty_database() {
    let (_, through) = database();
    let start = || {
        let settings = settings(&through);
        async move { Postgres::open(&settings).await.unwrap() }
    };
    let nodes: JoinSet<_> = std::iter::repeat_with(start).take(8).collect();
    assert_eq!(nodes.join_all().await.len(), 8);
}

#[tokio::test]
async fn a_write_that_was_given_up_is_not_made_later() {
    let (url, through) = database();
    let store = support::open(&through).await;
    let other = somebody(&url).await;
    other
        .batch_execute("BEGIN; LOCK TABLE phone_auth.codes")
        .await
        .unwrap();
    let (code, start) = (sample::phone_code(), Instant::now());
    assert_unavailable(&store.put(&code).await, start);
    crate::locks::assert_nobody_waits(&other).await;
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(store.get(code.id).await.unwrap(), None);
    assert!(store.put(&code).await.unwrap());
}
