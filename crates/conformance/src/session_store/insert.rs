use std::net::{Ipv4Addr, Ipv6Addr};

use domain::id::PhoneCodeId;
use domain::ports::{Inserted, Rotation, SessionStore};
use domain::session::{RefreshDigest, UserSession};
use domain::timestamp::Timestamp;

use super::{MANY, assert_revoked, assert_unchanged, at, insert, inserted};
use crate::sample::{self, NOW};

/// A store in use is healthy.
pub async fn it_answers(store: &dyn SessionStore) {
    store.health().await.unwrap();
}

/// Every field comes back as it went in, with and without what may be missing.
pub async fn a_session_reads_back_as_it_was_inserted(store: &dyn SessionStore) {
    let later = |millis| Timestamp::from_millis(NOW.as_millis() + millis);
    let bare = UserSession {
        refresh: None,
        user_agent: None,
        address: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xffff).into(),
        ..sample::session()
    };
    let odd = UserSession {
        refresh: Some(RefreshDigest::from_bytes([0; 32])),
        created_at: later(1),
        last_seen_at: later(22),
        expires_at: later(3333),
        ends_at: later(4444),
        user_agent: Some("浏览器 'é\"; 🦀\\ \u{7f}\t%00".to_owned()),
        address: Ipv4Addr::BROADCAST.into(),
        ..sample::session()
    };
    let empty = UserSession {
        user_agent: Some(String::new()),
        address: Ipv6Addr::LOCALHOST.into(),
        ..sample::session()
    };
    for session in [sample::session(), bare, odd, empty] {
        insert(store, &session, MANY).await;
        assert_unchanged(store, &session).await;
        assert_eq!(store.list(session.user, later(1)).await.unwrap(), [session]);
    }
}

/// An id or user that nobody has is nothing to find, revoke or list, and no error.
pub async fn an_unknown_session_is_not_found(store: &dyn SessionStore) {
    let session = sample::session();
    let (id, presented) = (session.id, sample::refresh_digest());
    assert_eq!(store.get(id).await.unwrap(), None);
    assert_eq!(
        store
            .rotate(id, presented, &sample::renewal(NOW))
            .await
            .unwrap(),
        Rotation::Gone
    );
    assert!(!store.revoke(id, NOW).await.unwrap());
    assert_eq!(store.revoke_all(session.user, NOW).await.unwrap(), 0);
    assert_eq!(store.list(session.user, NOW).await.unwrap(), []);
    assert_eq!(
        store.get(id).await.unwrap(),
        None,
        "asking for a session made one"
    );
}

async fn assert_code_taken(store: &dyn SessionStore, code: PhoneCodeId) {
    let second = UserSession {
        code,
        ..sample::session()
    };
    assert_eq!(
        store.insert(&second, MANY).await.unwrap(),
        Inserted::CodeAlreadyUsed
    );
    assert_eq!(store.get(second.id).await.unwrap(), None);
    assert_eq!(store.list(second.user, NOW).await.unwrap(), []);
}

/// A second session of one code is refused, whoever it is for, and leaves nothing behind.
pub async fn a_code_makes_one_session(store: &dyn SessionStore) {
    let first = inserted(store).await;
    assert_code_taken(store, first.code).await;
    let same_user = UserSession {
        id: sample::session().id,
        ..first.clone()
    };
    assert_eq!(
        store.insert(&same_user, MANY).await.unwrap(),
        Inserted::CodeAlreadyUsed
    );
    assert_eq!(store.list(first.user, NOW).await.unwrap(), [first]);
}

/// Revoked, displaced or expired: the code stays taken until the session is swept.
pub async fn a_code_stays_taken_after_its_session_is_over(store: &dyn SessionStore) {
    let revoked = inserted(store).await;
    assert!(store.revoke(revoked.id, NOW).await.unwrap());
    assert_code_taken(store, revoked.code).await;
    let signed_out = inserted(store).await;
    assert_eq!(store.revoke_all(signed_out.user, NOW).await.unwrap(), 1);
    assert_code_taken(store, signed_out.code).await;
    let displaced = inserted(store).await;
    insert(store, &sample::session_of(displaced.user, at(1)), 1).await;
    assert_code_taken(store, displaced.code).await;
    let expired = UserSession {
        expires_at: NOW,
        ..sample::session()
    };
    insert(store, &expired, MANY).await;
    assert_code_taken(store, expired.code).await;
}

/// A session that is not stored does not make room for itself.
pub async fn a_refused_session_ends_no_other(store: &dyn SessionStore) {
    let first = inserted(store).await;
    let second = UserSession {
        code: first.code,
        ..sample::session_of(first.user, at(1))
    };
    assert_eq!(
        store.insert(&second, 1).await.unwrap(),
        Inserted::CodeAlreadyUsed
    );
    assert_unchanged(store, &first).await;
}

/// The session with the oldest `created_at` is revoked when the new one is made.
pub async fn the_oldest_session_makes_room_for_the_new_one(store: &dyn SessionStore) {
    let user = sample::user_id();
    let [oldest, middle, newest] = [1, 2, 3].map(|secs| sample::session_of(user, at(secs)));
    for session in [&middle, &oldest, &newest] {
        insert(store, session, 3).await;
    }
    let new = sample::session_of(user, at(60));
    insert(store, &new, 3).await;
    assert_revoked(store, &oldest, at(60)).await;
    assert_eq!(
        store.list(user, at(60)).await.unwrap(),
        [new, newest, middle]
    );
}

/// Clocks of processes differ: the new session is never the one that goes.
pub async fn the_new_session_stays_even_if_it_is_the_oldest(store: &dyn SessionStore) {
    let user = sample::user_id();
    let [early, older, newer] = [0, 1, 2].map(|secs| sample::session_of(user, at(secs)));
    insert(store, &newer, 2).await;
    insert(store, &older, 2).await;
    insert(store, &early, 2).await;
    assert_revoked(store, &older, at(0)).await;
    assert_eq!(store.list(user, at(2)).await.unwrap(), [newer, early]);
}

/// When `max_live` was lowered, the next session ends all that are too many.
pub async fn as_many_sessions_end_as_are_too_many(store: &dyn SessionStore) {
    let user = sample::user_id();
    let sessions = [1, 2, 3, 4].map(|secs| sample::session_of(user, at(secs)));
    for session in &sessions {
        insert(store, session, 4).await;
    }
    let new = sample::session_of(user, at(5));
    insert(store, &new, 2).await;
    assert_eq!(
        store.list(user, at(5)).await.unwrap(),
        [new, sessions[3].clone()]
    );
    for gone in &sessions[..3] {
        assert_revoked(store, gone, at(5)).await;
    }
}

/// A session that is expired or revoked when the new one is made takes no room, and stays as it is.
pub async fn sessions_that_are_over_do_not_count(store: &dyn SessionStore) {
    let user = sample::user_id();
    let idle = UserSession {
        expires_at: at(60),
        ..sample::session_of(user, at(2))
    };
    let ended = UserSession {
        ends_at: at(60),
        ..sample::session_of(user, at(3))
    };
    let [live, revoked] = [1, 4].map(|secs| sample::session_of(user, at(secs)));
    for session in [&live, &idle, &ended, &revoked] {
        insert(store, session, 4).await;
    }
    assert!(store.revoke(revoked.id, at(5)).await.unwrap());
    let new = sample::session_of(user, at(60));
    insert(store, &new, 2).await;
    assert_eq!(store.list(user, at(60)).await.unwrap(), [new, live]);
    assert_unchanged(store, &idle).await;
    assert_unchanged(store, &ended).await;
    assert_revoked(store, &revoked, at(5)).await;
}

/// Each user has `max_live` sessions.
pub async fn sessions_of_others_do_not_count(store: &dyn SessionStore) {
    let (mine, yours) = (inserted(store).await, sample::session());
    insert(store, &yours, 1).await;
    assert_unchanged(store, &mine).await;
    assert_unchanged(store, &yours).await;
}
