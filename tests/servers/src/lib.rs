//! Private servers for tests: PostgreSQL, PgBouncer, Redis (single, Cluster, Sentinel) and nginx.
//!
//! ```no_run
//! let postgres = servers::Postgres::shared();
//! let url = postgres.database(); // a new, empty one
//! let redis = servers::Redis::start(); // ends when dropped
//! ```
//!
//! Each listens on a free port of the loopback and keeps its files in a temporary folder. Nothing
//! outlives the test process, however that ends: see [`folder`]. The calls block, for milliseconds;
//! they fail by panicking, with the end of the server's log. Linux only, because of `/proc`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is an assertion"
)]

mod access;
mod certificate;
mod cluster;
pub mod folder;
mod nginx;
mod pgbouncer;
mod postgres;
mod redis;
mod sentinel;
mod server;

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

pub use cluster::RedisCluster;
pub use nginx::Nginx;
pub use pgbouncer::PgBouncer;
pub use postgres::{Postgres, pg_dump, psql};
pub use redis::{Redis, redis_cli};
pub use sentinel::RedisSentinel;
pub use server::free_port;

/// How long a server may take for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until there is an answer; none within [`PATIENCE`] is told with what `why` says.
#[track_caller]
fn until<T>(mut ask: impl FnMut() -> Option<T>, why: impl FnOnce() -> String) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{}", why());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A word that nobody else has.
fn unique() -> String {
    format!("t{:016x}", RandomState::new().hash_one(()))
}

/// The path of a program; looks where Debian keeps the servers, too.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let known = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(known)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| missing(name))
}

fn missing(name: &str) -> ! {
    panic!("{name} is missing; install it with: sh scripts/install-tools")
}

/// What a command writes; it has to succeed.
#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command.output().expect("a command that runs");
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.trim_end().to_owned()
}
