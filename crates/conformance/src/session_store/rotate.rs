use domain::ports::{Rotation, SessionStore};
use domain::session::UserSession;

use super::{MANY, assert_revoked, assert_unchanged, at, insert, inserted};
use crate::sample;

/// The token that works is replaced, with the moments that go with it, and nothing else changes.
pub async fn the_working_token_is_exchanged(store: &dyn SessionStore) {
    let mut session = inserted(store).await;
    for secs in [10, 20, 30] {
        let renewal = sample::renewal(at(secs));
        let rotation = store
            .rotate(session.id, session.refresh.unwrap(), &renewal)
            .await
            .unwrap();
        session.refresh = Some(renewal.refresh);
        session.last_seen_at = renewal.last_seen_at;
        session.expires_at = renewal.expires_at;
        assert_eq!(rotation, Rotation::Rotated(session.clone()));
        assert_unchanged(store, &session).await;
    }
}

/// A token presented a second time is a sign of theft: its session is revoked, and the token
/// that worked does not work any more.
pub async fn a_used_token_ends_its_session(store: &dyn SessionStore) {
    let session = inserted(store).await;
    let (used, renewal) = (session.refresh.unwrap(), sample::renewal(at(10)));
    assert!(matches!(
        store.rotate(session.id, used, &renewal).await.unwrap(),
        Rotation::Rotated(_)
    ));
    let stolen = sample::renewal(at(20));
    assert_eq!(
        store.rotate(session.id, used, &stolen).await.unwrap(),
        Rotation::Reused
    );
    assert_revoked(store, &session, at(20)).await;
    let next = sample::renewal(at(30));
    assert_eq!(
        store
            .rotate(session.id, renewal.refresh, &next)
            .await
            .unwrap(),
        Rotation::Gone
    );
    assert_eq!(
        store.rotate(session.id, used, &next).await.unwrap(),
        Rotation::Gone
    );
    assert_revoked(store, &session, at(20)).await;
    assert_eq!(store.list(session.user, at(30)).await.unwrap(), []);
}

/// Only the current token is known: any other revokes the session.
pub async fn a_token_that_never_was_ends_the_session(store: &dyn SessionStore) {
    let (session, other) = (inserted(store).await, inserted(store).await);
    let (renewal, foreign) = (sample::renewal(at(10)), other.refresh.unwrap());
    assert_eq!(
        store.rotate(session.id, foreign, &renewal).await.unwrap(),
        Rotation::Reused
    );
    assert_revoked(store, &session, at(10)).await;
    assert_unchanged(store, &other).await;
}

/// A session made without a refresh token gets none, and stays signed in.
pub async fn a_session_without_a_token_is_not_refreshed(store: &dyn SessionStore) {
    let session = UserSession {
        refresh: None,
        ..sample::session()
    };
    insert(store, &session, MANY).await;
    let (presented, renewal) = (sample::refresh_digest(), sample::renewal(at(10)));
    assert_eq!(
        store.rotate(session.id, presented, &renewal).await.unwrap(),
        Rotation::Gone
    );
    assert_unchanged(store, &session).await;
}

/// A signed-out session is not brought back by its token.
pub async fn a_revoked_session_is_not_refreshed(store: &dyn SessionStore) {
    let mut session = inserted(store).await;
    assert!(store.revoke(session.id, at(5)).await.unwrap());
    session.revoked_at = Some(at(5));
    let (works, renewal) = (session.refresh.unwrap(), sample::renewal(at(10)));
    assert_eq!(
        store.rotate(session.id, works, &renewal).await.unwrap(),
        Rotation::Gone
    );
    assert_unchanged(store, &session).await;
}
