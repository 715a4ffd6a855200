//! What processes of the product share: a folder, settings, databases.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::proxy::Lines;
use crate::store::{POOL, Store, postgres, redis};

/// One installation, new and empty.
pub(crate) struct Installation {
    folder: TempDir,
    settings: Vec<(&'static str, String)>,
    /// The URL of its PostgreSQL database, if it has one.
    pub(crate) database: Option<String>,
}

impl Installation {
    /// As configured by default, but for limits high enough to count everything and refuse
    /// nothing.
    pub(crate) fn on(store: Store) -> Result<Self> {
        let mut installation = Self {
            folder: data_dir()?,
            settings: settings(store),
            database: None,
        };
        if store.uses_postgres() {
            let url = postgres().server.database();
            installation.database = Some(url.clone());
            installation = installation
                .with("POSTGRES__URL", url)
                .with("POSTGRES__POOL", POOL.to_string());
        }
        if store.uses_redis() {
            installation = installation
                .with("REDIS__URL", redis().server.url().to_owned())
                .with("REDIS__PREFIX", redis().server.prefix());
        }
        Ok(installation)
    }

    /// Reaching its databases over these lines.
    pub(crate) fn over(mut self, lines: &Lines) -> Self {
        let detours = [
            ("POSTGRES__URL", &lines.postgres, postgres().server.port()),
            ("REDIS__URL", &lines.redis, redis().server.port()),
        ];
        for (key, line, port) in detours {
            let url = self.settings.iter_mut().find(|(known, _)| *known == key);
            if let (Some((_, url)), Some(line)) = (url, line) {
                *url = url.replace(&format!("127.0.0.1:{port}"), &line.address.to_string());
            }
        }
        self
    }

    /// With one more setting; a later one wins.
    pub(crate) fn with(mut self, key: &'static str, value: String) -> Self {
        self.settings.push((key, value));
        self
    }

    /// The working directory of its processes.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A call of the product.
    pub(crate) fn command(&self, subcommand: &str) -> Result<Command> {
        let mut command = Command::new(product_binary()?);
        command.arg(subcommand).current_dir(self.folder.path());
        for (key, value) in &self.settings {
            command.env(format!("PHONE_AUTH__{key}"), value);
        }
        Ok(command)
    }
}

fn settings(store: Store) -> Vec<(&'static str, String)> {
    const LIMITS: [&str; 5] = [
        "LIMITS__SENDS_PER_ADDRESS",
        "LIMITS__SENDS_PER_PREFIX",
        "LIMITS__SENDS_PER_COUNTRY",
        "LIMITS__SENDS_OVERALL",
        "LIMITS__FAILURES_PER_ADDRESS",
    ];
    let others = [
        ("TOKENS__ACCESS_LIFETIME", "1h".to_owned()),
        // Room for a whole round, if the client takes the cores that would send its messages.
        ("SMS__QUEUE", "100000".to_owned()),
    ];
    let stores = store.adapters().map(|(key, name)| (key, name.to_owned()));
    let limits = LIMITS.map(|key| (key, "1000000000/1h".to_owned()));
    others.into_iter().chain(stores).chain(limits).collect()
}

fn product_binary() -> Result<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("phone-auth");
    if binary.exists() {
        return Ok(binary);
    }
    Err(format!(
        "{} is not built: run `cargo build --release` first",
        binary.display()
    )
    .into())
}

/// Beside the binary: on a disk, where the system's folder for temporary files may be memory.
pub(crate) fn data_folder() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    Ok(exe.parent().ok_or("a binary without a folder")?.to_owned())
}

/// A new folder on that disk.
pub(crate) fn data_dir() -> Result<TempDir> {
    Ok(tempfile::tempdir_in(data_folder()?)?)
}

/// How long the disk under the data folders takes to keep a 4 KiB page: the median of many.
pub(crate) fn sync_time() -> Result<Duration> {
    let dir = data_dir()?;
    let mut file = File::create(dir.path().join("page"))?;
    let mut times = Vec::new();
    for _ in 0..100 {
        let begun = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}
