//! The four store ports over [`State`](super::fake::State), each method one step.

use async_trait::async_trait;
use domain::code::{Delivery, PhoneCode};
use domain::id::{PhoneCodeId, SessionId, UserId};
use domain::ports::{
    CodeStore, Inserted, RateLimiter, Rotation, SessionStore, StoreError, UserRepo,
};
use domain::rate_limit::{Charge, CounterKey, Decision};
use domain::session::{RefreshDigest, Renewal, UserSession};
use domain::timestamp::Timestamp;
use domain::user::{NewUser, User};
use domain::vault::{PhoneIndex, SealedPhone};

use super::fake::Fake;

#[async_trait]
impl CodeStore for Fake {
    async fn put(&self, code: &PhoneCode) -> Result<bool, StoreError> {
        self.step("codes.put", |state| {
            let free = !state.codes.contains_key(&code.id);
            if free {
                state.codes.insert(code.id, code.clone());
            }
            free
        })
        .await
    }

    async fn get(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError> {
        self.step("codes.get", |state| state.codes.get(&id).cloned())
            .await
    }

    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Vec<PhoneCode>, StoreError> {
        self.step("codes.find_by_phone", |state| {
            let own = |code: &&PhoneCode| indexes.contains(code.phone.index());
            let mut codes: Vec<_> = state.codes.values().filter(own).cloned().collect();
            codes.sort_by_key(|code| std::cmp::Reverse(code.created_at));
            codes
        })
        .await
    }

    async fn begin_attempt(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError> {
        self.step("codes.begin_attempt", |state| {
            let code = state.codes.get_mut(&id)?;
            code.attempts = code.attempts.saturating_add(1);
            Some(code.clone())
        })
        .await
    }

    async fn release_attempt(&self, id: PhoneCodeId) -> Result<(), StoreError> {
        self.step("codes.release_attempt", |state| {
            if let Some(code) = state.codes.get_mut(&id) {
                code.attempts = code.attempts.saturating_sub(1);
            }
        })
        .await
    }

    async fn consume(&self, id: PhoneCodeId) -> Result<bool, StoreError> {
        self.step("codes.consume", |state| {
            let code = state.codes.get_mut(&id);
            code.is_some_and(|code| !std::mem::replace(&mut code.consumed, true))
        })
        .await
    }

    async fn set_delivery(&self, id: PhoneCodeId, delivery: Delivery) -> Result<bool, StoreError> {
        self.step("codes.set_delivery", |state| {
            let code = state.codes.get_mut(&id);
            let code = code.filter(|code| code.delivery.yields_to(&delivery));
            code.map(|code| code.delivery = delivery).is_some()
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.step("codes.sweep", |state| {
            let over = state.codes.values().filter(|code| code.expires_at <= now);
            let over: Vec<_> = over.map(|code| code.id).take(limit).collect();
            state.codes.retain(|id, _| !over.contains(id));
            over.len()
        })
        .await
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl RateLimiter for Fake {
    async fn acquire(&self, charges: &[Charge], now: Timestamp) -> Result<Decision, StoreError> {
        self.step("limiter.acquire", |state| {
            let refused = charges.iter().filter_map(|charge| {
                let counter = state.counters.entry(charge.key).or_default();
                let wait = counter.admit(charge, now).err()?;
                Some((wait, charge.scope))
            });
            if let Some((retry_after, scope)) = refused.max() {
                return Decision::Denied { scope, retry_after };
            }
            for charge in charges {
                let counter = state.counters.entry(charge.key).or_default();
                counter.record(charge, now);
            }
            Decision::Granted
        })
        .await
    }

    async fn refund(&self, charges: &[Charge], at: Timestamp) -> Result<(), StoreError> {
        self.step("limiter.refund", |state| {
            for charge in charges {
                let counter = state.counters.entry(charge.key).or_default();
                counter.give_back(charge, at);
            }
        })
        .await
    }

    async fn clear(&self, keys: &[CounterKey]) -> Result<(), StoreError> {
        self.step("limiter.clear", |state| {
            state.counters.retain(|key, _| !keys.contains(key));
        })
        .await
    }

    async fn sweep(&self, _now: Timestamp, _limit: usize) -> Result<usize, StoreError> {
        self.step("limiter.sweep", |_| 0).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl UserRepo for Fake {
    async fn find(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.step("users.find", |state| state.users.get(&id).cloned())
            .await
    }

    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Option<User>, StoreError> {
        self.step("users.find_by_phone", |state| {
            let mut users = state.users.values();
            users
                .find(|user| indexes.contains(user.phone.index()))
                .cloned()
        })
        .await
    }

    async fn find_or_create(&self, new: &NewUser) -> Result<(User, bool), StoreError> {
        self.step("users.find_or_create", |state| {
            let is_same = |user: &&User| {
                let index = user.phone.index();
                index == new.user.phone.index() || new.aliases.contains(index)
            };
            if let Some(user) = state.users.values().find(is_same) {
                return (user.clone(), false);
            }
            state.users.insert(new.user.id, new.user.clone());
            (new.user.clone(), true)
        })
        .await
    }

    async fn reseal(&self, id: UserId, phone: &SealedPhone) -> Result<bool, StoreError> {
        self.step("users.reseal", |state| {
            let user = state.users.get_mut(&id);
            user.map(|user| user.phone = phone.clone()).is_some()
        })
        .await
    }

    async fn delete(&self, id: UserId) -> Result<bool, StoreError> {
        self.step("users.delete", |state| state.users.remove(&id).is_some())
            .await
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl SessionStore for Fake {
    async fn insert(&self, session: &UserSession, max_live: u32) -> Result<Inserted, StoreError> {
        self.step("sessions.insert", |state| {
            let now = session.created_at;
            if state.sessions.values().any(|s| s.code == session.code) {
                return Inserted::CodeAlreadyUsed;
            }
            state.sessions.insert(session.id, session.clone());
            let mut live: Vec<_> = (state.sessions.values_mut())
                .filter(|s| s.user == session.user && s.is_live(now) && s.id != session.id)
                .collect();
            live.sort_by_key(|s| s.created_at);
            let too_many = (live.len() + 1).saturating_sub(max_live as usize);
            for old in live.into_iter().take(too_many) {
                old.revoked_at = Some(now);
            }
            Inserted::Stored
        })
        .await
    }

    async fn get(&self, id: SessionId) -> Result<Option<UserSession>, StoreError> {
        self.step("sessions.get", |state| state.sessions.get(&id).cloned())
            .await
    }

    async fn rotate(
        &self,
        id: SessionId,
        presented: RefreshDigest,
        renewal: &Renewal,
    ) -> Result<Rotation, StoreError> {
        self.step("sessions.rotate", |state| {
            let session = state.sessions.get_mut(&id);
            let Some(session) = session.filter(|s| s.revoked_at.is_none() && s.refresh.is_some())
            else {
                return Rotation::Gone;
            };
            if session.refresh != Some(presented) {
                session.revoked_at = Some(renewal.last_seen_at);
                return Rotation::Reused;
            }
            session.refresh = Some(renewal.refresh);
            session.last_seen_at = renewal.last_seen_at;
            session.expires_at = renewal.expires_at;
            Rotation::Rotated(session.clone())
        })
        .await
    }

    async fn revoke(&self, id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        self.step("sessions.revoke", |state| {
            let session = state.sessions.get_mut(&id);
            let session = session.filter(|s| s.revoked_at.is_none());
            session.map(|s| s.revoked_at = Some(now)).is_some()
        })
        .await
    }

    async fn revoke_all(&self, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
        self.step("sessions.revoke_all", |state| {
            let own = state.sessions.values_mut();
            own.filter(|s| s.user == user && s.is_live(now))
                .map(|s| s.revoked_at = Some(now))
                .count() as u64
        })
        .await
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<UserSession>, StoreError> {
        self.step("sessions.list", |state| {
            let own = state.sessions.values().filter(|s| s.user == user);
            let mut live: Vec<_> = own.filter(|s| s.is_live(now)).cloned().collect();
            live.sort_by_key(|s| std::cmp::Reverse(s.created_at));
            live
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.step("sessions.sweep", |state| {
            let over = (state.sessions.values())
                .filter(|s| s.ends_at <= now || s.expires_at <= now)
                .map(|s| s.id)
                .take(limit);
            let over: Vec<_> = over.collect();
            state.sessions.retain(|id, _| !over.contains(id));
            over.len()
        })
        .await
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
