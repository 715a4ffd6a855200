//! A database that cannot be used is refused within 5 s, in one line that names the server, the
//! reason and the remedy, and never the password.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use adapter_postgres::{Fault, Postgres};
use conformance::sample;
use domain::ports::CodeStore;
use servers::psql;
use tokio_postgres::NoTls;

use crate::support::{own_server, settings, somebody, until};
use crate::wire::Wire;

const PASSWORD: &str = "Pa55-w0rd";

/// Tries to open it, and gives what it says.
pub(crate) async fn refusal(url: &str) -> (String, Fault) {
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
pub(crate) fn name(url: &str) -> &str {
    let name = url.rsplit_once('@').unwrap().1;
    name.split('?').next().unwrap()
}

/// The same database, as a user made for this and its password.
pub(crate) fn as_user(url: &str, user: &str) -> String {
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
