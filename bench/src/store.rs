//! Where the product keeps what it has to remember, and the servers that this takes.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use servers::{Postgres, Redis, psql};

use crate::{Result, usage};

/// The product's own default, and the number of pgbench's clients.
pub(crate) const POOL: usize = 16;

/// What an installation stands on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    Sqlite,
    Postgres,
    /// Codes, limits and sessions in Redis, users in memory: what Redis costs, by itself.
    Redis,
    /// Codes and limits in Redis, sessions and users in PostgreSQL.
    RedisPostgres,
}

impl Store {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::RedisPostgres => "redis+postgres",
        }
    }

    /// The adapter of each port.
    pub(crate) const fn adapters(self) -> [(&'static str, &'static str); 4] {
        let [codes, limits, sessions, users] = match self {
            Self::Memory => ["memory"; 4],
            Self::Sqlite => ["sqlite"; 4],
            Self::Postgres => ["postgres"; 4],
            Self::Redis => ["redis", "redis", "redis", "memory"],
            Self::RedisPostgres => ["redis", "redis", "postgres", "postgres"],
        };
        [
            ("STORES__CODES", codes),
            ("STORES__RATE_LIMITS", limits),
            ("STORES__SESSIONS", sessions),
            ("STORES__USERS", users),
        ]
    }

    pub(crate) const fn uses_postgres(self) -> bool {
        matches!(self, Self::Postgres | Self::RedisPostgres)
    }

    pub(crate) const fn uses_redis(self) -> bool {
        matches!(self, Self::Redis | Self::RedisPostgres)
    }
}

/// A database server, and the process that its CPU time is asked of.
pub(crate) struct Started<T> {
    pub(crate) server: T,
    /// 0 if it does not tell, which is nobody's.
    process: u32,
}

/// PostgreSQL as it is installed: what it acknowledges is on disk. Ends with this process.
pub(crate) fn postgres() -> &'static Started<Postgres> {
    static STARTED: OnceLock<Started<Postgres>> = OnceLock::new();
    STARTED.get_or_init(|| {
        let server = Postgres::start_with(&["fsync = on"]);
        let folder = psql(server.url(), "SHOW data_directory");
        let file = fs::read_to_string(Path::new(&folder).join("postmaster.pid"));
        let line = file.unwrap_or_default().lines().next().map(str::to_owned);
        let process = line.and_then(|line| line.parse().ok()).unwrap_or(0);
        Started { server, process }
    })
}

/// Redis without files. Ends with this process.
pub(crate) fn redis() -> &'static Started<Redis> {
    static STARTED: OnceLock<Started<Redis>> = OnceLock::new();
    STARTED.get_or_init(|| {
        let server = Redis::start();
        let info = server.cli(&["INFO", "server"]);
        let mut lines = info.lines();
        let process = lines.find_map(|line| line.strip_prefix("process_id:")?.trim().parse().ok());
        Started {
            server,
            process: process.unwrap_or(0),
        }
    })
}

/// CPU time of all of PostgreSQL's processes.
pub(crate) fn postgres_cpu() -> Result<Duration> {
    usage::family_cpu(postgres().process)
}

/// CPU time of Redis.
pub(crate) fn redis_cpu() -> Result<Duration> {
    usage::cpu(redis().process)
}
