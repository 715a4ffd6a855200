//! What the black-box tests stand on: the real app on free ports with a clock that tests set, the
//! real binary as a process, a small HTTP client that can misbehave, and stores that fail when told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is an assertion"
)]

pub mod app;
pub mod clock;
pub mod faults;
pub mod http;
pub mod jwt;
pub mod process;
mod setup;
pub mod stores;

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How long anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until there is an answer; fails after [`PATIENCE`].
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> impl Future<Output = T> {
    let told = format!("{what}, asked for at {}", std::panic::Location::caller());
    async move {
        let asking = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(answer) => answer,
            Err(_) => panic!("never came: {told}"),
        }
    }
}

/// Lets this process have as many connections as the system allows: a thousand calls at once are
/// more than many shells do.
pub fn lift_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, most).expect("a process may use what it is allowed");
}

/// Makes each case, an `async fn(Store)`, a test of every store. A new store is one more line.
#[macro_export]
macro_rules! on_every_store {
    ($($case:ident),+ $(,)?) => {
        $crate::on_store!(memory, Memory, $($case),+);
        $crate::on_store!(sqlite, Sqlite, $($case),+);
        $crate::on_store!(postgres, Postgres, $($case),+);
        $crate::on_store!(redis, Redis, $($case),+);
        $crate::on_store!(redis_sqlite, RedisSqlite, $($case),+);
        $crate::on_store!(redis_postgres, RedisPostgres, $($case),+);
        $crate::on_store!(cluster_postgres, ClusterPostgres, $($case),+);
    };
}

/// The tests of one store.
#[macro_export]
macro_rules! on_store {
    ($module:ident, $store:ident, $($case:ident),+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case($crate::app::Store::$store).await;
                }
            )+
        }
    };
}
