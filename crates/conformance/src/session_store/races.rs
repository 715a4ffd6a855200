use std::sync::Arc;

use domain::ports::{Inserted, Rotation, SessionStore};
use domain::session::UserSession;

use super::{MANY, assert_revoked, at, insert, inserted};
use crate::Spawn;
use crate::race::{CONTESTANTS, ROUNDS, race};
use crate::sample::{self, NOW};

/// A session for each round, each of another user.
async fn insert_many(store: &dyn SessionStore) -> Arc<[UserSession]> {
    let mut sessions = Vec::new();
    for _ in 0..ROUNDS {
        sessions.push(inserted(store).await);
    }
    sessions.into()
}

/// A code signs in once: of many sessions made with it at once, one is stored.
pub async fn a_code_makes_one_session_of_many(store: Arc<dyn SessionStore>, spawn: Spawn) {
    let codes: Arc<[_]> = (0..ROUNDS).map(|_| sample::session().code).collect();
    let shared = store.clone();
    let rounds = race(spawn, move |_, round| {
        let (store, code) = (shared.clone(), codes[round]);
        let session = UserSession {
            code,
            ..sample::session()
        };
        async move { (store.insert(&session, MANY).await.unwrap(), session) }
    });
    for answers in rounds.await {
        let mut stored = 0;
        for (inserted, session) in answers {
            let expected = (inserted == Inserted::Stored).then_some(&session);
            assert_eq!(store.get(session.id).await.unwrap().as_ref(), expected);
            stored += usize::from(expected.is_some());
        }
        assert_eq!(stored, 1, "one session has the code");
    }
}

/// Sign-ins of one user at once leave as many sessions as are allowed, at every moment.
pub async fn no_more_than_max_live_sessions_of_many_stay(
    store: Arc<dyn SessionStore>,
    spawn: Spawn,
) {
    let user = sample::user_id();
    let shared = store.clone();
    let rounds = race(spawn, move |_, _| {
        let store = shared.clone();
        async move {
            insert(&*store, &sample::session_of(user, NOW), 3).await;
            let live = store.list(user, NOW).await.unwrap().len();
            assert!((1..=3).contains(&live), "{live} sessions are live");
        }
    });
    rounds.await;
    assert_eq!(store.list(user, NOW).await.unwrap().len(), 3);
}

/// Of many refreshes with one token, one is answered with `Rotated`; the next ends the session.
pub async fn one_of_many_refreshes_wins(store: Arc<dyn SessionStore>, spawn: Spawn) {
    let sessions = insert_many(&*store).await;
    let (shared, each) = (store.clone(), sessions.clone());
    let rounds = race(spawn, move |_, round| {
        let (store, session) = (shared.clone(), each[round].clone());
        let (presented, renewal) = (session.refresh.unwrap(), sample::renewal(at(10)));
        async move { store.rotate(session.id, presented, &renewal).await.unwrap() }
    });
    for (answers, session) in rounds.await.into_iter().zip(sessions.iter()) {
        let rotated = answers
            .iter()
            .filter(|answer| matches!(answer, Rotation::Rotated(_)));
        assert_eq!(rotated.count(), 1, "one caller gets the next token");
        let reused = answers
            .iter()
            .filter(|answer| matches!(answer, Rotation::Reused));
        assert_eq!(reused.count(), 1, "one caller ends the session");
        assert_revoked(&*store, session, at(10)).await;
    }
}

/// `revoke` says `true` to one caller of many, and keeps that caller's moment.
pub async fn one_of_many_revocations_wins(store: Arc<dyn SessionStore>, spawn: Spawn) {
    let sessions = insert_many(&*store).await;
    let (shared, each) = (store.clone(), sessions.clone());
    let rounds = race(spawn, move |contestant, round| {
        let (store, id) = (shared.clone(), each[round].id);
        async move { store.revoke(id, at(contestant as u64)).await.unwrap() }
    });
    for (answers, session) in rounds.await.into_iter().zip(sessions.iter()) {
        let winners: Vec<_> = (0..CONTESTANTS)
            .filter(|contestant| answers[*contestant])
            .collect();
        assert_eq!(winners.len(), 1, "one caller revokes the session");
        assert_revoked(&*store, session, at(winners[0] as u64)).await;
    }
}

/// A session that is signed out while another one displaces it ends once, by whichever came first.
pub async fn a_sign_out_is_not_undone_by_a_displacement(
    store: Arc<dyn SessionStore>,
    spawn: Spawn,
) {
    let sessions = insert_many(&*store).await;
    let (shared, each) = (store.clone(), sessions.clone());
    let rounds = race(spawn, move |contestant, round| {
        let (store, session) = (shared.clone(), each[round].clone());
        async move {
            if contestant > 0 {
                return store
                    .revoke(session.id, at(contestant as u64))
                    .await
                    .unwrap();
            }
            insert(&*store, &sample::session_of(session.user, at(30)), 1).await;
            false
        }
    });
    for (answers, session) in rounds.await.into_iter().zip(sessions.iter()) {
        let signed_out = (1..CONTESTANTS).find(|contestant| answers[*contestant]);
        let moment = signed_out.map_or(30, |contestant| contestant as u64);
        assert_revoked(&*store, session, at(moment)).await;
    }
}

/// Refreshes a session that nobody else refreshes until it is gone, or a few times.
async fn keep_refreshing(store: &dyn SessionStore, session: &UserSession) {
    let mut presented = session.refresh.unwrap();
    for _ in 0..5 {
        let renewal = sample::renewal(at(10));
        match store.rotate(session.id, presented, &renewal).await.unwrap() {
            Rotation::Rotated(_) => presented = renewal.refresh,
            Rotation::Gone => return,
            Rotation::Reused => panic!("a token that works was not known"),
        }
    }
}

/// Once `revoke` has returned, no refresh under way brings the session back.
pub async fn a_revocation_is_not_lost_among_refreshes(store: Arc<dyn SessionStore>, spawn: Spawn) {
    let sessions = insert_many(&*store).await;
    let (shared, each) = (store.clone(), sessions.clone());
    let rounds = race(spawn, move |contestant, round| {
        let (store, session) = (shared.clone(), each[round].clone());
        async move {
            if contestant > 0 {
                return store.revoke(session.id, at(20)).await.unwrap();
            }
            keep_refreshing(&*store, &session).await;
            false
        }
    });
    for (answers, session) in rounds.await.into_iter().zip(sessions.iter()) {
        assert_eq!(
            answers.iter().filter(|revoked| **revoked).count(),
            1,
            "one revoked it"
        );
        assert_revoked(&*store, session, at(20)).await;
    }
}

/// Once `revoke_all` has returned, no refresh under way brings a session back.
pub async fn revoke_all_leaves_no_session_among_refreshes(
    store: Arc<dyn SessionStore>,
    spawn: Spawn,
) {
    let sessions = insert_many(&*store).await;
    let (shared, each) = (store.clone(), sessions.clone());
    let rounds = race(spawn, move |contestant, round| {
        let (store, session) = (shared.clone(), each[round].clone());
        async move {
            if contestant > 0 {
                return store.revoke_all(session.user, at(20)).await.unwrap();
            }
            keep_refreshing(&*store, &session).await;
            0
        }
    });
    for (answers, session) in rounds.await.into_iter().zip(sessions.iter()) {
        assert_eq!(answers.iter().sum::<u64>(), 1, "one ended the session");
        assert_revoked(&*store, session, at(20)).await;
    }
}
