//! A database that cannot be used is refused within 5 s, in one line that names the server, the
//! reason and the remedy, and never the password.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use adapter_postgres::{Fault, Postgres};
use conformance::sample;
use domain::ports::{CodeStore, Inserted, RateLimiter, SessionStore, UserRepo};
use domain::rate_limit::Decision;
use servers::psql;
use tokio_postgres::NoTls;

use crate::support::{WAITING, own_server, settings, somebody, until};
use crate::wire::Wire;

const PASSWORD: &str = "Pa55-w0rd";

/// Tries to open it, and gives what it says.
async fn refusal(url: &str) -> (String, Fault) {
    let settings = settings(url);
    let start = Instant::now();
    let error = Postgres::open(&settings)
        .await
        .err()
        .expect("it was opened");
    assert!(start.elapsed() < Duration::from_secs(5), "{error}");
    let (text, debug) = (error.to_string(), format!("{error:?} {settings:?}"));
    assert!(!text.contains('\n'), "{text}");
    assert!(
        !text.contains(PASSWORD) && !debug.contains(PASSWORD),
        "{text} {debug}"
    );
    (text, error.into_fault())
}

/// The server's name as it should be shown.
fn name(url: &str) -> &str {
    let name = url.rsplit_once('@').unwrap().1;
    name.split('?').next().unwrap()
}

/// The same database, as a user made for this and its password.
fn as_user(url: &str, user: &str) -> String {
    psql(
        url,
        &format!("CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'"),
    );
    format!("postgres://{user}:{PASSWORD}@{}", name(url))
}

#[tokio::test]
async fn a_url_that_cannot_be_read_is_not_shown() {
    let urls = [
        "",
        "localhost",
        &format!("mysql://a:{PASSWORD}@localhost/db"),
        &format!("postgres://a:{PASSWORD}@localhost:port/db"),
        &format!("postgres://a:{PASSWORD}@localhost/db?sslmode=perhaps"),
        &format!("postgres://a:{PASSWORD}@localhost/db?password"),
        &format!("postgres://a:{PASSWORD}@localhost/db?hostaddr=192.0.2.1"),
        &format!("postgres://a:x@{PASSWORD}@localhost/db"),
        &format!("postgres://a:{PASSWORD}@/db"),
        &format!("host=localhost password={PASSWORD}"),
    ];
    for url in urls {
        let (text, fault) = refusal(url).await;
        assert!(matches!(fault, Fault::Url), "{url}: {text}");
        assert!(text.starts_with("postgres.url is not"), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for server in [closed.to_string(), "nowhere.invalid:5432".to_owned()] {
        let (text, fault) = refusal(&format!("postgres://a:{PASSWORD}@{server}/db")).await;
        assert!(
            matches!(fault, Fault::Unreachable(_) | Fault::Silent),
            "{text}"
        );
        assert!(
            text.starts_with(&format!("{server}/db cannot be reached")),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap();
    let (text, fault) = refusal(&format!("postgres://a:{PASSWORD}@{server}/db")).await;
    assert!(matches!(fault, Fault::Silent), "{text}");
    assert!(
        text.starts_with(&format!("{server}/db did not answer")),
        "{text}"
    );
}

/// One is silent, one refuses, one takes no writes: each is passed over in the time there is.
#[tokio::test]
async fn of_several_hosts_the_one_that_takes_writes_is_used() {
    let url = own_server().database();
    let (address, database) = name(&url).split_once('/').unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let closed = servers::free_port();
    let standby = servers::Postgres::start();
    psql(standby.url(), &format!("CREATE DATABASE {database}"));
    let read_only = "SET default_transaction_read_only = on";
    psql(
        standby.url(),
        &format!("ALTER DATABASE {database} {read_only}"),
    );
    let standby = standby.port();
    let hosts = format!("{silent},127.0.0.1:{closed},127.0.0.1:{standby},{address}");

    let settings = settings(&url.replace(address, &hosts));
    let start = Instant::now();
    let store = Postgres::open(&settings).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    let code = sample::phone_code();
    assert!(
        store.put(&code).await.unwrap(),
        "in the time of an operation"
    );

    for hosts in [
        format!("127.0.0.1:{closed},127.0.0.1:{standby}"),
        format!("127.0.0.1:{standby},127.0.0.1:{closed}"),
    ] {
        let (text, fault) = refusal(&url.replace(address, &hosts)).await;
        assert!(matches!(fault, Fault::ReadOnly), "{text}");
        assert!(text.starts_with(&hosts), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let url = own_server().database();
    let unknown = format!("postgres://nobody:{PASSWORD}@{}", name(&url));
    let wrong = format!("postgres://phone_auth:{PASSWORD}@{}", name(&url));
    let none = format!("postgres://phone_auth@{}", name(&url));
    for login in [unknown, wrong, none] {
        let (text, fault) = refusal(&login).await;
        assert!(matches!(fault, Fault::Login(_)), "{text}");
        assert!(text.starts_with(name(&url)), "{text}");
    }
}

#[tokio::test]
async fn a_missing_database_is_refused() {
    let url = own_server().url().replace("/postgres", "/missing");
    let (text, fault) = refusal(&url).await;
    assert!(matches!(fault, Fault::NoDatabase), "{text}");
    assert!(
        text.starts_with(&format!("{} does not exist", name(&url))),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_with_too_many_connections_is_refused() {
    let url = own_server().database();
    let crowd = as_user(&url, "crowd");
    psql(&url, "ALTER ROLE crowd CONNECTION LIMIT 0");
    let (text, fault) = refusal(&crowd).await;
    assert!(matches!(fault, Fault::Full(_)), "{text}");
    for remedy in ["postgres.pool", "max_connections", "PgBouncer"] {
        assert!(text.contains(remedy), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_shuts_down_is_refused() {
    let server = servers::Postgres::start();
    // While somebody is connected it ends no sooner than they do.
    let other = somebody(server.url()).await;
    let pid = "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)";
    let pid = psql(server.url(), pid);
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.unwrap().success());
    until(async || tokio_postgres::connect(server.url(), NoTls).await.is_err()).await;
    let (text, fault) = refusal(server.url()).await;
    assert!(matches!(fault, Fault::NotReady(_)), "{text}");
    assert!(text.contains("shutting down"), "{text}");
    other.batch_execute("").await.unwrap();
}

#[tokio::test]
async fn a_server_older_than_13_is_refused() {
    let (wire, url) = Wire::to_new_database().await;
    wire.age(12);
    let (text, fault) = refusal(&url).await;
    assert!(matches!(fault, Fault::TooOld(12)), "{text}");
    let told = format!("{} runs PostgreSQL 12: upgrade it to 13", name(&url));
    assert!(text.starts_with(&told), "{text}");

    let (wire, url) = Wire::to_new_database().await;
    wire.age(13);
    Postgres::open(&settings(&url)).await.unwrap();
}

#[tokio::test]
async fn a_standby_is_refused() {
    let url = own_server().database();
    let database = name(&url).rsplit_once('/').unwrap().1;
    psql(
        &url,
        &format!("ALTER DATABASE {database} SET default_transaction_read_only = on"),
    );
    let (text, fault) = refusal(&url).await;
    assert!(matches!(fault, Fault::ReadOnly), "{text}");
}

#[tokio::test]
async fn another_isolation_of_transactions_is_refused() {
    let url = own_server().database();
    let database = name(&url).rsplit_once('/').unwrap().1;
    let set = "SET default_transaction_isolation = 'repeatable read'";
    psql(&url, &format!("ALTER DATABASE {database} {set}"));
    let (text, fault) = refusal(&url).await;
    assert!(matches!(fault, Fault::Isolation(_)), "{text}");
    assert!(text.contains("repeatable read"), "{text}");
}

#[tokio::test]
async fn another_encoding_of_text_is_refused() {
    let server = own_server().url();
    let create = "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0";
    psql(server, create);
    let (text, fault) = refusal(&server.replace("/postgres", "/ascii")).await;
    assert!(matches!(fault, Fault::Encoding(_)), "{text}");
    assert!(
        text.contains("SQL_ASCII") && text.contains("ENCODING 'UTF8'"),
        "{text}"
    );
}

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
