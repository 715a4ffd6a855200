//! What was acknowledged is on disk.
#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use adapter_sqlite::Sqlite;
use conformance::sample;
use domain::id::{PhoneCodeId, SessionId};
use domain::ports::{CodeStore, Inserted, SessionStore, UserRepo};
use tempfile::tempdir;

const FILE: &str = "PHONE_AUTH_TEST_FILE";
const THIS: &str = "a_killed_process_loses_nothing_that_it_acknowledged";

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.db");
    let (code, user, session) = (sample::phone_code(), sample::new_user(), sample::session());
    let store = Sqlite::open(&path).unwrap();
    assert!(store.put(&code).await.unwrap());
    assert!(store.find_or_create(&user).await.unwrap().1);
    assert_eq!(store.insert(&session, 20).await.unwrap(), Inserted::Stored);
    drop(store);

    let store = Sqlite::open(&path).unwrap();
    assert_eq!(CodeStore::get(&store, code.id).await.unwrap(), Some(code));
    assert_eq!(store.find(user.user.id).await.unwrap(), Some(user.user));
    assert_eq!(
        SessionStore::get(&store, session.id).await.unwrap(),
        Some(session)
    );
}

#[tokio::test]
async fn closing_moves_the_log_into_the_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = Sqlite::open(&path).unwrap();
    let code = sample::phone_code();
    assert!(store.put(&code).await.unwrap());
    assert!(CodeStore::get(&store, code.id).await.unwrap().is_some());
    drop(store);
    assert_eq!(files(folder.path()), ["a.db"]);
}

fn files(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Runs itself as another process, kills that while it writes, and looks for what it reported:
/// several times on one file, so that each also starts on what a killed one left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    if let Some(path) = env::var_os(FILE) {
        return write_until_killed(path.into()).await;
    }
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut acknowledged = BTreeSet::new();
    for round in 1..=3 {
        acknowledged.extend(reports_until_killed(&path, 300));
        assert!(acknowledged.len() >= 300 * round);
        let store = Sqlite::open(&path).unwrap();
        for report in &acknowledged {
            assert!(is_there(&store, report).await, "{report} was lost");
        }
    }
}

fn reports_until_killed(path: &Path, enough: usize) -> Vec<String> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", THIS, "--nocapture"])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let is_report = |line: &String| line.starts_with("pc_") || line.starts_with("ses_");
    let mut reports: Vec<_> = lines.by_ref().filter(is_report).take(enough).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    reports.extend(lines.filter(is_report));
    reports
}

async fn write_until_killed(path: PathBuf) {
    let store = Arc::new(Sqlite::open(path).unwrap());
    let writers: Vec<_> = (0..32)
        .map(|_| tokio::spawn(write_forever(store.clone())))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn write_forever(store: Arc<Sqlite>) {
    loop {
        let (code, session) = (sample::phone_code(), sample::session());
        assert!(store.put(&code).await.unwrap());
        assert!(store.consume(code.id).await.unwrap());
        report(&code.id.to_string());
        assert_eq!(store.insert(&session, 20).await.unwrap(), Inserted::Stored);
        assert!(store.revoke(session.id, sample::NOW).await.unwrap());
        report(&session.id.to_string());
    }
}

fn report(id: &str) {
    stdout().write_all(format!("{id}\n").as_bytes()).unwrap();
}

async fn is_there(store: &Sqlite, report: &str) -> bool {
    if let Ok(id) = report.parse::<PhoneCodeId>() {
        return CodeStore::get(store, id)
            .await
            .unwrap()
            .is_some_and(|code| code.consumed);
    }
    let id: SessionId = report.parse().unwrap();
    let session = SessionStore::get(store, id).await.unwrap();
    session.is_some_and(|session| session.revoked_at.is_some())
}
