//! Opening the file: refuses what is not ours before it changes anything, then migrates.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};

use crate::row::is_busy;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// How long another process may hold the file while it opens it too.
const PATIENCE: Duration = Duration::from_millis(1500);
const POLL: Duration = Duration::from_millis(5);

/// Marks the file as ours in its header: "phon".
const APPLICATION_ID: i32 = 0x7068_6f6e;

/// 16 MiB of 4 KiB pages: pages that are written again and again reach the file once.
const CHECKPOINT_PAGES: u32 = 4096;

/// What the write-ahead log shrinks to, in bytes, if a long reader made it grow.
const LOG_LIMIT: u32 = 64 << 20;

/// Why the file cannot be used, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{} {fault}", path.display())]
pub struct OpenError {
    path: PathBuf,
    fault: Fault,
}

impl OpenError {
    pub(crate) fn new(path: &Path, fault: Fault) -> Self {
        Self {
            path: path.to_owned(),
            fault,
        }
    }

    /// What is wrong with it.
    pub fn into_fault(self) -> Fault {
        self.fault
    }
}

/// What is wrong with a file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The path leads to a folder.
    #[error("is a folder: set sqlite.path to a file in it")]
    Folder,
    /// The file is missing and cannot be made.
    #[error(
        "cannot be created ({0}): make its folder, and let this user write there, or change sqlite.path"
    )]
    Uncreatable(io::Error),
    /// The file or its folder is read-only.
    #[error("cannot be written: let this user write to the file and to its folder")]
    Unwritable,
    /// The file holds something else than a database.
    #[error("is not a database: move it away, or change sqlite.path")]
    NotADatabase,
    /// The file is a database, but not one of ours.
    #[error("is the database of another program: change sqlite.path")]
    Foreign,
    /// The file is a database with damaged pages.
    #[error("is damaged: restore a backup")]
    Damaged,
    /// A later version made its schema.
    #[error(
        "was written by a newer phone-auth (schema {found}, this one knows {known}): run that version or restore a backup"
    )]
    Newer {
        /// The file's schema.
        found: i32,
        /// The latest schema known here.
        known: i32,
    },
    /// The file system lets no processes share memory, as some network file systems do.
    #[error("lies on a file system that cannot share memory: put it on a local disk")]
    NoSharedMemory,
    /// Another process keeps the file to itself.
    #[error("is locked by another process: stop that one, or wait until it is done")]
    Locked,
    /// Anything else.
    #[error("cannot be opened: {0}")]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            _ if is_busy(&error) => Self::Locked,
            Some(ErrorCode::NotADatabase) => Self::NotADatabase,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged,
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Self::Unwritable
            }
            _ => Self::Other(error.into()),
        }
    }
}

impl From<refinery::Error> for Fault {
    fn from(error: refinery::Error) -> Self {
        match error.kind() {
            refinery::error::Kind::Connection(_, source)
                if source.downcast_ref().is_some_and(is_busy) =>
            {
                Self::Locked
            }
            _ => Self::Other(error.into()),
        }
    }
}

/// SQLite takes some paths for something else, `:memory:` for one, but no absolute ones.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    std::path::absolute(path).map_err(|error| OpenError::new(path, error.into()))
}

/// The writing connection to a file whose schema is the latest.
pub(crate) fn up_to_date(path: &Path) -> Result<Connection, OpenError> {
    create(path)
        .and_then(|()| patiently(|| open(path)))
        .map_err(|fault| OpenError::new(path, fault))
}

/// How many migrations the file lacks.
pub(crate) fn pending(path: &Path) -> Result<usize, OpenError> {
    if !path.try_exists().unwrap_or(true) {
        return Ok(lacking(0));
    }
    patiently(|| inspect(&connect(path)?))
        .map(lacking)
        .map_err(|fault| OpenError::new(path, fault))
}

/// The file belongs to its owner alone. It is not touched if it exists: to close it here would
/// drop the locks that this process may hold on it.
fn create(path: &Path) -> Result<(), Fault> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Fault::Uncreatable(error))
        }
        _ => Ok(()),
    }
}

/// Tries again while another process holds the file: several may start on it at once.
fn patiently<T>(attempt: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(Fault::Locked) if start.elapsed() < PATIENCE => thread::sleep(POLL),
            outcome => return outcome,
        }
    }
}

fn open(path: &Path) -> Result<Connection, Fault> {
    let mut conn = connect(path)?;
    let applied = inspect(&conn)?;
    configure(&conn)?;
    if lacking(applied) > 0 {
        migrate(&mut conn)?;
    }
    Ok(conn)
}

fn configure(conn: &Connection) -> Result<(), Fault> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    // Else a statement with a bound LIMIT is compiled again each time it runs.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(64);
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::NoSharedMemory);
    }
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    conn.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    Ok(())
}

/// A connection that leaves the file as it is, down to the byte, unless it is told to write.
fn connect(path: &Path) -> Result<Connection, Fault> {
    if fs::metadata(path)?.is_dir() {
        return Err(Fault::Folder);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    // Who waits for a lock does so here, and knows when nobody waits for him any more.
    conn.busy_timeout(Duration::ZERO)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(conn)
}

/// The version of the file's schema, 0 if it has none, once it is sure that the file is ours and
/// known here.
fn inspect(conn: &Connection) -> Result<i32, Fault> {
    let tables: u32 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if conn.is_readonly(MAIN_DB)? {
        return Err(Fault::Unwritable);
    }
    if tables == 0 {
        return Ok(0);
    }
    if conn.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0))?
        != APPLICATION_ID
    {
        return Err(Fault::Foreign);
    }
    let newest = "SELECT coalesce(max(version), 0) FROM refinery_schema_history";
    let found = conn.query_row(newest, [], |row| row.get(0))?;
    match known() {
        known if found > known => Err(Fault::Newer { found, known }),
        _ => Ok(found),
    }
}

/// Each migration and the record of it are one transaction, so when two processes migrate at once
/// one of them fails and finds the work done.
fn migrate(conn: &mut Connection) -> Result<(), Fault> {
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    match embedded::migrations::runner().set_grouped(true).run(conn) {
        Err(error) if lacking(inspect(conn)?) > 0 => Err(error.into()),
        _ => Ok(()),
    }
}

fn versions() -> impl Iterator<Item = i32> {
    let runner = embedded::migrations::runner();
    runner
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .collect::<Vec<_>>()
        .into_iter()
}

fn known() -> i32 {
    versions().max().unwrap_or_default()
}

fn lacking(applied: i32) -> usize {
    versions().filter(|version| *version > applied).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_waits_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let conn = up_to_date(&folder.path().join("a.db")).unwrap();
        let setting = |name| conn.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
        assert_eq!(setting("synchronous"), Ok(2), "2 is FULL");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        drop(up_to_date(&path).unwrap());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let conn = Connection::open_with_flags(&path, flags).unwrap();
        assert!(matches!(inspect(&conn), Err(Fault::Unwritable)));
    }

    #[test]
    fn a_path_is_always_that_of_a_file() {
        let path = absolute(Path::new(":memory:")).unwrap();
        assert!(path.is_absolute() && path.ends_with(":memory:"));
    }

    #[test]
    fn a_file_that_cannot_have_a_log_is_refused() {
        let conn = Connection::open_in_memory().unwrap();
        assert!(matches!(configure(&conn), Err(Fault::NoSharedMemory)));
    }
}
