//! Where the three processes keep things, and what is there at the end.

use std::path::Path;

use crate::history::{Rows, SessionRow};

/// Where users and sessions are.
enum Database {
    /// A file in the folder that the processes run in.
    Sqlite,
    /// A URL.
    Postgres(String),
}

/// A combination of stores.
pub(crate) struct Stores {
    pub(crate) settings: Vec<(&'static str, String)>,
    database: Database,
    has_codes: bool,
}

impl Stores {
    /// Everything in one file.
    pub(crate) fn sqlite() -> Self {
        Self {
            settings: Vec::new(),
            database: Database::Sqlite,
            has_codes: true,
        }
    }

    /// Everything in a database of that server.
    pub(crate) fn postgres(server: &servers::Postgres) -> Self {
        let url = server.database();
        let ports = [
            "stores.codes",
            "stores.rate_limits",
            "stores.sessions",
            "stores.users",
        ];
        let mut settings: Vec<_> = ports.map(|port| (port, "postgres".to_owned())).into();
        settings.push(("postgres.url", url.clone()));
        Self {
            settings,
            database: Database::Postgres(url),
            has_codes: true,
        }
    }

    /// Users and sessions in a database of that server, codes and limits in Redis.
    pub(crate) fn redis_and_postgres(redis: &servers::Redis, server: &servers::Postgres) -> Self {
        Self::postgres(server).with_redis("redis.url", redis.url().to_owned())
    }

    /// Users and sessions in a database of that server, codes and limits in a Redis Cluster.
    pub(crate) fn cluster_and_postgres(
        cluster: &servers::RedisCluster,
        server: &servers::Postgres,
    ) -> Self {
        Self::postgres(server).with_redis("redis.cluster_urls", cluster.urls().join(","))
    }

    fn with_redis(mut self, key: &'static str, value: String) -> Self {
        let moved = ["stores.codes", "stores.rate_limits"];
        self.settings
            .extend(moved.map(|port| (port, "redis".to_owned())));
        self.settings.push((key, value));
        self.has_codes = false;
        self
    }

    /// With one more setting.
    pub(crate) fn set(mut self, key: &'static str, value: &str) -> Self {
        self.settings.push((key, value.to_owned()));
        self
    }

    /// Whether all of it is in PostgreSQL.
    pub(crate) fn has_codes(&self) -> bool {
        self.has_codes
    }

    /// What is kept, by processes that run in `folder`.
    pub(crate) fn rows(&self, folder: &Path) -> Rows {
        let query = |columns: &[&str], table| self.query(folder, columns, table);
        let users = query(&["id", "phone_index"], "users");
        let sessions = query(
            &["id", "user_id", "code_id", "revoked_at IS NULL"],
            "sessions",
        );
        let codes = |_| query(&["id", "send"], "codes");
        let sends = self.has_codes.then_some(()).map(codes);
        Rows {
            users: users
                .into_iter()
                .map(|[id, phone, ..]| (format!("usr_{id}"), phone))
                .collect(),
            sessions: sessions
                .into_iter()
                .map(|[id, user, code, live]| SessionRow {
                    id: format!("ses_{id}"),
                    user: format!("usr_{user}"),
                    code: format!("pc_{code}"),
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
