//! Rows that this product did not write are an error, and the store goes on.

use conformance::sample;
use domain::ports::{CodeStore, Inserted, RateLimiter, SessionStore, StoreError, UserRepo};
use domain::rate_limit::Decision;
use servers::psql;

use crate::support::fresh;

fn is_corrupt<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Corrupt(_)))
}

#[tokio::test]
async fn a_spoiled_code_is_corrupt() {
    let (store, url) = fresh().await;
    let spoils = [
        "salt = '\\x00'",
        "phone_index = '\\x00'",
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
        psql(&url, "DELETE FROM phone_auth.codes");
        let code = sample::phone_code();
        assert!(store.put(&code).await.unwrap());
        psql(&url, &format!("UPDATE phone_auth.codes SET {spoil}"));
        let outcome = CodeStore::get(&*store, code.id).await;
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
    let (store, url) = fresh().await;
    let new = sample::new_user();
    assert!(store.find_or_create(&new).await.unwrap().1);
    psql(&url, "UPDATE phone_auth.users SET id = '\\x00'");
    let index = *new.user.phone.index();
    assert!(is_corrupt(
        &UserRepo::find_by_phone(&*store, &[index]).await
    ));
    assert!(is_corrupt(&store.find_or_create(&new).await));
}

#[tokio::test]
async fn a_spoiled_session_is_corrupt() {
    let (store, url) = fresh().await;
    let spoils = [
        "user_id = '\\x00'",
        "code_id = '\\x00'",
        "refresh = '\\x00'",
        "ends_at = -1",
        "revoked_at = -1",
    ];
    for spoil in spoils {
        psql(&url, "DELETE FROM phone_auth.sessions");
        let session = sample::session();
        assert_eq!(store.insert(&session, 20).await.unwrap(), Inserted::Stored);
        psql(&url, &format!("UPDATE phone_auth.sessions SET {spoil}"));
        let outcome = SessionStore::get(&*store, session.id).await;
        assert!(is_corrupt(&outcome), "{spoil}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_spoiled_counter_admits_nobody() {
    let (store, url) = fresh().await;
    let charges = [sample::charge(&[(5, 60)])];
    let granted = store.acquire(&charges, sample::NOW).await.unwrap();
    assert_eq!(granted, Decision::Granted);
    let hit = sample::NOW.as_millis();
    for spoil in [
        format!("{{{hit},NULL}}"),
        "{NULL,1}".into(),
        "{{1,2},{3,4}}".into(),
    ] {
        let update = format!("UPDATE phone_auth.counters SET hits = '{spoil}'");
        psql(&url, &update);
        let outcome = store.acquire(&charges, sample::NOW).await;
        assert!(is_corrupt(&outcome), "{spoil}: {outcome:?}");
    }
    store.clear(&[charges[0].key]).await.unwrap();
    let granted = store.acquire(&charges, sample::NOW).await.unwrap();
    assert_eq!(granted, Decision::Granted);
}

#[tokio::test]
async fn a_limit_that_decides_nothing_admits_nobody() {
    const SAYS_NOTHING: &str = "
        DROP FUNCTION phone_auth.acquire;
        CREATE FUNCTION phone_auth.acquire(
            bytea[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint
        ) RETURNS TABLE (refused bigint, wait bigint) LANGUAGE plpgsql AS 'BEGIN END'";
    let (store, url) = fresh().await;
    psql(&url, SAYS_NOTHING);
    let charges = [sample::charge(&[(5, 60)])];
    let outcome = store.acquire(&charges, sample::NOW).await;
    assert!(is_corrupt(&outcome), "{outcome:?}");
}

#[tokio::test]
async fn a_table_with_other_columns_is_corrupt() {
    let (store, url) = fresh().await;
    let code = sample::phone_code();
    assert!(store.put(&code).await.unwrap());
    psql(&url, "ALTER TABLE phone_auth.codes ADD note text");
    assert!(is_corrupt(&CodeStore::get(&*store, code.id).await));
}
