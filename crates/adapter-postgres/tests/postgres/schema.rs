//! The schema: made or completed by whoever may, used with no more rights than it takes, and
//! refused where something of it is missing.

use std::time::{Duration, Instant};

use adapter_postgres::{Fault, Postgres};
use conformance::sample;
use domain::ports::{CodeStore, Inserted, RateLimiter, SessionStore, UserRepo};
use domain::rate_limit::Decision;
use servers::psql;

use crate::opening::{as_user, name, refusal};
use crate::support::{WAITING, own_server, settings, somebody, until};

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let url = own_server().database();
    Postgres::migrate(&settings(&url)).await.unwrap();
    psql(
        &url,
        "INSERT INTO phone_auth.refinery_schema_history VALUES (999)",
    );
    let (text, fault) = refusal(&url).await;
    assert!(matches!(fault, Fault::Newer { found: 999, .. }), "{text}");
    assert!(Postgres::pending(&settings(&url)).await.is_err());
    assert!(Postgres::migrate(&settings(&url)).await.is_err());
}

#[tokio::test]
async fn a_database_lacks_all_migrations_until_they_are_applied() {
    let settings = settings(&own_server().database());
    let all = Postgres::pending(&settings).await.unwrap();
    assert!(all > 0);
    assert_eq!(Postgres::migrate(&settings).await.unwrap(), all);
    assert_eq!(Postgres::pending(&settings).await.unwrap(), 0);
    assert_eq!(Postgres::migrate(&settings).await.unwrap(), 0);
}

/// Here because another node is at it.
#[tokio::test]
async fn a_migration_that_takes_long_fails_a_start_and_not_the_command() {
    let url = own_server().database();
    let other = somebody(&url).await;
    let lock = "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('phone_auth.migrate', 0))";
    other.batch_execute(lock).await.unwrap();
    let settings = settings(&url);
    let start = Instant::now();
    let command = tokio::spawn(async move { Postgres::migrate(&settings).await });
    let (text, fault) = refusal(&url).await;
    assert!(matches!(fault, Fault::Unfinished), "{text}");
    assert!(text.contains("`phone-auth migrate`"), "{text}");

    // The start left nobody behind, and the command goes on.
    until(async || other.query_typed(WAITING, &[]).await.unwrap().len() == 1).await;
    until(async || start.elapsed() > Duration::from_secs(5)).await;
    other.batch_execute("ROLLBACK").await.unwrap();
    assert!(command.await.unwrap().unwrap() > 0);
}

#[tokio::test]
async fn a_schema_of_which_something_was_dropped_is_refused() {
    let url = own_server().database();
    Postgres::migrate(&settings(&url)).await.unwrap();
    let all = "SELECT format('TABLE %s', relname) FROM pg_class
        WHERE relnamespace = 'phone_auth'::regnamespace
          AND relkind IN ('r', 'v') AND relname !~ 'history'
        UNION ALL SELECT format('ROUTINE %s', proname) FROM pg_proc
        WHERE pronamespace = 'phone_auth'::regnamespace";
    let all = psql(&url, all);
    let owner = somebody(&url).await;
    let rename = async |kind: &str, from: &str, to: &str| {
        let rename = format!("ALTER {kind} phone_auth.\"{from}\" RENAME TO \"{to}\"");
        owner.batch_execute(&rename).await.unwrap();
    };
    for thing in all.lines() {
        let (kind, name) = thing.split_once(' ').unwrap();
        rename(kind, name, "gone").await;
        let (text, fault) = refusal(&url).await;
        assert!(matches!(fault, Fault::Incomplete(_)), "{thing}: {text}");
        let told = format!("lacks phone_auth.{name}, ");
        assert!(text.contains(&told) && text.contains("backup"), "{text}");
        rename(kind, "gone", name).await;
    }
    Postgres::open(&settings(&url)).await.unwrap();
}

/// From no rights at all to those that suffice, as the messages say.
#[tokio::test]
async fn a_user_needs_no_more_rights_than_the_messages_say() {
    let url = own_server().database();
    let limited = as_user(&url, "limited");
    let database = name(&url).rsplit_once('/').unwrap().1;
    psql(
        &url,
        &format!("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"),
    );
    let (text, fault) = refusal(&limited).await;
    assert!(matches!(fault, Fault::NoConnect(_)), "{text}");
    let told = [
        &format!("permission denied for database \"{database}\""),
        "GRANT CONNECT ON DATABASE",
    ];
    assert!(told.iter().all(|told| text.contains(told)), "{text}");
    psql(
        &url,
        &format!("GRANT CONNECT ON DATABASE {database} TO limited"),
    );

    let (text, fault) = refusal(&limited).await;
    assert!(matches!(fault, Fault::NotMigrated(_)), "{text}");
    assert!(text.contains("`phone-auth migrate`"), "{text}");

    Postgres::migrate(&settings(&url)).await.unwrap();
    let tables = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA phone_auth";
    let functions = "EXECUTE ON ALL FUNCTIONS IN SCHEMA phone_auth";
    // As hardened databases have it.
    psql(&url, &format!("REVOKE {functions} FROM PUBLIC"));
    let select = "SELECT ON ALL TABLES IN SCHEMA phone_auth";
    for (right, lacking) in [
        ("USAGE ON SCHEMA phone_auth", "permission denied for schema"),
        (select, "permission denied for table"),
        (tables, "no INSERT ON phone_auth."),
        (functions, "no EXECUTE ON phone_auth."),
    ] {
        let (text, fault) = refusal(&limited).await;
        assert!(matches!(fault, Fault::Forbidden(_)), "{right}: {text}");
        assert!(text.contains(lacking), "{right}: {text}");
        psql(&url, &format!("GRANT {right} TO limited"));
    }
    use_all(&Postgres::open(&settings(&limited)).await.unwrap()).await;
}

#[tokio::test]
async fn an_empty_schema_of_ones_own_is_enough() {
    let url = own_server().database();
    let owner = as_user(&url, "owner");
    psql(&url, "CREATE SCHEMA phone_auth AUTHORIZATION owner");
    use_all(&Postgres::open(&settings(&owner)).await.unwrap()).await;
}

/// Every kind of statement, and every function.
async fn use_all(store: &Postgres) {
    let (code, user, session) = (sample::phone_code(), sample::new_user(), sample::session());
    let charges = [sample::charge(&[(1, 60)])];
    assert!(store.put(&code).await.unwrap());
    assert!(store.consume(code.id).await.unwrap());
    assert!(store.find_or_create(&user).await.unwrap().1);
    assert!(store.delete(user.user.id).await.unwrap());
    assert_eq!(store.insert(&session, 20).await.unwrap(), Inserted::Stored);
    assert_eq!(
        store.revoke_all(session.user, sample::NOW).await.unwrap(),
        1
    );
    let granted = store.acquire(&charges, sample::NOW).await.unwrap();
    assert_eq!(granted, Decision::Granted);
    store.refund(&charges, sample::NOW).await.unwrap();
    store.clear(&[charges[0].key]).await.unwrap();
    assert_eq!(
        RateLimiter::sweep(store, sample::NOW, 100).await.unwrap(),
        0
    );
    CodeStore::health(store).await.unwrap();
}
