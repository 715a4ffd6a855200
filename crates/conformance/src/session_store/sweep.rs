use std::time::Duration;

use domain::ports::{Rotation, SessionStore};
use domain::session::{Renewal, UserSession};
use domain::timestamp::Timestamp;

use super::{MANY, assert_revoked, assert_unchanged, get, insert};
use crate::sample::{self, NOW};

/// Long before the moments of other laws.
const SIGN_IN: Timestamp = Timestamp::from_secs(NOW.as_secs() - 365 * 86_400);
const END: Timestamp = Timestamp::from_secs(SIGN_IN.as_secs() + 3600);
const BEFORE_END: Timestamp = Timestamp::from_millis(END.as_millis() - 1);
const LATER: Timestamp = Timestamp::from_secs(END.as_secs() + 3600);

/// Two sessions, one idle and the other at its end at [`END`], in a store without others that
/// old.
async fn ending_sessions(store: &dyn SessionStore) -> [UserSession; 2] {
    while store.sweep(LATER, 1000).await.unwrap() > 0 {}
    let session = || sample::session_of(sample::user_id(), SIGN_IN);
    let idle = UserSession {
        expires_at: END,
        ..session()
    };
    let ended = UserSession {
        ends_at: END,
        ..session()
    };
    insert(store, &idle, MANY).await;
    insert(store, &ended, MANY).await;
    [idle, ended]
}

/// `sweep` removes sessions from `expires_at` or `ends_at` on, says how many, and leaves no trace
/// of them.
pub async fn sweep_removes_sessions_that_are_over(store: &dyn SessionStore) {
    let sessions = ending_sessions(store).await;
    assert_eq!(store.sweep(END, 100).await.unwrap(), 2);
    for session in &sessions {
        let (presented, renewal) = (session.refresh.unwrap(), sample::renewal(END));
        assert_eq!(store.get(session.id).await.unwrap(), None);
        assert_eq!(store.list(session.user, SIGN_IN).await.unwrap(), []);
        assert_eq!(
            store.rotate(session.id, presented, &renewal).await.unwrap(),
            Rotation::Gone
        );
        assert!(!store.revoke(session.id, END).await.unwrap());
    }
    assert_eq!(store.sweep(END, 100).await.unwrap(), 0);
}

/// A session stays until its end, to the millisecond.
pub async fn sweep_spares_sessions_before_their_end(store: &dyn SessionStore) {
    let sessions = ending_sessions(store).await;
    assert_eq!(store.sweep(BEFORE_END, 100).await.unwrap(), 0);
    for session in &sessions {
        assert_unchanged(store, session).await;
    }
}

/// A revoked session keeps its code's id taken, so it is not swept early.
pub async fn a_revoked_session_is_kept_until_its_end(store: &dyn SessionStore) {
    let sessions = revoked_sessions(store).await;
    assert_eq!(store.sweep(BEFORE_END, 100).await.unwrap(), 0);
    for session in &sessions {
        assert_revoked(store, session, SIGN_IN).await;
    }
}

/// A revoked session is not kept for longer than another one.
pub async fn a_revoked_session_is_swept_at_its_end(store: &dyn SessionStore) {
    revoked_sessions(store).await;
    assert_eq!(store.sweep(END, 100).await.unwrap(), 2);
}

async fn revoked_sessions(store: &dyn SessionStore) -> [UserSession; 2] {
    let sessions = ending_sessions(store).await;
    for session in &sessions {
        assert!(store.revoke(session.id, SIGN_IN).await.unwrap());
    }
    sessions
}

/// A refresh moves the idle end, and with it the moment until which the session is kept.
pub async fn a_refreshed_session_is_kept_until_its_new_end(store: &dyn SessionStore) {
    let refreshed = refreshed_session(store).await;
    let before = LATER - Duration::from_millis(1);
    assert!(
        store.sweep(before, 100).await.unwrap() <= 1,
        "the other one only"
    );
    assert_eq!(get(store, refreshed.id).await.expires_at, LATER);
}

/// A refreshed session is swept when it is over.
pub async fn a_refreshed_session_is_swept_at_its_new_end(store: &dyn SessionStore) {
    refreshed_session(store).await;
    assert_eq!(store.sweep(END, 100).await.unwrap(), 1, "the other one");
    assert_eq!(store.sweep(LATER, 100).await.unwrap(), 1);
}

/// A session that would be over at [`END`] and was refreshed until [`LATER`], and one that is over
/// at [`END`].
async fn refreshed_session(store: &dyn SessionStore) -> UserSession {
    let [idle, _] = ending_sessions(store).await;
    let renewal = Renewal {
        expires_at: LATER,
        ..sample::renewal(BEFORE_END)
    };
    let works = idle.refresh.unwrap();
    let rotation = store.rotate(idle.id, works, &renewal).await.unwrap();
    assert!(matches!(rotation, Rotation::Rotated(_)));
    idle
}

/// Once a session is swept, nothing is remembered of its code.
pub async fn a_swept_session_frees_its_code(store: &dyn SessionStore) {
    let sessions = ending_sessions(store).await;
    assert_eq!(store.sweep(END, 100).await.unwrap(), 2);
    for session in &sessions {
        let next = UserSession {
            code: session.code,
            ..sample::session()
        };
        insert(store, &next, MANY).await;
        assert_unchanged(store, &next).await;
    }
}

/// One `sweep` removes at most `limit` sessions.
pub async fn sweep_stops_at_its_limit(store: &dyn SessionStore) {
    ending_sessions(store).await;
    let another = UserSession {
        expires_at: END,
        ..sample::session_of(sample::user_id(), SIGN_IN)
    };
    insert(store, &another, MANY).await;
    for (limit, removed) in [(0, 0), (2, 2), (2, 1), (2, 0)] {
        assert_eq!(store.sweep(END, limit).await.unwrap(), removed);
    }
}
