//! TLS: always with the server's certificate and name checked.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use adapter_postgres::{Fault, Postgres, Settings};
use conformance::sample;
use domain::ports::CodeStore;
use servers::psql;

use crate::support::{own_server, settings, until};

fn server() -> &'static servers::Postgres {
    static SERVER: OnceLock<servers::Postgres> = OnceLock::new();
    SERVER.get_or_init(servers::Postgres::start_tls)
}

fn trusting(url: &str, ca: &servers::Postgres) -> Settings {
    Settings {
        ca_file: Some(ca.ca_file()),
        ..settings(url)
    }
}

fn required(url: &str) -> String {
    format!("{url}?sslmode=require")
}

async fn refusal(settings: &Settings) -> (String, Fault) {
    let error = Postgres::open(settings).await.err().expect("it was opened");
    (error.to_string(), error.into_fault())
}

#[tokio::test]
async fn a_server_with_a_trusted_certificate_is_used() {
    let url = server().database();
    for mode in ["require", "verify-full"] {
        let url = format!("{url}?sslmode={mode}");
        let store = Postgres::open(&trusting(&url, server())).await.unwrap();
        assert!(store.put(&sample::phone_code()).await.unwrap());
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let url = required(&server().database());
    let (text, fault) = refusal(&settings(&url)).await;
    assert!(matches!(fault, Fault::Tls(_)), "{text}");
    assert!(
        text.contains("UnknownIssuer") && text.contains("postgres.ca_file"),
        "{text}"
    );

    let other = servers::Postgres::start_tls();
    let (text, fault) = refusal(&trusting(&url, &other)).await;
    assert!(matches!(fault, Fault::Tls(_)), "{text}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    // Its certificate is for `localhost` and 127.0.0.1.
    let url = required(&server().database()).replace("127.0.0.1", "[::ffff:127.0.0.1]");
    let (text, fault) = refusal(&trusting(&url, server())).await;
    assert!(matches!(fault, Fault::Tls(_)), "{text}");
    assert!(text.contains("not valid for name"), "{text}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_required() {
    let url = required(&own_server().database());
    let (text, fault) = refusal(&settings(&url)).await;
    assert!(matches!(fault, Fault::Tls(_)), "{text}");
    assert!(text.contains("server does not support TLS"), "{text}");
}

#[tokio::test]
async fn a_server_that_lets_in_over_tls_only_is_refused_without() {
    let (text, fault) = refusal(&trusting(&server().database(), server())).await;
    assert!(matches!(fault, Fault::Unlisted(_)), "{text}");
    for told in ["no encryption", "pg_hba.conf", "?sslmode=require"] {
        assert!(text.contains(told), "{text}");
    }
}

#[tokio::test]
async fn a_file_without_authorities_is_refused() {
    let url = required(&server().database());
    for file in ["/nonexistent/ca.pem", "/dev/null"] {
        let missing = Settings {
            ca_file: Some(file.into()),
            ..settings(&url)
        };
        let (text, fault) = refusal(&missing).await;
        assert!(matches!(fault, Fault::CaFile { .. }), "{text}");
        assert!(
            text.contains(file) && text.contains("postgres.ca_file"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_statement_that_was_given_up_is_ended_over_tls_too() {
    const LOCK: &str = "LOCK TABLE phone_auth.codes; SELECT pg_sleep(3)";
    const LOCKED: &str = "SELECT count(*) FROM pg_locks
          JOIN pg_database ON pg_database.oid = database AND datname = current_database()
        WHERE mode = 'AccessExclusiveLock' AND granted";
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let url = server().database();
    let store = Postgres::open(&trusting(&required(&url), server()))
        .await
        .unwrap();
    let locked = url.clone();
    let other = tokio::task::spawn_blocking(move || psql(&locked, LOCK));
    until(async || psql(&url, LOCKED) != "0").await;
    let code = sample::phone_code();
    let start = tokio::select! {
        outcome = store.put(&code) => panic!("it did not wait: {outcome:?}"),
        () = until(async || psql(&url, WAITING) == "1") => Instant::now(),
    };
    until(async || psql(&url, WAITING) == "0").await;
    let waited = start.elapsed();
    assert!(
        waited < Duration::from_millis(800),
        "it gave up by itself: {waited:?}"
    );
    other.await.unwrap();
    assert_eq!(store.get(code.id).await.unwrap(), None);
}
