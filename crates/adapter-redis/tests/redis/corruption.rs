//! Keys of ours that hold what we did not write: an error for the operator, not an answer.

use std::slice::from_ref;

use adapter_redis::{Redis, Servers};
use conformance::sample::{self, NOW, charge};
use domain::code::PhoneCode;
use domain::ports::{CodeStore, RateLimiter, SessionStore, StoreError};
use domain::session::UserSession;

use crate::{open, settings};

/// The stores, and how to spoil what they hold.
async fn spoilt() -> (Redis, impl Fn(&[&str])) {
    let server = servers::Redis::shared();
    let prefix = server.prefix();
    let servers = Servers::Single(server.url().to_owned());
    let redis = open(&settings(servers, prefix.clone())).await;
    let spoil = move |command: &[&str]| {
        let mut command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        command[1].insert_str(0, &prefix);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let answer = server.cli(&command);
        assert!(!answer.contains("ERR"), "{answer}");
    };
    (redis, spoil)
}

#[track_caller]
fn assert_corrupt<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
}

async fn assert_code_corrupt(redis: &Redis, code: &PhoneCode) {
    assert_corrupt(CodeStore::get(redis, code.id).await);
    assert_corrupt(redis.begin_attempt(code.id).await);
    assert_corrupt(redis.find_by_phone(&[*code.phone.index()]).await);
}

#[tokio::test]
async fn a_code_with_a_field_that_is_wrong_or_missing_is_corrupt() {
    let (redis, spoil) = spoilt().await;
    for (field, value) in [
        ("id", "usr_00"),
        ("phone_index", "short"),
        ("key_id", "-1"),
        ("salt", "short"),
        ("length", "5"),
        ("locale", "xx"),
        ("created_at", "yesterday"),
        ("expires_at", ""),
        ("tries", "256"),
        ("attempts", "many"),
        ("attempts", "1.5"),
        ("consumed", "yes"),
        ("send", "0.5"),
        ("status", "lost"),
        ("queued_at", "1e9"),
    ] {
        let (code, gap) = (sample::phone_code(), sample::phone_code());
        for code in [&code, &gap] {
            assert!(redis.put(code).await.unwrap());
        }
        spoil(&["HSET", &format!("{{codes}}:{}", code.id), field, value]);
        assert_code_corrupt(&redis, &code).await;
        spoil(&["HDEL", &format!("{{codes}}:{}", gap.id), field]);
        assert_code_corrupt(&redis, &gap).await;
    }
}

#[tokio::test]
async fn a_code_that_is_no_hash_is_corrupt() {
    let (redis, spoil) = spoilt().await;
    let code = sample::phone_code();
    assert!(redis.put(&code).await.unwrap());
    spoil(&["SET", &format!("{{codes}}:{}", code.id), "garbage"]);
    assert_code_corrupt(&redis, &code).await;
    assert_corrupt(redis.release_attempt(code.id).await);
    assert_corrupt(redis.consume(code.id).await);
    assert_corrupt(redis.set_delivery(code.id, code.delivery).await);
}

#[tokio::test]
async fn a_counter_that_is_none_is_corrupt_and_admits_nothing() {
    let (redis, spoil) = spoilt().await;
    for garbage in [
        ["SADD", "garbage", ""],
        ["ZADD", "1", "garbage"],
        ["ZADD", "1", "1:x"],
    ] {
        let charges = [charge(&[(9, 60)]), charge(&[(9, 60)])];
        let hex: String = charges[1]
            .key
            .as_bytes()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let [command, one, two] = garbage;
        spoil(&[command, &format!("{{rate_limits}}:{hex}"), one, two]);
        assert_corrupt(redis.acquire(&charges, NOW).await);
        let full = domain::rate_limit::Charge {
            cost: 9,
            ..charges[0].clone()
        };
        let first = redis.acquire(from_ref(&full), NOW).await.unwrap();
        assert_eq!(
            first,
            domain::rate_limit::Decision::Granted,
            "half of it was counted"
        );
    }
}

async fn assert_session_corrupt(redis: &Redis, session: &UserSession) {
    assert_corrupt(SessionStore::get(redis, session.id).await);
    assert_corrupt(redis.list(session.user, NOW).await);
}

#[tokio::test]
async fn a_session_with_a_field_that_is_wrong_or_missing_is_corrupt() {
    let (redis, spoil) = spoilt().await;
    for (field, value) in [
        ("id", "ses_"),
        ("user_id", "pc_00"),
        ("code_id", ""),
        ("created_at", "-1"),
        ("last_seen_at", "x"),
        ("expires_at", "x"),
        ("ends_at", "x"),
        ("address", "localhost"),
    ] {
        let (session, gap) = (sample::session(), sample::session());
        for session in [&session, &gap] {
            let _ = redis.insert(session, 20).await.unwrap();
        }
        spoil(&[
            "HSET",
            &format!("{{sessions}}:{}", session.id),
            field,
            value,
        ]);
        assert_session_corrupt(&redis, &session).await;
        spoil(&["HDEL", &format!("{{sessions}}:{}", gap.id), field]);
        assert_session_corrupt(&redis, &gap).await;
    }
    for (field, value) in [("refresh", "short"), ("revoked_at", "x")] {
        let session = sample::session();
        let _ = redis.insert(&session, 20).await.unwrap();
        spoil(&[
            "HSET",
            &format!("{{sessions}}:{}", session.id),
            field,
            value,
        ]);
        assert_session_corrupt(&redis, &session).await;
    }
}

#[tokio::test]
async fn a_session_without_an_end_is_not_refreshed() {
    let (redis, spoil) = spoilt().await;
    for spoilt in [&["HDEL"][..], &["HSET", "soon"]] {
        let session = sample::session();
        let _ = redis.insert(&session, 20).await.unwrap();
        let key = format!("{{sessions}}:{}", session.id);
        spoil(&[&[spoilt[0], &key, "ends_at"], &spoilt[1..]].concat());
        let (works, renewal) = (session.refresh.unwrap(), sample::renewal(NOW));
        assert_corrupt(redis.rotate(session.id, works, &renewal).await);
    }
}

#[tokio::test]
async fn a_session_that_is_no_hash_is_corrupt() {
    let (redis, spoil) = spoilt().await;
    let session = sample::session();
    let _ = redis.insert(&session, 20).await.unwrap();
    spoil(&["SET", &format!("{{sessions}}:{}", session.id), "garbage"]);
    assert_session_corrupt(&redis, &session).await;
    let (works, renewal) = (session.refresh.unwrap(), sample::renewal(NOW));
    assert_corrupt(redis.rotate(session.id, works, &renewal).await);
    assert_corrupt(redis.revoke(session.id, NOW).await);
    assert_corrupt(redis.revoke_all(session.user, NOW).await);
    let next = sample::session_of(session.user, NOW);
    assert_corrupt(redis.insert(&next, 20).await);
    assert_eq!(SessionStore::get(&redis, next.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_list_of_another_kind_is_corrupt() {
    let (redis, spoil) = spoilt().await;
    let (session, code) = (sample::session(), sample::phone_code());
    spoil(&["SET", &format!("{{sessions}}:{}", session.user), "garbage"]);
    assert_corrupt(redis.insert(&session, 20).await);
    assert_corrupt(redis.list(session.user, NOW).await);
    assert_corrupt(redis.revoke_all(session.user, NOW).await);
    assert_eq!(SessionStore::get(&redis, session.id).await.unwrap(), None);
    let index: String = code
        .phone
        .index()
        .as_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    spoil(&["SET", &format!("{{codes}}:phone:{index}"), "garbage"]);
    assert_corrupt(redis.put(&code).await);
    assert_corrupt(redis.find_by_phone(&[*code.phone.index()]).await);
    assert_eq!(CodeStore::get(&redis, code.id).await.unwrap(), None);
}
