//! A server that goes away, falls silent or hangs up.

use std::time::Instant;

use conformance::sample;
use domain::ports::{CodeStore, Inserted, SessionStore};
use servers::psql;

use crate::support::{assert_unavailable, open};

const HANG_UP: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test]
async fn a_stopped_server_is_an_error_and_comes_back_by_itself() {
    let server = servers::Postgres::start();
    let store = open(&server.database()).await;
    let code = sample::phone_code();
    assert!(store.put(&code).await.unwrap());

    server.stop();
    let start = Instant::now();
    assert_unavailable(&CodeStore::get(&*store, code.id).await, start);
    assert_unavailable(&store.put(&sample::phone_code()).await, start);
    conformance::rate_limiter::a_limiter_that_is_down_admits_nothing(&*store).await;

    server.restart();
    assert!(store.consume(code.id).await.unwrap(), "at once");
    server.restart();
    let found = CodeStore::get(&*store, code.id).await.unwrap();
    assert!(
        found.unwrap().consumed,
        "and after a restart between two operations"
    );
}

#[tokio::test]
async fn a_silent_server_is_an_error_in_time_and_comes_back_by_itself() {
    let server = servers::Postgres::start();
    let store = open(&server.database()).await;
    let (code, session) = (sample::phone_code(), sample::session());
    assert!(store.put(&code).await.unwrap());

    server.pause();
    for _ in 0..2 {
        let start = Instant::now();
        let (get, insert) =
            tokio::join!(CodeStore::get(&*store, code.id), store.insert(&session, 20),);
        assert_unavailable(&get, start);
        assert_unavailable(&insert, start);
    }

    server.resume();
    assert!(store.consume(code.id).await.unwrap(), "at once");
    let another = sample::session();
    assert_eq!(store.insert(&another, 20).await.unwrap(), Inserted::Stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_survives_that_the_server_hangs_up() {
    let url = servers::Postgres::shared().database();
    let store = open(&url).await;
    let code = sample::phone_code();
    assert!(store.put(&code).await.unwrap());
    for _ in 0..20 {
        let get = || CodeStore::get(&*store, code.id);
        let (..) = tokio::join!(get(), get(), get(), get());
        assert_ne!(psql(&url, HANG_UP), "0", "it had connections");
        assert_eq!(get().await.unwrap().as_ref(), Some(&code));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_connection_is_cut_is_made_once_or_not_known() {
    let url = servers::Postgres::shared().database();
    let store = open(&url).await;
    let code = sample::phone_code();
    assert!(store.put(&code).await.unwrap());
    let mut acknowledged = 0;
    let mut unknown = 0;
    for round in 0..100 {
        let attempt = tokio::spawn({
            let store = store.clone();
            async move { store.begin_attempt(code.id).await }
        });
        if round % 5 == 0 {
            psql(&url, HANG_UP);
        }
        match attempt.await.unwrap() {
            Ok(_) => acknowledged += 1,
            Err(_) => unknown += 1,
        }
    }
    let counted = CodeStore::get(&*store, code.id)
        .await
        .unwrap()
        .unwrap()
        .attempts;
    let possible = acknowledged..=acknowledged + unknown;
    assert!(possible.contains(&counted), "{counted} of {possible:?}");
}
