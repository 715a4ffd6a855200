use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use async_trait::async_trait;
use domain::id::{PhoneCodeId, SessionId, UserId};
use domain::ports::{Inserted, Rotation, SessionStore, StoreError};
use domain::session::{RefreshDigest, Renewal, UserSession};
use domain::timestamp::Timestamp;

use crate::lock::RwLock;
use crate::sweep::{self, ExpiryQueue};

/// The sessions of this process, under one lock: a new session and the ones that make room for it
/// change together. Checks of sessions, the many, share the lock.
#[derive(Default)]
pub struct MemorySessionStore(RwLock<Sessions>);

#[derive(Default)]
struct Sessions {
    // Boxed, because a map has up to twice as many places as entries.
    by_id: HashMap<SessionId, Box<UserSession>>,
    by_user: BTreeSet<(UserId, SessionId)>,
    used_codes: HashSet<PhoneCodeId>,
    queue: ExpiryQueue<SessionId>,
}

fn over_at(session: &UserSession) -> Timestamp {
    session.expires_at.min(session.ends_at)
}

impl Sessions {
    fn insert(&mut self, session: &UserSession, max_live: u32) -> Inserted {
        if !self.used_codes.insert(session.code) {
            return Inserted::CodeAlreadyUsed;
        }
        let now = session.created_at;
        let others = usize::try_from(max_live.saturating_sub(1)).unwrap_or(usize::MAX);
        for oldest in self.live(session.user, now).into_iter().skip(others) {
            self.revoke(oldest, now);
        }
        self.by_id.insert(session.id, Box::new(session.clone()));
        self.by_user.insert((session.user, session.id));
        self.queue.push(over_at(session), session.id);
        Inserted::Stored
    }

    fn of_user(&self, user: UserId) -> impl Iterator<Item = &UserSession> {
        let [first, last] = [[0; 16], [u8::MAX; 16]].map(SessionId::from_bytes);
        let ids = self.by_user.range((user, first)..=(user, last));
        ids.filter_map(|(_, id)| self.by_id.get(id).map(|session| &**session))
    }

    /// The live sessions of a user, newest first.
    fn live(&self, user: UserId, now: Timestamp) -> Vec<SessionId> {
        let mut live: Vec<_> = self
            .of_user(user)
            .filter(|session| session.is_live(now))
            .collect();
        live.sort_by_key(|session| Reverse(session.created_at));
        live.iter().map(|session| session.id).collect()
    }

    fn rotate(&mut self, id: SessionId, presented: RefreshDigest, renewal: &Renewal) -> Rotation {
        let Some(session) = self.by_id.get_mut(&id) else {
            return Rotation::Gone;
        };
        match session.refresh {
            Some(works) if session.revoked_at.is_none() => {
                if works != presented {
                    session.revoked_at = Some(renewal.last_seen_at);
                    return Rotation::Reused;
                }
                session.refresh = Some(renewal.refresh);
                session.last_seen_at = renewal.last_seen_at;
                session.expires_at = renewal.expires_at;
                Rotation::Rotated((**session).clone())
            }
            _ => Rotation::Gone,
        }
    }

    fn revoke(&mut self, id: SessionId, now: Timestamp) -> bool {
        let session = self
            .by_id
            .get_mut(&id)
            .filter(|session| session.revoked_at.is_none());
        session
            .map(|session| session.revoked_at = Some(now))
            .is_some()
    }

    fn revoke_all(&mut self, user: UserId, now: Timestamp) -> u64 {
        let live = self
            .of_user(user)
            .filter(|session| session.is_live(now))
            .count();
        let all: Vec<SessionId> = self.of_user(user).map(|session| session.id).collect();
        for id in all {
            self.revoke(id, now);
        }
        live as u64
    }

    fn sweep(&mut self, now: Timestamp, limit: usize) -> usize {
        let mut removed = 0;
        while removed < limit {
            let over_at =
                |id: &SessionId| self.by_id.get(id).map_or(now, |session| over_at(session));
            let Some(id) = self.queue.pop(now, over_at) else {
                break;
            };
            if let Some(session) = self.by_id.remove(&id) {
                self.by_user.remove(&(session.user, id));
                self.used_codes.remove(&session.code);
                removed += 1;
            }
        }
        if sweep::is_sparse(self.by_id.len(), self.by_id.capacity()) {
            self.by_id.shrink_to(self.by_id.len() * 2);
            self.used_codes.shrink_to(self.used_codes.len() * 2);
        }
        self.queue.trim();
        removed
    }
}

impl MemorySessionStore {
    /// A store without sessions.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl SessionStore for MemorySessionStore {
    async fn insert(&self, session: &UserSession, max_live: u32) -> Result<Inserted, StoreError> {
        Ok(self.0.write().insert(session, max_live))
    }

    async fn get(&self, id: SessionId) -> Result<Option<UserSession>, StoreError> {
        Ok(self
            .0
            .read()
            .by_id
            .get(&id)
            .map(|session| (**session).clone()))
    }

    async fn rotate(
        &self,
        id: SessionId,
        presented: RefreshDigest,
        renewal: &Renewal,
    ) -> Result<Rotation, StoreError> {
        Ok(self.0.write().rotate(id, presented, renewal))
    }

    async fn revoke(&self, id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.0.write().revoke(id, now))
    }

    async fn revoke_all(&self, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
        Ok(self.0.write().revoke_all(user, now))
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<UserSession>, StoreError> {
        let sessions = self.0.read();
        let ids = sessions.live(user, now);
        Ok(ids
            .iter()
            .filter_map(|id| sessions.by_id.get(id))
            .map(|s| (**s).clone())
            .collect())
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        Ok(sweep::in_steps(limit, |step| {
            self.0.write().sweep(now, step)
        }))
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
