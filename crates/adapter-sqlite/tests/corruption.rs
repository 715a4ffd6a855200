//! Rows that this product did not write are an error, and the store goes on.
#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use adapter_sqlite::Sqlite;
use conformance::sample;
use domain::ports::{CodeStore, Inserted, RateLimiter, SessionStore, StoreError, UserRepo};
use domain::rate_limit::Decision;
use rusqlite::Connection;
use tempfile::{TempDir, tempdir};

struct Spoiled {
    store: Sqlite,
    other: Connection,
    _folder: TempDir,
}

fn open() -> Spoiled {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = Sqlite::open(&path).unwrap();
    Spoiled {
        store,
        other: Connection::open(path).unwrap(),
        _folder: folder,
    }
}

fn is_corrupt<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Corrupt(_)))
}

#[tokio::test]
async fn a_spoiled_code_is_corrupt() {
    let Spoiled {
        store,
        other,
        _folder,
    } = open();
    let spoils = [
        "salt = x'00'",
        "phone_index = x'00'",
        "key_id = -1",
        "length = 11",
        "locale = 'xx'",
        "expires_at = -1",
        "tries = 256",
        "attempts = 256",
        "status = 'lost'",
        "queued_at = -1",
    ];
    for spoil in spoils {
        let code = sample::phone_code();
        assert!(store.put(&code).await.unwrap());
        other
            .execute(
                &format!("UPDATE codes SET {spoil} WHERE id = ?1"),
                [code.id.as_bytes()],
            )
            .unwrap();
        let outcome = CodeStore::get(&store, code.id).await;
        assert!(is_corrupt(&outcome), "{spoil}: {outcome:?}");
        // One attempt more than a byte holds becomes 255, which is a count again.
        let outcome = store.begin_attempt(code.id).await;
        assert!(
            is_corrupt(&outcome) || spoil.starts_with("attempts"),
            "{spoil}: {outcome:?}"
        );
    }
    assert!(store.put(&sample::phone_code()).await.unwrap());
}

#[tokio::test]
async fn a_spoiled_user_is_corrupt() {
    let Spoiled {
        store,
        other,
        _folder,
    } = open();
    let new = sample::new_user();
    assert!(store.find_or_create(&new).await.unwrap().1);
    other.execute("UPDATE users SET id = x'00'", []).unwrap();
    assert!(is_corrupt(
        &UserRepo::find_by_phone(&store, &[*new.user.phone.index()]).await
    ));
    assert!(is_corrupt(&store.find_or_create(&new).await));
}

#[tokio::test]
async fn a_spoiled_session_is_corrupt() {
    let Spoiled {
        store,
        other,
        _folder,
    } = open();
    let spoils = [
        "user_id = x'00'",
        "code_id = randomblob(15)",
        "refresh = x'00'",
        "ends_at = -1",
        "revoked_at = -1",
        "user_agent = CAST(x'ff' AS TEXT)",
        "address = 'here'",
    ];
    for spoil in spoils {
        let session = sample::session();
        assert_eq!(store.insert(&session, 20).await.unwrap(), Inserted::Stored);
        let update = format!("UPDATE sessions SET {spoil} WHERE id = ?1");
        other.execute(&update, [session.id.as_bytes()]).unwrap();
        let outcome = SessionStore::get(&store, session.id).await;
        assert!(is_corrupt(&outcome), "{spoil}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_spoiled_counter_admits_nobody() {
    let Spoiled {
        store,
        other,
        _folder,
    } = open();
    let charges = [sample::charge(&[(5, 60)])];
    assert_eq!(
        store.acquire(&charges, sample::NOW).await.unwrap(),
        Decision::Granted
    );
    other
        .execute("UPDATE counters SET hits = x'00'", [])
        .unwrap();
    assert!(is_corrupt(&store.acquire(&charges, sample::NOW).await));
    assert!(is_corrupt(&store.refund(&charges, sample::NOW).await));
    store.clear(&[charges[0].key]).await.unwrap();
    assert_eq!(
        store.acquire(&charges, sample::NOW).await.unwrap(),
        Decision::Granted
    );
}
