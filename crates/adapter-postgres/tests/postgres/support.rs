use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use adapter_postgres::{Postgres, Settings};
use domain::ports::StoreError;
use tokio_postgres::{Client, NoTls};

/// Who waits for a lock in this database. Not from `pg_stat_activity`, which says the same
/// throughout a transaction.
pub(crate) const WAITING: &str = "SELECT pid FROM pg_locks
      JOIN pg_database ON pg_database.oid = database AND datname = current_database()
    WHERE NOT granted";

pub(crate) fn settings(url: &str) -> Settings {
    Settings {
        url: url.to_owned(),
        pool: 8,
        ca_file: None,
    }
}

pub(crate) async fn open(url: &str) -> Arc<Postgres> {
    Arc::new(Postgres::open(&settings(url)).await.unwrap())
}

/// A store in an empty database of the shared server, and the URL of that.
pub(crate) async fn fresh() -> (Arc<Postgres>, String) {
    let url = servers::Postgres::shared().database();
    (open(&url).await, url)
}

/// A server that was started here, whatever server the laws are told to use.
pub(crate) fn own_server() -> &'static servers::Postgres {
    static SERVER: OnceLock<servers::Postgres> = OnceLock::new();
    SERVER.get_or_init(servers::Postgres::start)
}

/// Somebody else, connected to the same database.
pub(crate) async fn somebody(url: &str) -> Client {
    let (client, talk) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(talk);
    client
}

/// The store cannot answer, and says so in time.
#[track_caller]
pub(crate) fn assert_unavailable<T: Debug>(outcome: &Result<T, StoreError>, since: Instant) {
    assert!(
        matches!(outcome, Err(StoreError::Unavailable(_))),
        "{outcome:?}"
    );
    let took = since.elapsed();
    assert!(took < Duration::from_millis(1900), "{took:?}");
}

/// Asks until it is so.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < Duration::from_secs(10), "it never is");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
