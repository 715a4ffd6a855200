//! Tables and rows that somebody else keeps locked.

use std::time::{Duration, Instant};

use adapter_postgres::{Postgres, Settings};
use conformance::sample;
use domain::ports::{CodeStore, RateLimiter, SessionStore, UserRepo};
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::support::{assert_unavailable, fresh, settings, somebody, until};

const LOCK: &str = "BEGIN; LOCK TABLE phone_auth.codes, phone_auth.users, phone_auth.sessions,
    phone_auth.counters";

/// No statement waits at the server for a lock, and none will get it later.
pub(crate) async fn assert_nobody_waits(other: &Client) {
    const WAITING: &str = "SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until(async || other.query_typed(WAITING, &[]).await.unwrap().is_empty()).await;
}

#[tokio::test]
async fn a_locked_table_is_an_error_in_time_and_nothing_is_written_later() {
    let (store, url) = fresh().await;
    let other = somebody(&url).await;
    let (code, user, session) = (sample::phone_code(), sample::new_user(), sample::session());
    let charges = [sample::charge(&[(1, 60)])];

    other.batch_execute(LOCK).await.unwrap();
    let start = Instant::now();
    let (put, create, insert, acquire, health) = tokio::join!(
        store.put(&code),
        store.find_or_create(&user),
        store.insert(&session, 20),
        store.acquire(&charges, sample::NOW),
        UserRepo::health(&*store),
    );
    assert_unavailable(&put, start);
    assert_unavailable(&create, start);
    assert_unavailable(&insert, start);
    assert_unavailable(&acquire, start);
    assert_unavailable(&health, start);
    assert_nobody_waits(&other).await;
    other.batch_execute("ROLLBACK").await.unwrap();

    assert_eq!(CodeStore::get(&*store, code.id).await.unwrap(), None);
    assert_eq!(store.find(user.user.id).await.unwrap(), None);
    assert_eq!(SessionStore::get(&*store, session.id).await.unwrap(), None);
    let counters = other.query_typed("SELECT FROM phone_auth.counters", &[]);
    assert!(counters.await.unwrap().is_empty());
    assert!(store.put(&code).await.unwrap());
}

/// The ports that are not healthy while nobody can write to that table.
async fn sick_without(table: &str) -> Vec<&'static str> {
    let (store, url) = fresh().await;
    let other = somebody(&url).await;
    let lock = format!("BEGIN; LOCK TABLE phone_auth.{table} IN SHARE MODE");
    other.batch_execute(&lock).await.unwrap();
    let (codes, limits, sessions, users) = tokio::join!(
        CodeStore::health(&*store),
        RateLimiter::health(&*store),
        SessionStore::health(&*store),
        UserRepo::health(&*store),
    );
    let ports = [
        ("codes", codes),
        ("counters", limits),
        ("sessions", sessions),
        ("users", users),
    ];
    let sick = ports.into_iter().filter(|(_, health)| health.is_err());
    sick.map(|(port, _)| port).collect()
}

#[tokio::test]
async fn each_port_is_as_healthy_as_its_own_table() {
    let (codes, counters, sessions, users) = tokio::join!(
        sick_without("codes"),
        sick_without("counters"),
        sick_without("sessions"),
        sick_without("users"),
    );
    let sick = [codes, counters, sessions, users].concat();
    assert_eq!(sick, ["codes", "counters", "sessions", "users"]);
}

#[tokio::test]
async fn a_pool_without_a_free_connection_is_an_error_in_time() {
    let (_, url) = fresh().await;
    let small = Settings {
        pool: 2,
        ..settings(&url)
    };
    let store = Postgres::open(&small).await.unwrap();
    let other = somebody(&url).await;
    other.batch_execute(LOCK).await.unwrap();
    let start = Instant::now();
    let code = sample::phone_code();
    let get = || CodeStore::get(&store, code.id);
    let (a, b, c, d) = tokio::join!(get(), get(), get(), store.put(&code));
    for outcome in [a, b, c] {
        assert_unavailable(&outcome, start);
    }
    assert_unavailable(&d, start);
    other.batch_execute("ROLLBACK").await.unwrap();
    assert!(store.put(&code).await.unwrap());
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_no_statement_behind() {
    let (store, url) = fresh().await;
    let other = somebody(&url).await;
    let code = sample::phone_code();
    other.batch_execute(LOCK).await.unwrap();
    let start = Instant::now();
    let put = timeout(Duration::from_millis(200), store.put(&code)).await;
    assert!(put.is_err(), "it did not wait: {put:?}");
    assert_nobody_waits(&other).await;
    let waited = start.elapsed();
    assert!(
        waited < Duration::from_millis(900),
        "it gave up by itself: {waited:?}"
    );
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(CodeStore::get(&*store, code.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_short_wait_for_a_lock_is_none_for_the_caller() {
    let (store, url) = fresh().await;
    let other = somebody(&url).await;
    let code = sample::phone_code();
    assert!(store.put(&code).await.unwrap());
    let row = "BEGIN; SELECT FROM phone_auth.codes FOR UPDATE";
    other.batch_execute(row).await.unwrap();
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        other.batch_execute("COMMIT").await.unwrap();
    };
    let (attempt, ()) = tokio::join!(store.begin_attempt(code.id), release);
    assert_eq!(attempt.unwrap().unwrap().attempts, 1);
}

#[tokio::test]
async fn a_statement_that_the_server_undid_is_run_once_more() {
    const TWICE: &str = "
        CREATE SEQUENCE public.times;
        CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('public.times') % 3 <> 0 THEN RAISE deadlock_detected; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER fail BEFORE INSERT ON phone_auth.codes
            FOR EACH ROW EXECUTE FUNCTION public.fail()";
    let (store, url) = fresh().await;
    let other = somebody(&url).await;
    other.batch_execute(TWICE).await.unwrap();
    let code = sample::phone_code();
    assert_unavailable(&store.put(&code).await, Instant::now());
    assert!(
        store.put(&code).await.unwrap(),
        "the third time it succeeds"
    );
    other
        .batch_execute("ALTER SEQUENCE public.times RESTART WITH 2")
        .await
        .unwrap();
    assert!(store.put(&sample::phone_code()).await.unwrap());
}
