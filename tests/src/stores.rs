//! The combinations of stores that every test runs on, and a place of its own in each.

use servers::{Postgres, Redis, RedisCluster, psql};

/// Where an app keeps its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Everything in this process.
    Memory,
    /// Everything in one file.
    Sqlite,
    /// Everything in PostgreSQL.
    Postgres,
    /// Users in PostgreSQL, codes, limits and sessions in one Redis.
    Redis,
    /// Users and sessions in one file, codes and limits in one Redis.
    RedisSqlite,
    /// Users and sessions in PostgreSQL, codes and limits in one Redis.
    RedisPostgres,
    /// Users and sessions in PostgreSQL, codes and limits in a Redis Cluster.
    ClusterPostgres,
}

impl Store {
    /// What the configuration calls the store of users.
    pub const fn of_users(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite | Self::RedisSqlite => "sqlite",
            _ => "postgres",
        }
    }

    /// What the configuration calls the store of sessions.
    pub const fn of_sessions(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            other => other.of_users(),
        }
    }

    /// What the configuration calls the store of codes and limits.
    pub const fn of_codes(self) -> &'static str {
        match self {
            Self::RedisSqlite | Self::RedisPostgres | Self::ClusterPostgres => "redis",
            other => other.of_sessions(),
        }
    }

    /// Whether codes and limits that are over stay until they are swept: Redis forgets by itself,
    /// in its own time.
    pub fn sweeps_codes(self) -> bool {
        self.of_codes() != "redis"
    }

    /// The same of sessions.
    pub fn sweeps_sessions(self) -> bool {
        self.of_sessions() != "redis"
    }
}

/// A place of its own on each server that a combination needs.
pub struct Rooms {
    settings: Vec<(&'static str, String)>,
    database: Option<String>,
}

impl Rooms {
    /// On the servers of this test process.
    pub fn new(store: Store) -> Self {
        let mut rooms = Self {
            settings: vec![
                ("stores.codes", store.of_codes().to_owned()),
                ("stores.rate_limits", store.of_codes().to_owned()),
                ("stores.sessions", store.of_sessions().to_owned()),
                ("stores.users", store.of_users().to_owned()),
            ],
            database: None,
        };
        match store {
            Store::Memory | Store::Sqlite => {}
            Store::Postgres => rooms.add_database(),
            Store::RedisSqlite => rooms.add_redis(),
            Store::Redis | Store::RedisPostgres => {
                rooms.add_database();
                rooms.add_redis();
            }
            Store::ClusterPostgres => {
                rooms.add_database();
                let cluster = RedisCluster::shared();
                rooms.add("redis.cluster_urls", &cluster.urls().join(","));
                rooms.add("redis.prefix", &cluster.prefix());
            }
        }
        rooms
    }

    /// What to configure.
    pub fn settings(&self) -> &[(&'static str, String)] {
        &self.settings
    }

    /// The URL of its database, if it has one.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    fn add(&mut self, key: &'static str, value: &str) {
        self.settings.push((key, value.to_owned()));
    }

    fn add_redis(&mut self) {
        let redis = Redis::shared();
        self.add("redis.url", redis.url());
        self.add("redis.prefix", &redis.prefix());
    }

    fn add_database(&mut self) {
        let url = Postgres::shared().database();
        self.add("postgres.url", &url);
        self.database = Some(url);
    }
}

/// Hundreds of databases would fill a disk.
impl Drop for Rooms {
    fn drop(&mut self) {
        let name = self
            .database
            .as_deref()
            .and_then(|url| url.rsplit('/').next());
        if let Some(name) = name.filter(|_| !std::thread::panicking()) {
            let drop = format!("DROP DATABASE {name} WITH (FORCE)");
            psql(Postgres::shared().url(), &drop);
        }
    }
}
