use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::id::{PhoneCodeId, SessionId, UserId};
use domain::ports::{Inserted, Rotation, SessionStore, StoreError};
use domain::session::{RefreshDigest, Renewal, UserSession};
use domain::timestamp::Timestamp;

use crate::Spawn;
use crate::history::{self, Dice, Model, Scene};
use crate::sample;

/// Random calls, one after another, are answered as [`Sessions`] answers.
pub async fn any_history_is_as_the_model_says(store: Arc<dyn SessionStore>, _: Spawn) {
    history::any_history_is_as_the_model_says::<Sessions>(store).await;
}

/// Random calls at once are answered as [`Sessions`] answers in some order of them.
pub async fn any_race_has_an_order(store: Arc<dyn SessionStore>, spawn: Spawn) {
    history::any_race_has_an_order::<Sessions>(store, spawn).await;
}

/// The sessions of a store, by their numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sessions(BTreeMap<u8, UserSession>);

const SESSIONS: u8 = 6;
/// Two sessions for each: they are made with the same code.
const CODES: u8 = 3;
const USERS: u8 = 2;
const TOKENS: u8 = 2;
const LONGEST: Duration = Duration::from_secs(360);

/// A call of a [`SessionStore`].
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "named as in the port")]
pub enum Call {
    Insert(SignIn),
    Get(u8),
    Rotate { session: u8, token: u8, next: u8 },
    Revoke(u8),
    RevokeAll { user: u8 },
    List { user: u8 },
}

/// A session to be made.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "named as in the port")]
pub struct SignIn {
    session: u8,
    user: u8,
    token: Option<u8>,
    idle: Duration,
    total: Duration,
    max_live: u32,
}

/// An answer of a [`SessionStore`].
#[derive(Debug, PartialEq)]
#[allow(missing_docs, reason = "the types say it")]
pub enum Answer {
    Flag(bool),
    Count(u64),
    Inserted(Inserted),
    Session(Option<UserSession>),
    Rotation(Rotation),
    Sessions(Vec<UserSession>),
}

fn id(scene: &Scene, number: u8) -> SessionId {
    SessionId::from_bytes(scene.bytes(number))
}

fn user_id(scene: &Scene, number: u8) -> UserId {
    UserId::from_bytes(scene.bytes(number))
}

fn digest(scene: &Scene, token: u8) -> RefreshDigest {
    RefreshDigest::from_bytes(scene.bytes(token))
}

/// A session that is renewed ends no earlier than before.
fn renewal(scene: &Scene, next: u8) -> Renewal {
    Renewal {
        refresh: digest(scene, next),
        last_seen_at: scene.now,
        expires_at: scene.now + LONGEST,
    }
}

fn session(scene: &Scene, new: SignIn) -> UserSession {
    // No two sessions are equally old: the contract does not say which of them is the oldest.
    let created_at = scene.now + Duration::from_millis(new.session.into());
    UserSession {
        id: id(scene, new.session),
        code: PhoneCodeId::from_bytes(scene.bytes(new.session % CODES)),
        refresh: new.token.map(|token| digest(scene, token)),
        expires_at: scene.now + new.idle,
        ends_at: scene.now + new.total,
        user_agent: new
            .token
            .map(|token| format!("agent {}", token ^ new.session)),
        ..sample::session_of(user_id(scene, new.user), created_at)
    }
}

impl Sessions {
    fn insert(&mut self, number: u8, new: &UserSession, max_live: u32) -> Inserted {
        if self.0.values().any(|session| session.code == new.code) {
            return Inserted::CodeAlreadyUsed;
        }
        let now = new.created_at;
        for oldest in self
            .live(new.user, now)
            .into_iter()
            .skip(max_live as usize - 1)
        {
            oldest.revoked_at = Some(now);
        }
        self.0.insert(number, new.clone());
        Inserted::Stored
    }

    /// Newest first.
    fn live(&mut self, user: UserId, now: Timestamp) -> Vec<&mut UserSession> {
        let is_live = |session: &&mut UserSession| session.user == user && session.is_live(now);
        let mut live: Vec<_> = self.0.values_mut().filter(is_live).collect();
        live.sort_by_key(|session| Reverse(session.created_at));
        live
    }

    fn rotate(&mut self, number: u8, presented: RefreshDigest, renewal: Renewal) -> Rotation {
        let Some(session) = self.0.get_mut(&number).filter(|s| s.revoked_at.is_none()) else {
            return Rotation::Gone;
        };
        match session.refresh {
            None => Rotation::Gone,
            Some(current) if current != presented => {
                session.revoked_at = Some(renewal.last_seen_at);
                Rotation::Reused
            }
            Some(_) => {
                session.refresh = Some(renewal.refresh);
                session.last_seen_at = renewal.last_seen_at;
                session.expires_at = renewal.expires_at;
                Rotation::Rotated(session.clone())
            }
        }
    }

    fn revoke_all(&mut self, user: UserId, now: Timestamp) -> u64 {
        let live = self.live(user, now).len();
        let all = self.0.values_mut().filter(|session| session.user == user);
        for session in all.filter(|session| session.revoked_at.is_none()) {
            session.revoked_at = Some(now);
        }
        live as u64
    }
}

impl Model for Sessions {
    type Port = dyn SessionStore;
    type Call = Call;
    type Answer = Answer;
    const SWEPT: u8 = SESSIONS;

    fn random(dice: &mut Dice, _: &[Timestamp]) -> Call {
        let (session, user) = (dice.low(SESSIONS), dice.low(USERS));
        let [short, middle] = [60, 120].map(Duration::from_secs);
        match dice.below(14) {
            0..=4 => Call::Insert(SignIn {
                session,
                user,
                token: dice.pick(&[None, Some(0), Some(1), Some(1)]),
                idle: dice.pick(&[short, middle, LONGEST]),
                total: dice.pick(&[middle, LONGEST, LONGEST]),
                max_live: dice.pick(&[1, 2, 3]),
            }),
            5 => Call::Get(session),
            6..=8 => Call::Rotate {
                session,
                token: dice.below(TOKENS),
                next: dice.below(TOKENS),
            },
            9 | 10 => Call::Revoke(session),
            11 => Call::RevokeAll { user },
            _ => Call::List { user },
        }
    }

    fn looks() -> Vec<Call> {
        let lists = (0..USERS).map(|user| Call::List { user });
        (0..SESSIONS).map(Call::Get).chain(lists).collect()
    }

    fn answer(&mut self, call: &Call, scene: &Scene) -> Answer {
        let now = scene.now;
        match call {
            Call::Insert(new) => {
                Answer::Inserted(self.insert(new.session, &session(scene, *new), new.max_live))
            }
            Call::Get(session) => Answer::Session(self.0.get(session).cloned()),
            Call::Rotate {
                session,
                token,
                next,
            } => {
                let renewal = renewal(scene, *next);
                Answer::Rotation(self.rotate(*session, digest(scene, *token), renewal))
            }
            Call::Revoke(session) => {
                let session = self.0.get_mut(session).filter(|s| s.revoked_at.is_none());
                Answer::Flag(
                    session
                        .map(|session| session.revoked_at = Some(now))
                        .is_some(),
                )
            }
            Call::RevokeAll { user } => Answer::Count(self.revoke_all(user_id(scene, *user), now)),
            Call::List { user } => {
                let live = self.live(user_id(scene, *user), now);
                Answer::Sessions(live.into_iter().map(|session| session.clone()).collect())
            }
        }
    }

    fn sweep(&mut self, number: u8, now: Timestamp) -> bool {
        let over = |session: &UserSession| session.expires_at <= now || session.ends_at <= now;
        self.0.get(&number).is_some_and(over) && self.0.remove(&number).is_some()
    }

    async fn ask(store: &Self::Port, call: &Call, scene: &Scene) -> Result<Answer, StoreError> {
        let now = scene.now;
        Ok(match call {
            Call::Insert(new) => {
                let inserted = store.insert(&session(scene, *new), new.max_live).await?;
                Answer::Inserted(inserted)
            }
            Call::Get(session) => Answer::Session(store.get(id(scene, *session)).await?),
            Call::Rotate {
                session,
                token,
                next,
            } => {
                let (id, presented) = (id(scene, *session), digest(scene, *token));
                let renewal = renewal(scene, *next);
                Answer::Rotation(store.rotate(id, presented, &renewal).await?)
            }
            Call::Revoke(session) => Answer::Flag(store.revoke(id(scene, *session), now).await?),
            Call::RevokeAll { user } => {
                Answer::Count(store.revoke_all(user_id(scene, *user), now).await?)
            }
            Call::List { user } => Answer::Sessions(store.list(user_id(scene, *user), now).await?),
        })
    }

    async fn ask_to_sweep(
        store: &Self::Port,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, StoreError> {
        store.sweep(now, limit).await
    }
}
