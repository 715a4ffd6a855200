//! What stores keep, and what their servers were ever told.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use servers::{Postgres, Redis, pg_dump};
use tests_support::app::Store;
use tests_support::process::Installation;

/// Each statement with its parameters.
const TELL_ALL: &str = "log_statement = 'all'";

/// All keys and values in one file, and all that changed them in another, neither compressed.
const KEEP_ALL: [&str; 3] = ["appendonly yes", "rdbcompression no", "loglevel debug"];

/// A place, and what is found there.
type Found = (String, Vec<u8>);

/// Stores of one installation, on servers that tell everything.
pub(super) struct Kept {
    store: Store,
    postgres: Option<Postgres>,
    redis: Option<(Redis, TcpStream)>,
}

impl Kept {
    pub(super) fn on(store: Store) -> Self {
        let uses = |server| [store.of_codes(), store.of_users()].contains(&server);
        Self {
            store,
            postgres: uses("postgres").then(|| Postgres::start_with(&[TELL_ALL])),
            redis: uses("redis").then(|| {
                let redis = Redis::start_with(&KEEP_ALL);
                let told = monitor(&redis);
                (redis, told)
            }),
        }
    }

    /// An installation that keeps its rows here.
    pub(super) fn installation(&self) -> Installation {
        let mut installation = Installation::new().on(self.store);
        if let Some(postgres) = &self.postgres {
            installation = installation.set("postgres.url", postgres.url());
        }
        if let Some((redis, _)) = &self.redis {
            installation = installation.set("redis.url", redis.url());
        }
        installation
    }

    /// Everything that a thief of the stores could read. Ends Redis.
    pub(super) fn all(self, installation: &Installation) -> Vec<Found> {
        let mut found = Vec::new();
        if self.store == Store::Sqlite {
            found.extend(files(&installation.data(), "phone-auth.db"));
        }
        if let Some(postgres) = &self.postgres {
            let (dump, log) = (pg_dump(postgres.url()), postgres.log());
            assert!(dump.contains("COPY phone_auth.users"), "{dump}");
            assert!(log.contains("parameters: $1 = "), "{log}");
            found.push(("the dump of PostgreSQL".to_owned(), dump.into()));
            found.push(("the log of PostgreSQL".to_owned(), log.into()));
        }
        if let Some((redis, mut told)) = self.redis {
            redis.cli(&["SAVE"]);
            redis.stop();
            let mut commands = Vec::new();
            told.read_to_end(&mut commands).unwrap();
            assert!(commands.len() > 10_000, "{commands:?}");
            found.push(("the commands of Redis".to_owned(), commands));
            found.extend(files(redis.folder(), ""));
        }
        found
    }
}

/// Hears every command that Redis gets, until it ends.
fn monitor(redis: &Redis) -> TcpStream {
    let mut told = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    told.write_all(b"MONITOR\r\n").unwrap();
    let mut understood = [0; 5];
    told.read_exact(&mut understood).unwrap();
    assert_eq!(&understood, b"+OK\r\n");
    told
}

/// The files in a folder whose names begin so.
fn files(folder: &Path, name: &str) -> Vec<Found> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(name));
    let found = ours.flat_map(|entry| match entry.path() {
        folder if folder.is_dir() => files(&folder, ""),
        file => vec![(file.display().to_string(), fs::read(file).unwrap())],
    });
    found.collect()
}
