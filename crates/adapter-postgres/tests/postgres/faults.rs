//! A server that goes away, falls silent or hangs up.

use std::slice::from_ref;
use std::time::{Duration, Instant};

use adapter_postgres::{Fault, Postgres};
use conformance::sample;
use domain::ports::{CodeStore, Inserted, RateLimiter, SessionStore, UserRepo};
use domain::rate_limit::Decision;
use servers::psql;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::{WAITING, assert_unavailable, open, settings, somebody, until};
use crate::wire::Wire;

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
}

/// Other threads hear that it hung up, while this one waits for the restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_between_two_operations_costs_nothing() {
    let server = servers::Postgres::start();
    let store = open(&server.database()).await;
    let code = sample::phone_code();
    assert!(store.put(&code).await.unwrap());
    let get = || CodeStore::get(&*store, code.id);
    let (..) = tokio::join!(get(), get(), get(), get());
    server.restart();
    assert!(store.consume(code.id).await.unwrap());
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

/// Else the next address of its name would not be reached in the time of an operation.
#[tokio::test]
async fn an_address_that_lets_nobody_in_is_soon_given_up() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut crowd = Vec::new();
    let knock = || timeout(Duration::from_millis(200), TcpStream::connect(address));
    while let Ok(inside) = knock().await {
        crowd.push(inside.unwrap());
    }
    let settings = settings(&format!("postgres://a@{address}/db"));
    let error = Postgres::open(&settings).await.err().unwrap();
    let text = error.to_string();
    let fault = error.into_fault();
    assert!(matches!(fault, Fault::Unreachable(_)), "{text}");
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

#[tokio::test]
async fn a_read_survives_that_the_server_hangs_up_in_another_language() {
    a_read_survives(Wire::translate).await;
}

#[tokio::test]
async fn a_read_survives_that_a_pooler_hangs_up() {
    a_read_survives(Wire::pool).await;
}

/// That the connection is ended under it, while the wire changes how this is told.
async fn a_read_survives(change: fn(&Wire)) {
    let (wire, url) = Wire::to_new_database().await;
    let store = open(&url).await;
    let code = sample::phone_code();
    assert!(store.put(&code).await.unwrap());
    change(&wire);
    let (other, killer) = (somebody(&url).await, somebody(&url).await);
    let lock = "BEGIN; LOCK TABLE phone_auth.codes";
    other.batch_execute(lock).await.unwrap();
    let hang_up = async {
        let hang_up = format!("SELECT pg_terminate_backend(pid) FROM ({WAITING}) AS waiting");
        until(async || !killer.query_typed(&hang_up, &[]).await.unwrap().is_empty()).await;
        other.batch_execute("ROLLBACK").await.unwrap();
    };
    let (found, ()) = tokio::join!(CodeStore::get(&*store, code.id), hang_up);
    assert_eq!(found.unwrap(), Some(code));
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_not_made_again() {
    let (wire, url) = Wire::to_new_database().await;
    let store = open(&url).await;
    let (code, charge) = (sample::phone_code(), sample::charge(&[(2, 60)]));
    assert!(store.put(&code).await.unwrap());

    wire.cut_before_the_answer();
    assert_unavailable(&store.begin_attempt(code.id).await, Instant::now());
    let found = CodeStore::get(&*store, code.id).await.unwrap();
    assert_eq!(found.unwrap().attempts, 1);

    wire.cut_before_the_answer();
    let acquired = store.acquire(from_ref(&charge), sample::NOW).await;
    assert_unavailable(&acquired, Instant::now());
    let second = store.acquire(&[charge], sample::NOW).await.unwrap();
    assert_eq!(second, Decision::Granted, "the first was counted twice");
}

/// It keeps its connections, and says at the next write that it takes none any more.
#[tokio::test]
async fn a_write_follows_the_primary_to_another_host() {
    let (old, new) = (servers::Postgres::start(), servers::Postgres::start());
    Postgres::migrate(&settings(new.url())).await.unwrap();
    let (one, other) = (old.port().to_string(), new.port().to_string());
    let both = format!("{one},127.0.0.1:{other}");
    let store = open(&old.url().replace(&one, &both)).await;
    assert!(store.put(&sample::phone_code()).await.unwrap());

    psql(
        old.url(),
        "ALTER SYSTEM SET default_transaction_read_only = on",
    );
    psql(old.url(), "SELECT pg_reload_conf()");
    until(async || {
        assert!(store.put(&sample::phone_code()).await.unwrap());
        psql(new.url(), "SELECT count(*) FROM phone_auth.codes") != "0"
    })
    .await;
}

#[tokio::test]
async fn what_does_no_harm_twice_is_asked_again() {
    let (wire, url) = Wire::to_new_database().await;
    let store = open(&url).await;
    let (code, user) = (sample::phone_code(), sample::new_user());
    assert!(store.put(&code).await.unwrap());
    assert!(store.find_or_create(&user).await.unwrap().1);

    wire.cut_before_the_answer();
    let found = CodeStore::get(&*store, code.id).await.unwrap();
    assert_eq!(found, Some(code));
    wire.cut_before_the_answer();
    let phone = sample::sealed_phone();
    assert!(store.reseal(user.user.id, &phone).await.unwrap());
    wire.cut_before_the_answer();
    store.clear(&[sample::counter_key()]).await.unwrap();
    wire.cut_before_the_answer();
    RateLimiter::health(&*store).await.unwrap();
}

#[tokio::test]
async fn connections_that_were_forgotten_on_the_way_cost_one_wait() {
    let (wire, url) = Wire::to_new_database().await;
    let store = open(&url).await;
    let code = sample::phone_code();
    assert!(store.put(&code).await.unwrap());
    let get = || CodeStore::get(&*store, code.id);
    let (..) = tokio::join!(get(), get(), get(), get());

    wire.forget_connections();
    assert_unavailable(&get().await, Instant::now());
    assert_eq!(get().await.unwrap().as_ref(), Some(&code));
    assert!(store.consume(code.id).await.unwrap());
}
