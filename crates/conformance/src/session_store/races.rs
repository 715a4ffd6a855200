use std::sync::Arc;

use domain::ports::{Inserted, Rotation, SessionStore};
use domain::session::UserSession;

use super::{MANY, assert_revoked, at, get, insert, inserted};
use crate::Spawn;
use crate::race::{CONTESTANTS, ROUNDS, race};
use crate::sample::{self, NOW};

async fn insert_some(store: &dyn SessionStore, count: usize) -> Arc<[UserSession]> {
    let mut sessions = Vec::new();
    for _ in 0..count {
        sessions.push(inserted(store).await);
    }
    sessions.into()
}

/// A code signs in once: of many sessions made with it at once, one is stored.
pub async fn a_code_makes_one_session_of_many(store: Arc<dyn SessionStore>, spawn: Spawn) {
    let codes: Arc<[_]> = (0..ROUNDS).map(|_| sample::session().code).collect();
    let (stored, refused): (Vec<_>, Vec<_>) = race(spawn, |_| {
        let (store, codes) = (store.clone(), codes.clone());
        async move {
            let mut told = Vec::new();
            for code in codes.iter() {
                let session = UserSession {
                    code: *code,
                    ..sample::session()
                };
                told.push((store.insert(&session, MANY).await.unwrap(), session));
            }
            told
        }
    })
    .await
    .concat()
    .into_iter()
    .partition(|(inserted, _)| *inserted == Inserted::Stored);
    assert_eq!(stored.len(), ROUNDS, "one session for each code");
    for (_, session) in stored {
        assert_eq!(get(&*store, session.id).await, session);
    }
    for (_, session) in refused {
        assert_eq!(store.get(session.id).await.unwrap(), None);
    }
}

/// Sign-ins of one user at once leave as many sessions as are allowed: the last of each order.
pub async fn no_more_than_max_live_sessions_of_many_stay(
    store: Arc<dyn SessionStore>,
    spawn: Spawn,
) {
    let user = sample::user_id();
    race(spawn, |_| {
        let store = store.clone();
        async move {
            for _ in 0..ROUNDS / 4 {
                insert(&*store, &sample::session_of(user, NOW), 3).await;
                let live = store.list(user, NOW).await.unwrap().len();
                assert!((1..=3).contains(&live), "{live} sessions are live");
            }
        }
    })
    .await;
    assert_eq!(store.list(user, NOW).await.unwrap().len(), 3);
}

/// Of many refreshes with one token, one is answered with `Rotated`; the others end the session.
pub async fn one_of_many_refreshes_wins(store: Arc<dyn SessionStore>, spawn: Spawn) {
    let sessions = insert_some(&*store, ROUNDS).await;
    let told = race(spawn, |_| {
        let (store, sessions) = (store.clone(), sessions.clone());
        async move {
            let mut told = Vec::new();
            for session in sessions.iter() {
                let (presented, renewal) = (session.refresh.unwrap(), sample::renewal(at(10)));
                told.push(store.rotate(session.id, presented, &renewal).await.unwrap());
            }
            told
        }
    })
    .await;
    for (round, session) in sessions.iter().enumerate() {
        let answers = || told.iter().map(|answers| &answers[round]);
        assert_eq!(
            answers()
                .filter(|a| matches!(a, Rotation::Rotated(_)))
                .count(),
            1
        );
        assert_eq!(
            answers().filter(|a| matches!(a, Rotation::Reused)).count(),
            1
        );
        assert_revoked(&*store, session, at(10)).await;
    }
}

/// `revoke` says `true` to one caller of many, and keeps that caller's moment.
pub async fn one_of_many_revocations_wins(store: Arc<dyn SessionStore>, spawn: Spawn) {
    let sessions = insert_some(&*store, ROUNDS).await;
    let told = race(spawn, |contestant| {
        let (store, sessions) = (store.clone(), sessions.clone());
        async move {
            let mut told = Vec::new();
            for session in sessions.iter() {
                told.push(
                    store
                        .revoke(session.id, at(contestant as u64))
                        .await
                        .unwrap(),
                );
            }
            told
        }
    })
    .await;
    for (round, session) in sessions.iter().enumerate() {
        let winners: Vec<_> = (0..CONTESTANTS).filter(|i| told[*i][round]).collect();
        assert_eq!(winners.len(), 1, "one caller revoked the session");
        assert_revoked(&*store, session, at(winners[0] as u64)).await;
    }
}

/// Refreshes `session` until it is gone, or often.
async fn keep_refreshing(store: &dyn SessionStore, session: &UserSession) {
    let mut presented = session.refresh.unwrap();
    for _ in 0..ROUNDS {
        let renewal = sample::renewal(at(10));
        match store.rotate(session.id, presented, &renewal).await.unwrap() {
            Rotation::Rotated(_) => presented = renewal.refresh,
            Rotation::Gone => return,
            Rotation::Reused => panic!("nobody else refreshes this session"),
        }
    }
}

/// Whether a contestant refreshes its session; the next contestant ends the same session.
fn refreshes(contestant: usize) -> bool {
    contestant.is_multiple_of(2)
}

/// Once `revoke` has returned, no refresh under way brings the session back.
pub async fn a_revocation_is_not_lost_among_refreshes(store: Arc<dyn SessionStore>, spawn: Spawn) {
    for _ in 0..ROUNDS / 10 {
        let sessions = insert_some(&*store, CONTESTANTS / 2).await;
        race(spawn, |contestant| {
            let (store, session) = (store.clone(), sessions[contestant / 2].clone());
            async move {
                if refreshes(contestant) {
                    return keep_refreshing(&*store, &session).await;
                }
                assert!(store.revoke(session.id, at(20)).await.unwrap());
                assert_revoked(&*store, &session, at(20)).await;
            }
        })
        .await;
        for session in sessions.iter() {
            assert_revoked(&*store, session, at(20)).await;
        }
    }
}

/// Once `revoke_all` has returned, no refresh under way brings a session back.
pub async fn revoke_all_leaves_no_session_among_refreshes(
    store: Arc<dyn SessionStore>,
    spawn: Spawn,
) {
    for _ in 0..ROUNDS / 10 {
        let sessions = insert_some(&*store, CONTESTANTS / 2).await;
        race(spawn, |contestant| {
            let (store, session) = (store.clone(), sessions[contestant / 2].clone());
            async move {
                if refreshes(contestant) {
                    return keep_refreshing(&*store, &session).await;
                }
                assert_eq!(store.revoke_all(session.user, at(20)).await.unwrap(), 1);
                assert_eq!(store.list(session.user, at(20)).await.unwrap(), []);
            }
        })
        .await;
        for session in sessions.iter() {
            assert_revoked(&*store, session, at(20)).await;
        }
    }
}
