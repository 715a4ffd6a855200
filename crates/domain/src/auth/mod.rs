//! The use cases: the one façade that the handlers call.
//!
//! Asking for a code: limits → make the code → keep it → queue its message → answer at once.
//! Signing in: count the attempt → limits → judge → the phone's user → the session → mark the code
//! as used. The session comes before the mark, so that a store that fails in between spends nobody's
//! code; the session store's unique code id is what makes a code sign in once.

mod ask;
mod charges;
mod deliver;
mod enter;
mod error;
mod sessions;
mod sign_in;
mod users;
mod views;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::lock::Mutex;

pub use self::ask::AskCode;
pub use self::charges::Limits;
pub use self::deliver::SendJob;
pub use self::error::{AuthError, Part};
pub use self::sessions::Authenticated;
pub use self::sign_in::{Credentials, Grant, SignIn, SignedIn};
pub use self::views::{CodeView, SessionView, Tokens, UserView};

use crate::code::{Code, CodeLength, PhoneCode, ResendWaits};
use crate::event::Event;
use crate::id::{PhoneCodeId, SessionId};
use crate::message::Templates;
use crate::phone::{PhoneNumber, PhonePolicy};
use crate::ports::{
    Clock, CodeStore, Entropy, EventSink, RateLimiter, SendQueue, SessionStore, SmsSender,
    TokenIssuer, UserRepo,
};
use crate::session::{SessionLifetime, UserSession};
use crate::timestamp::Timestamp;
use crate::vault::Vault;

/// Everything outside that the use cases need.
#[derive(Clone)]
pub struct Ports {
    /// Issued codes.
    pub codes: Arc<dyn CodeStore>,
    /// Limits.
    pub limiter: Arc<dyn RateLimiter>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Users.
    pub users: Arc<dyn UserRepo>,
    /// Gateways.
    pub sms: Arc<dyn SmsSender>,
    /// Messages on their way to a gateway.
    pub queue: Arc<dyn SendQueue>,
    /// Access tokens.
    pub tokens: Arc<dyn TokenIssuer>,
    /// Logs, metrics, audit.
    pub events: Arc<dyn EventSink>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// What an operator decides.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Which numbers are texted.
    pub phones: PhonePolicy,
    /// Digits of a code.
    pub code_length: CodeLength,
    /// How long a code is valid, at most 10 minutes (NIST SP 800-63B-4 §3.1.3.2).
    pub code_lifetime: Duration,
    /// How many guesses of a code are judged.
    pub tries: u8,
    /// How long to wait before a resend. The first wait is also the least time between any two
    /// messages to one phone.
    pub resend_waits: ResendWaits,
    /// How often things may happen.
    pub limits: Limits,
    /// How long an access token is valid.
    pub access_lifetime: Duration,
    /// How long a session with refresh tokens lives.
    pub session_lifetime: SessionLifetime,
    /// Live sessions of a user; the oldest goes when there is one more.
    pub sessions_per_user: u32,
    /// Numbers that never reach a gateway.
    pub test_numbers: HashMap<PhoneNumber, TestNumber>,
    /// The texts.
    pub templates: Templates,
}

/// A number with a fixed code, for app reviewers and end-to-end tests. No gateway is asked, so
/// nothing limits its sends but the caller's address.
#[derive(Debug, Clone)]
pub struct TestNumber {
    /// The code that signs it in.
    pub code: Code,
    /// From this moment on it is a number like any other; `None` for never.
    pub until: Option<Timestamp>,
}

/// The use cases over one set of ports.
pub struct Auth {
    ports: Ports,
    policy: Policy,
    vault: RwLock<Arc<Vault>>,
    /// Calls with one idempotency key go one after the other; striped by key.
    turns: [Mutex<()>; 16],
}

impl Auth {
    /// The use cases over these ports, under this policy, with these keys.
    pub fn new(ports: Ports, policy: Policy, vault: Vault) -> Self {
        Self {
            ports,
            policy,
            vault: RwLock::new(Arc::new(vault)),
            turns: Default::default(),
        }
    }

    /// Goes on with other keys: a rotation without a restart.
    pub fn rekey(&self, vault: Vault) {
        *self.vault.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(vault);
    }

    /// What it was made with.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// What the operator decided.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    async fn code(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, AuthError> {
        let found = self.ports.codes.get(id).await;
        Part::Codes.own(found, |code| code.as_ref().is_none_or(|code| code.id == id))
    }

    async fn session(&self, id: SessionId) -> Result<Option<UserSession>, AuthError> {
        let found = self.ports.sessions.get(id).await;
        let is_it = |session: &UserSession| session.id == id;
        Part::Sessions.own(found, |session| session.as_ref().is_none_or(is_it))
    }

    fn vault(&self) -> Arc<Vault> {
        Arc::clone(&self.vault.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    fn emit(&self, event: Event) {
        self.ports.events.record(&event);
    }

    /// Any common spelling of a number that this service texts.
    fn parse_phone(&self, spelling: &str) -> Result<PhoneNumber, AuthError> {
        let phones = &self.policy.phones;
        let phone = PhoneNumber::parse(spelling, phones.default_region)
            .map_err(|_| AuthError::PhoneInvalid)?;
        let known = phones.allows(&phone) || self.test_number(&phone, self.now()).is_some();
        known.then_some(phone).ok_or(AuthError::PhoneNotAllowed)
    }

    fn test_number(&self, phone: &PhoneNumber, now: Timestamp) -> Option<&TestNumber> {
        // Most services have none: no hashing of a phone on every call for nothing.
        if self.policy.test_numbers.is_empty() {
            return None;
        }
        let test = self.policy.test_numbers.get(phone)?;
        test.until.is_none_or(|until| now < until).then_some(test)
    }

    /// Removes what is over from every store, at most `limit` rows of each, and says how many
    /// rows that were.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] of the first store that cannot answer.
    pub async fn sweep(&self, limit: usize) -> Result<usize, AuthError> {
        let now = self.now();
        let codes = self.ports.codes.sweep(now, limit).await;
        // A session keeps its code's id taken, so it stays for as long as its code may live: where
        // sessions are short and the code could not be marked as used, it would sign in again.
        let outlived = now - self.policy.code_lifetime;
        let sessions = self.ports.sessions.sweep(outlived, limit).await;
        let counters = self.ports.limiter.sweep(now, limit).await;
        Ok(codes.map_err(Part::Codes.failed())?
            + sessions.map_err(Part::Sessions.failed())?
            + counters.map_err(Part::RateLimits.failed())?)
    }
}
