//! A file that cannot be used is refused in one line, and stays as it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test an unwrap is an assertion"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use adapter_sqlite::{Fault, Sqlite};
use rusqlite::Connection;
use tempfile::tempdir;

fn refusal(path: &Path) -> (String, Fault) {
    let error = Sqlite::open(path).err().expect("the file was opened");
    let text = error.to_string();
    assert!(text.starts_with(&path.display().to_string()), "{text}");
    assert!(!text.contains('\n'), "{text}");
    (text, error.into_fault())
}

#[test]
fn a_new_file_belongs_to_its_owner_alone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.db");
    let _store = Sqlite::open(&path).unwrap();
    for file in fs::read_dir(&folder).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_folder_that_does_not_take_files_is_named() {
    let path = Path::new("/proc/phone-auth.db");
    let (text, fault) = refusal(path);
    assert!(matches!(fault, Fault::Uncreatable(_)), "{text}");
    assert!(Sqlite::migrate(path).is_err());
    assert!(!path.exists());
}

#[test]
fn a_folder_in_place_of_the_file_is_refused() {
    let folder = tempdir().unwrap();
    let (text, fault) = refusal(folder.path());
    assert!(matches!(fault, Fault::Folder), "{text}");
    assert!(Sqlite::pending(&folder).is_err());
}

#[test]
fn a_file_that_is_no_database_stays_as_it_is() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let notes = "not a database, ".repeat(1000);
    fs::write(&path, &notes).unwrap();
    let (text, fault) = refusal(&path);
    assert!(matches!(fault, Fault::NotADatabase), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), notes);
}

#[test]
fn the_database_of_another_program_stays_as_it_is() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    let before = fs::read(&path).unwrap();
    let (text, fault) = refusal(&path);
    assert!(matches!(fault, Fault::Foreign), "{text}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_newer_schema_is_refused_and_the_file_stays_as_it_is() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("newer.db");
    drop(Sqlite::open(&path).unwrap());
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "INSERT INTO refinery_schema_history VALUES (999, 'later', '2100-01-01T00:00:00Z', '1')",
        )
        .unwrap();
    let before = fs::read(&path).unwrap();
    let (text, fault) = refusal(&path);
    assert!(matches!(fault, Fault::Newer { found: 999, .. }));
    assert!(text.ends_with(
        "was written by a newer phone-auth (schema 999, this one knows 1): \
         run that version or restore a backup"
    ));
    assert!(Sqlite::pending(&path).is_err());
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_crashed_newer_version_finds_its_log_as_it_left_it() {
    let folder = tempdir().unwrap();
    let (path, copy) = (
        folder.path().join("newer.db"),
        folder.path().join("copy.db"),
    );
    drop(Sqlite::open(&path).unwrap());
    let running = Connection::open(&path).unwrap();
    running
        .execute_batch(
            "INSERT INTO refinery_schema_history VALUES (999, 'later', '2100-01-01T00:00:00Z', '1')",
        )
        .unwrap();
    let log = |path: &Path| path.with_extension("db-wal");
    fs::copy(&path, &copy).unwrap();
    fs::copy(log(&path), log(&copy)).unwrap();
    let before = (fs::read(&copy).unwrap(), fs::read(log(&copy)).unwrap());
    let (text, fault) = refusal(&copy);
    assert!(matches!(fault, Fault::Newer { found: 999, .. }), "{text}");
    assert_eq!(
        (fs::read(&copy).unwrap(), fs::read(log(&copy)).unwrap()),
        before
    );
}

#[test]
fn a_file_that_somebody_keeps_to_himself_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("kept.db");
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("BEGIN EXCLUSIVE; CREATE TABLE t (x)")
        .unwrap();
    let (text, fault) = refusal(&path);
    assert!(matches!(fault, Fault::Locked), "{text}");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(Sqlite::open(&path).is_ok());
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("damaged.db");
    drop(Sqlite::open(&path).unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..4096].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let (text, fault) = refusal(&path);
    assert!(matches!(fault, Fault::Damaged), "{text}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_file_lacks_all_migrations_until_they_are_applied() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.db");
    let all = Sqlite::pending(&path).unwrap();
    assert!(all > 0);
    assert!(!path.exists());
    assert_eq!(Sqlite::migrate(&path).unwrap(), all);
    assert_eq!(Sqlite::pending(&path).unwrap(), 0);
    assert_eq!(Sqlite::migrate(&path).unwrap(), 0);
}

#[test]
fn many_that_start_on_a_new_file_at_once_all_open_it() {
    for _ in 0..20 {
        let folder = tempdir().unwrap();
        let path = folder.path().join("a.db");
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    Sqlite::open(&path).unwrap()
                });
            }
        });
        assert_eq!(Sqlite::pending(&path).unwrap(), 0);
    }
}
