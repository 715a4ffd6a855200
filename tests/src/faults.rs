//! Stores that fail when told, over the real ones.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use app::Builder;
use async_trait::async_trait;
use domain::auth::{Part, Ports};
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
use tokio::sync::watch;

use crate::app::TestApp;

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It says at once that it cannot answer.
    Down,
    /// It says nothing until it is healed, and then that it could not answer.
    Silent,
    /// It finds its rows unreadable.
    Rotten,
    /// It gives rows that belong to something else.
    Lying,
    /// It cannot mark a code as used, as if the process died just before.
    Forgetful,
}

/// The real stores of an app, one of which may have a fault.
#[derive(Clone)]
pub struct Faulty {
    real: Ports,
    fault: watch::Sender<Option<(Part, Fault)>>,
    writes: Arc<AtomicUsize>,
    /// What a lying store gives: the rows that were written first.
    decoy: Arc<Mutex<Decoy>>,
}

#[derive(Default)]
struct Decoy {
    code: Option<PhoneCode>,
    session: Option<UserSession>,
    user: Option<User>,
}

impl Faulty {
    /// Over the stores of an app, without a fault.
    pub fn over(app: &TestApp) -> Self {
        Self {
            real: app.auth().ports().clone(),
            fault: watch::Sender::new(None),
            writes: Arc::default(),
            decoy: Arc::default(),
        }
    }

    /// Puts them in the place of an app's own.
    pub fn put_into(&self, parts: Builder) -> Builder {
        let port = Arc::new(self.clone());
        parts
            .codes(port.clone())
            .rate_limits(port.clone())
            .sessions(port.clone())
            .users(port)
    }

    /// From now on that part has a fault.
    pub fn fail(&self, part: Part, fault: Fault) {
        self.fault.send_replace(Some((part, fault)));
    }

    /// From now on no part has one.
    pub fn heal(&self) {
        self.fault.send_replace(None);
    }

    /// How many calls asked to change something.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    async fn read(&self, part: Part) -> Result<bool, StoreError> {
        let fault = *self.fault.borrow();
        match fault.filter(|(faulty, _)| *faulty == part) {
            None | Some((_, Fault::Forgetful)) => Ok(false),
            Some((_, Fault::Lying)) => Ok(true),
            Some((_, Fault::Down)) => Err(StoreError::unavailable("told to be down")),
            Some((_, Fault::Rotten)) => Err(StoreError::corrupt("told to be rotten")),
            Some((_, Fault::Silent)) => {
                let _ = self.fault.subscribe().wait_for(Option::is_none).await;
                Err(StoreError::unavailable("told to be silent"))
            }
        }
    }

    async fn write(&self, part: Part) -> Result<bool, StoreError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.read(part).await
    }

    fn decoy<T: Clone>(&self, of: impl FnOnce(&Decoy) -> &Option<T>) -> Option<T> {
        of(&self.decoy.lock().expect("no panic under the lock")).clone()
    }

    fn keep<T: Clone>(&self, of: impl FnOnce(&mut Decoy) -> &mut Option<T>, first: &T) {
        let mut decoy = self.decoy.lock().expect("no panic under the lock");
        of(&mut decoy).get_or_insert_with(|| first.clone());
    }
}

#[async_trait]
impl CodeStore for Faulty {
    async fn put(&self, code: &PhoneCode) -> Result<bool, StoreError> {
        self.write(Part::Codes).await?;
        self.keep(|decoy| &mut decoy.code, code);
        self.real.codes.put(code).await
    }

    async fn get(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError> {
        match self.read(Part::Codes).await? {
            true => Ok(self.decoy(|decoy| &decoy.code)),
            false => self.real.codes.get(id).await,
        }
    }

    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Vec<PhoneCode>, StoreError> {
        match self.read(Part::Codes).await? {
            true => Ok(self.decoy(|decoy| &decoy.code).into_iter().collect()),
            false => self.real.codes.find_by_phone(indexes).await,
        }
    }

    async fn begin_attempt(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError> {
        match self.write(Part::Codes).await? {
            true => Ok(self.decoy(|decoy| &decoy.code)),
            false => self.real.codes.begin_attempt(id).await,
        }
    }

    async fn release_attempt(&self, id: PhoneCodeId) -> Result<(), StoreError> {
        self.write(Part::Codes).await?;
        self.real.codes.release_attempt(id).await
    }

    async fn consume(&self, id: PhoneCodeId) -> Result<bool, StoreError> {
        self.write(Part::Codes).await?;
        if *self.fault.borrow() == Some((Part::Codes, Fault::Forgetful)) {
            return Err(StoreError::unavailable("told to forget"));
        }
        self.real.codes.consume(id).await
    }

    async fn set_delivery(&self, id: PhoneCodeId, new: Delivery) -> Result<bool, StoreError> {
        self.write(Part::Codes).await?;
        self.real.codes.set_delivery(id, new).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.read(Part::Codes).await?;
        self.real.codes.sweep(now, limit).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.read(Part::Codes).await?;
        self.real.codes.health().await
    }
}

#[async_trait]
impl RateLimiter for Faulty {
    async fn acquire(&self, charges: &[Charge], now: Timestamp) -> Result<Decision, StoreError> {
        self.write(Part::RateLimits).await?;
        self.real.limiter.acquire(charges, now).await
    }

    async fn refund(&self, charges: &[Charge], at: Timestamp) -> Result<(), StoreError> {
        self.write(Part::RateLimits).await?;
        self.real.limiter.refund(charges, at).await
    }

    async fn clear(&self, keys: &[CounterKey]) -> Result<(), StoreError> {
        self.write(Part::RateLimits).await?;
        self.real.limiter.clear(keys).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.read(Part::RateLimits).await?;
        self.real.limiter.sweep(now, limit).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.read(Part::RateLimits).await?;
        self.real.limiter.health().await
    }
}

#[async_trait]
impl SessionStore for Faulty {
    async fn insert(&self, session: &UserSession, max_live: u32) -> Result<Inserted, StoreError> {
        self.write(Part::Sessions).await?;
        self.keep(|decoy| &mut decoy.session, session);
        self.real.sessions.insert(session, max_live).await
    }

    async fn get(&self, id: SessionId) -> Result<Option<UserSession>, StoreError> {
        match self.read(Part::Sessions).await? {
            true => Ok(self.decoy(|decoy| &decoy.session)),
            false => self.real.sessions.get(id).await,
        }
    }

    async fn rotate(
        &self,
        id: SessionId,
        presented: RefreshDigest,
        renewal: &Renewal,
    ) -> Result<Rotation, StoreError> {
        match self.write(Part::Sessions).await? {
            true => Ok(Rotation::Rotated(
                self.decoy(|decoy| &decoy.session)
                    .expect("an earlier session"),
            )),
            false => self.real.sessions.rotate(id, presented, renewal).await,
        }
    }

    async fn revoke(&self, id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        self.write(Part::Sessions).await?;
        self.real.sessions.revoke(id, now).await
    }

    async fn revoke_all(&self, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
        self.write(Part::Sessions).await?;
        self.real.sessions.revoke_all(user, now).await
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<UserSession>, StoreError> {
        self.read(Part::Sessions).await?;
        self.real.sessions.list(user, now).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.read(Part::Sessions).await?;
        self.real.sessions.sweep(now, limit).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.read(Part::Sessions).await?;
        self.real.sessions.health().await
    }
}

#[async_trait]
impl UserRepo for Faulty {
    async fn find(&self, id: UserId) -> Result<Option<User>, StoreError> {
        match self.read(Part::Users).await? {
            true => Ok(self.decoy(|decoy| &decoy.user)),
            false => self.real.users.find(id).await,
        }
    }

    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Option<User>, StoreError> {
        match self.read(Part::Users).await? {
            true => Ok(self.decoy(|decoy| &decoy.user)),
            false => self.real.users.find_by_phone(indexes).await,
        }
    }

    async fn find_or_create(&self, new: &NewUser) -> Result<(User, bool), StoreError> {
        if self.write(Part::Users).await? {
            let other = self.decoy(|decoy| &decoy.user);
            return Ok((other.expect("an earlier user"), false));
        }
        let found = self.real.users.find_or_create(new).await?;
        self.keep(|decoy| &mut decoy.user, &found.0);
        Ok(found)
    }

    async fn reseal(&self, id: UserId, phone: &SealedPhone) -> Result<bool, StoreError> {
        self.write(Part::Users).await?;
        self.real.users.reseal(id, phone).await
    }

    async fn delete(&self, id: UserId) -> Result<bool, StoreError> {
        self.write(Part::Users).await?;
        self.real.users.delete(id).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.read(Part::Users).await?;
        self.real.users.health().await
    }
}
