use domain::ports::SessionStore;
use domain::session::UserSession;

use super::{MANY, assert_revoked, assert_unchanged, at, insert, inserted};
use crate::sample::{self, NOW};

/// `revoke` says `true` once and writes down when; nothing else changes.
pub async fn a_session_is_revoked_once(store: &dyn SessionStore) {
    let (session, other) = (inserted(store).await, inserted(store).await);
    assert!(store.revoke(session.id, at(5)).await.unwrap());
    assert!(!store.revoke(session.id, at(6)).await.unwrap());
    let revoked = UserSession {
        revoked_at: Some(at(5)),
        ..session
    };
    assert_unchanged(store, &revoked).await;
    assert_unchanged(store, &other).await;
    assert_eq!(store.list(revoked.user, at(5)).await.unwrap(), []);
}

/// `revoke_all` ends every session of that user, and of nobody else.
pub async fn revoke_all_ends_the_sessions_of_one_user(store: &dyn SessionStore) {
    let (user, other) = (sample::user_id(), inserted(store).await);
    let sessions = [1, 2, 3].map(|secs| sample::session_of(user, at(secs)));
    for session in &sessions {
        insert(store, session, MANY).await;
    }
    assert_eq!(store.revoke_all(user, at(10)).await.unwrap(), 3);
    assert_eq!(store.revoke_all(user, at(11)).await.unwrap(), 0);
    assert_eq!(store.list(user, at(11)).await.unwrap(), []);
    for session in &sessions {
        assert_revoked(store, session, at(10)).await;
    }
    assert_unchanged(store, &other).await;
}

/// A session that was over already is not counted, but revoked: the next process's clock may be
/// behind. One revoked before keeps its moment.
pub async fn revoke_all_counts_the_live_ones(store: &dyn SessionStore) {
    let user = sample::user_id();
    let idle = UserSession {
        expires_at: at(60),
        ..sample::session_of(user, NOW)
    };
    let ended = UserSession {
        ends_at: at(60),
        ..sample::session_of(user, NOW)
    };
    let (live, revoked) = (sample::session_of(user, NOW), sample::session_of(user, NOW));
    for session in [&idle, &ended, &live, &revoked] {
        insert(store, session, MANY).await;
    }
    assert!(store.revoke(revoked.id, at(5)).await.unwrap());
    assert_eq!(store.revoke_all(user, at(60)).await.unwrap(), 1);
    for session in [&live, &idle, &ended] {
        assert_revoked(store, session, at(60)).await;
    }
    assert_revoked(store, &revoked, at(5)).await;
}

/// `list` orders by `created_at`, whatever the order of arrival, and knows only this user.
pub async fn live_sessions_are_listed_newest_first(store: &dyn SessionStore) {
    let user = sample::user_id();
    let [first, second, third] = [1, 2, 3].map(|secs| sample::session_of(user, at(secs)));
    inserted(store).await;
    for session in [&second, &third, &first] {
        insert(store, session, MANY).await;
    }
    assert_eq!(
        store.list(user, at(3)).await.unwrap(),
        [third, second, first]
    );
}

/// From `expires_at` or `ends_at` on, whichever comes first, a session is not listed; it is still
/// there to `get`.
pub async fn a_session_is_listed_until_its_end(store: &dyn SessionStore) {
    let user = sample::user_id();
    let idle = UserSession {
        expires_at: at(60),
        ..sample::session_of(user, at(1))
    };
    let ended = UserSession {
        ends_at: at(60),
        ..sample::session_of(user, at(0))
    };
    insert(store, &idle, MANY).await;
    insert(store, &ended, MANY).await;
    assert_eq!(
        store.list(user, at(59)).await.unwrap(),
        [idle.clone(), ended.clone()]
    );
    assert_eq!(store.list(user, at(60)).await.unwrap(), []);
    assert_unchanged(store, &idle).await;
    assert_unchanged(store, &ended).await;
}
