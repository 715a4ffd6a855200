//! Where the three processes keep things, and what is there at the end.

use std::path::Path;
use std::time::Duration;

use servers::{Redis, RedisCluster, redis_cli};
use tests_support::stores::{Rooms, Store};

use crate::history::{Rows, SessionRow};

/// The default of `code.lifetime`.
const LIFETIME: Duration = Duration::from_secs(300);

/// Where users and sessions are.
enum Database {
    /// A file in the folder that the processes run in.
    Sqlite,
    /// A URL.
    Postgres(String),
}

/// The sessions in a Redis: a line each, as [`Stores::query`] gives them.
const SESSIONS_IN_REDIS: &str = "
    local rows = {}
    for n, key in ipairs(redis.call('KEYS', '*{sessions}:ses_*')) do
      local id, user, code, revoked_at =
        unpack(redis.call('HMGET', key, 'id', 'user_id', 'code_id', 'revoked_at'))
      rows[n] = table.concat({id, user, code, revoked_at and 0 or 1}, '|')
    end
    return rows";

/// A combination of stores.
pub(crate) struct Stores {
    pub(crate) settings: Vec<(String, String)>,
    /// How long codes live.
    pub(crate) lifetime: Duration,
    database: Database,
    has_codes: bool,
    /// The Redis with the sessions, if they are not in the database.
    sessions: Option<String>,
    /// Goes with its last user.
    _rooms: Option<Rooms>,
}

impl Stores {
    /// Everything in one file.
    pub(crate) fn sqlite() -> Self {
        Self {
            settings: Vec::new(),
            lifetime: LIFETIME,
            database: Database::Sqlite,
            has_codes: true,
            sessions: None,
            _rooms: None,
        }
    }

    /// Everything in a database of the server that tests share.
    pub(crate) fn shared_postgres() -> Self {
        let rooms = Rooms::new(Store::Postgres);
        let url = rooms.database().expect("a database").to_owned();
        Self {
            _rooms: Some(rooms),
            ..Self::postgres(&url)
        }
    }

    /// Everything in that database.
    pub(crate) fn postgres(url: &str) -> Self {
        let ports = ["codes", "rate_limits", "sessions", "users"];
        let on_postgres = |stores: Self, port| stores.set(&format!("stores.{port}"), "postgres");
        let stores = Self {
            database: Database::Postgres(url.to_owned()),
            ..Self::sqlite()
        };
        let stores = ports.into_iter().fold(stores, on_postgres);
        stores.set("postgres.url", url)
    }

    /// But codes and limits in that Redis.
    pub(crate) fn with_redis(self, redis: &Redis) -> Self {
        self.on_redis().set("redis.url", redis.url())
    }

    /// But codes, limits and sessions in that Redis.
    pub(crate) fn with_all_but_users_in(self, redis: &Redis) -> Self {
        self.with_redis(redis).with_sessions_at(redis.url())
    }

    /// But codes and limits in that Redis Cluster.
    pub(crate) fn with_cluster(self, cluster: &RedisCluster) -> Self {
        let urls = cluster.urls().join(",");
        self.on_redis().set("redis.cluster_urls", &urls)
    }

    /// But codes, limits and sessions in that Redis Cluster.
    pub(crate) fn with_all_but_users_in_cluster(self, cluster: &RedisCluster) -> Self {
        self.with_cluster(cluster)
            .with_sessions_at(&cluster.urls()[0])
    }

    fn with_sessions_at(mut self, url: &str) -> Self {
        self.sessions = Some(url.to_owned());
        self.set("stores.sessions", "redis")
    }

    fn on_redis(self) -> Self {
        let stores = Self {
            has_codes: false,
            ..self
        };
        let stores = stores.set("stores.codes", "redis");
        stores.set("stores.rate_limits", "redis")
    }

    /// With codes that expire in sight.
    pub(crate) fn short_lived(mut self) -> Self {
        self.lifetime = Duration::from_secs(2);
        self.set("code.lifetime", "2s")
    }

    /// With one more setting; a later one wins.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// What is kept, by processes that run in `folder`.
    pub(crate) fn rows(&self, folder: &Path) -> Rows {
        let query = |columns: &[&str], table| self.query(folder, columns, table);
        let users = query(&["id", "phone_index"], "users");
        let codes = |_| query(&["id", "send"], "codes");
        let sends = self.has_codes.then_some(()).map(codes);
        Rows {
            users: users
                .into_iter()
                .map(|[id, phone, ..]| (format!("usr_{id}"), phone))
                .collect(),
            sessions: self
                .sessions(folder)
                .into_iter()
                .map(|[id, user, code, live]| SessionRow {
                    id,
                    user,
                    code,
                    revoked: live == "0",
                })
                .collect(),
            sends: sends.map(|rows| {
                let counted = |[id, sends, ..]: [String; 4]| {
                    (format!("pc_{id}"), sends.parse().expect("a number"))
                };
                rows.into_iter().map(counted).collect()
            }),
        }
    }

    fn sessions(&self, folder: &Path) -> Vec<[String; 4]> {
        if let Some(url) = &self.sessions {
            let script = ["-c", "EVAL", SESSIONS_IN_REDIS, "1", "{sessions}"];
            let lines = redis_cli(url, &script);
            return lines.lines().map(fields).collect();
        }
        let columns = ["id", "user_id", "code_id", "revoked_at IS NULL"];
        let rows = self.query(folder, &columns, "sessions").into_iter();
        rows.map(|[id, user, code, live]| {
            [
                format!("ses_{id}"),
                format!("usr_{user}"),
                format!("pc_{code}"),
                live,
            ]
        })
        .collect()
    }

    /// Up to four columns of a table: bytes in hexadecimal, numbers and truths in decimal.
    fn query(&self, folder: &Path, columns: &[&str], table: &str) -> Vec<[String; 4]> {
        let text = |column: &&str| match (&self.database, *column) {
            (Database::Sqlite, "revoked_at IS NULL" | "send") => (*column).to_owned(),
            (Database::Postgres(_), "revoked_at IS NULL") => format!("({column})::int"),
            (Database::Postgres(_), "send") => (*column).to_owned(),
            (Database::Sqlite, _) => format!("lower(hex({column}))"),
            (Database::Postgres(_), _) => format!("encode({column}, 'hex')"),
        };
        let columns: Vec<_> = columns.iter().map(text).collect();
        let lines = match &self.database {
            Database::Sqlite => {
                let sql = format!("SELECT concat_ws('|', {}) FROM {table}", columns.join(", "));
                sqlite(&folder.join("data/phone-auth.db"), &sql)
            }
            Database::Postgres(url) => {
                let sql = format!("SELECT {} FROM phone_auth.{table}", columns.join(", "));
                let lines = servers::psql(url, &sql);
                lines.lines().map(str::to_owned).collect()
            }
        };
        lines.iter().map(|line| fields(line)).collect()
    }
}

fn fields(line: &str) -> [String; 4] {
    let mut fields = line.split('|').map(str::to_owned);
    std::array::from_fn(|_| fields.next().unwrap_or_default())
}

fn sqlite(file: &Path, sql: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(file).expect("a database");
    let mut statement = connection.prepare(sql).expect("a statement");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}
