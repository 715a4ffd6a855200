//! Tables and rows that somebody else keeps locked.

use std::fmt::Debug;
use std::slice::from_ref;
use std::time::{Duration, Instant};

use adapter_postgres::{Postgres, Settings};
use conformance::sample;
use domain::code::{DeliveryStatus, PhoneCode};
use domain::ports::{CodeStore, Inserted, RateLimiter, SessionStore, StoreError, UserRepo};
use domain::rate_limit::{Charge, Decision};
use domain::session::UserSession;
use domain::user::NewUser;
use servers::psql;
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::support::{WAITING, assert_unavailable, fresh, settings, somebody, until};

const DAY: Duration = Duration::from_secs(86_400);

const LOCK: &str = "BEGIN; LOCK TABLE phone_auth.codes, phone_auth.users, phone_auth.sessions,
    phone_auth.counters";

/// No statement waits at the server for a lock, and none will get it later.
pub(crate) async fn assert_nobody_waits(other: &Client) {
    until(async || other.query_typed(WAITING, &[]).await.unwrap().is_empty()).await;
}

/// What is in all tables.
fn rows(url: &str) -> String {
    let tables = ["codes", "users", "sessions", "counters"];
    psql(
        url,
        &tables
            .map(|table| format!("TABLE phone_auth.{table};"))
            .concat(),
    )
}

/// What the operations find.
async fn something_of_each(store: &Postgres) -> (PhoneCode, NewUser, UserSession, [Charge; 3]) {
    let (code, user, session) = (sample::phone_code(), sample::new_user(), sample::session());
    let charges = [(); 3].map(|()| sample::charge(&[(5, 60)]));
    assert!(store.put(&code).await.unwrap());
    assert!(store.find_or_create(&user).await.unwrap().1);
    let inserted = store.insert(&session, 20).await.unwrap();
    assert_eq!(inserted, Inserted::Stored);
    let granted = store.acquire(&charges, sample::NOW).await.unwrap();
    assert_eq!(granted, Decision::Granted);
    (code, user, session, charges)
}

/// The server itself gives up; where it is too busy to be in time, at another try.
async fn assert_ends<T: Debug>(name: &str, operation: impl AsyncFn() -> Result<T, StoreError>) {
    let mut by_itself = false;
    for _ in 0..5 {
        let (start, outcome) = (Instant::now(), operation().await);
        assert_unavailable(&outcome, start);
        by_itself |= format!("{outcome:?}").contains("lock timeout");
        if by_itself {
            break;
        }
    }
    assert!(by_itself, "{name} ends when it is told to");
}

#[tokio::test]
async fn a_locked_table_ends_every_operation_in_time_and_nothing_is_written_later() {
    let (store, url) = fresh().await;
    let (code, user, session, charges) = something_of_each(&store).await;
    let before = rows(&url);
    let other = somebody(&url).await;
    other.batch_execute(LOCK).await.unwrap();

    // All at once, and each on a connection that has seen no table yet.
    macro_rules! all_end {
        ($($operation:expr),* $(,)?) => {
            tokio::join!($(assert_ends(stringify!($operation), async || $operation.await)),*)
        };
    }
    let (phone, sent) = (
        *code.phone.index(),
        code.delivery.with(DeliveryStatus::Sent),
    );
    let (another, renewal) = (sample::session(), sample::renewal(sample::NOW));
    let [acquired, refunded, cleared] = &charges;
    let large = Settings {
        pool: 32,
        ..settings(&url)
    };
    let store = Postgres::open(&large).await.unwrap();
    all_end![
        store.put(&sample::phone_code()),
        CodeStore::get(&store, code.id),
        CodeStore::find_by_phone(&store, &[phone]),
        store.begin_attempt(code.id),
        store.release_attempt(code.id),
        store.set_delivery(code.id, sent),
        store.consume(code.id),
        CodeStore::sweep(&store, code.expires_at, 100),
        store.find_or_create(&sample::new_user()),
        store.find(user.user.id),
        UserRepo::find_by_phone(&store, &[*user.user.phone.index()]),
        store.reseal(user.user.id, &sample::sealed_phone()),
        store.delete(user.user.id),
        UserRepo::health(&store),
        store.insert(&another, 1),
        SessionStore::get(&store, session.id),
        store.rotate(session.id, session.refresh.unwrap(), &renewal),
        store.list(session.user, sample::NOW),
        store.revoke(session.id, sample::NOW),
        store.revoke_all(session.user, sample::NOW),
        SessionStore::sweep(&store, session.ends_at, 100),
        store.acquire(from_ref(acquired), sample::NOW),
        store.refund(from_ref(refunded), sample::NOW),
        store.clear(&[cleared.key]),
        RateLimiter::sweep(&store, sample::NOW + DAY, 100),
    ];

    assert_nobody_waits(&other).await;
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(rows(&url), before);
    assert!(store.consume(code.id).await.unwrap());
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
    // Two fail, then two more are under way.
    let (a, b, c, d, put) = tokio::join!(get(), get(), get(), get(), store.put(&code));
    for outcome in [a, b, c, d] {
        assert_unavailable(&outcome, start);
    }
    assert_unavailable(&put, start);
    assert!(format!("{put:?}").contains("no connection was free"));
    assert_nobody_waits(&other).await;
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

/// The connections of our stores in that database, each by the server's process for it.
fn connections(url: &str) -> Vec<String> {
    let ours = "datname = current_database() AND application_name = 'phone-auth'";
    let pids = format!("SELECT pid FROM pg_stat_activity WHERE {ours}");
    psql(url, &pids).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_slow_statement_costs_no_connection_but_its_own() {
    const SLOW: &str = "
        CREATE FUNCTION public.sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM pg_sleep(60);
            RETURN NEW;
        END $$;
        CREATE TRIGGER sleep BEFORE INSERT ON phone_auth.codes
            FOR EACH ROW EXECUTE FUNCTION public.sleep()";
    let (store, url) = fresh().await;
    let code = sample::phone_code();
    let get = || CodeStore::get(&*store, code.id);
    let (..) = tokio::join!(get(), get(), get(), get());
    psql(&url, SLOW);
    // Less the one that opened.
    until(async || connections(&url).len() == 4).await;
    let before = connections(&url);

    assert_unavailable(&store.put(&code).await, Instant::now());
    until(async || connections(&url).len() < before.len()).await;
    let (..) = tokio::join!(get(), get(), get());
    let after = connections(&url);
    let kept = after.iter().filter(|pid| before.contains(pid));
    assert_eq!(kept.count(), 3, "{before:?} {after:?}");
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
