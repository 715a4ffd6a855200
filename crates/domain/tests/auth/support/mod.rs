//! A world to sign in to: the use cases over ports in memory, driven without an async runtime.

pub mod fake;
mod outside;
mod stores;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::auth::{
    AskCode, Auth, AuthError, Authenticated, CodeView, Credentials, Grant, Limits, Policy, SignIn,
    SignedIn, Tokens,
};
use domain::code::{CodeLength, ResendWaits};
use domain::event::Event;
use domain::id::PhoneCodeId;
use domain::message::{Locale, Templates};
use domain::phone::{Country, PhoneKind, PhoneNumber, PhonePolicy};
use domain::rate_limit::{Limit, Scope, Window};
use domain::session::{Caller, SessionLifetime};
use domain::vault::{KeyId, Vault};
pub use futures_executor::block_on;

pub use self::fake::{Fake, Fault, State};

pub const PHONE: &str = "+8613800138000";
pub const NEIGHBOUR: &str = "+8613800138001";
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(86_400);

pub struct World {
    pub fake: Arc<Fake>,
    pub auth: Auth,
}

pub fn limit(windows: &[(u32, Duration)]) -> Option<Arc<Limit>> {
    let windows = windows
        .iter()
        .map(|&(count, period)| Window { count, period });
    Some(Arc::new(Limit::new(windows.collect()).unwrap()))
}

pub fn vault(keys: &[u32], current: u32) -> Vault {
    let secrets: Vec<_> = keys.iter().map(|id| [*id as u8; 32]).collect();
    let keys: Vec<_> = keys
        .iter()
        .zip(&secrets)
        .map(|(id, secret)| (KeyId(*id), secret.as_slice()))
        .collect();
    Vault::new(&keys, KeyId(current)).unwrap()
}

pub fn caller(address: &str) -> Caller {
    Caller::new(address.parse::<IpAddr>().unwrap(), Some("test/1.0"))
}

pub fn home() -> Caller {
    caller("192.0.2.1")
}

pub fn phone(spelling: &str) -> PhoneNumber {
    PhoneNumber::parse(spelling, Country::parse("CN").unwrap()).unwrap()
}

pub fn limits() -> Limits {
    Limits {
        sends_per_phone: limit(&[(1, MINUTE), (5, HOUR), (10, DAY)]),
        sends_per_address: limit(&[(60, HOUR), (300, DAY)]),
        sends_per_network: limit(&[(120, HOUR)]),
        sends_per_prefix: limit(&[(20, HOUR)]),
        sends_per_country: limit(&[(200, DAY)]),
        sends_overall: limit(&[(1000, HOUR)]),
        spend_overall: limit(&[(50_000, DAY)]),
        prices: HashMap::from([(Country::parse("CN").unwrap(), 45)]),
        failures_per_phone: limit(&[(20, DAY)]),
        failures_per_address: limit(&[(100, HOUR)]),
    }
}

pub fn policy() -> Policy {
    Policy {
        phones: PhonePolicy {
            default_region: Country::parse("CN").unwrap(),
            countries: Some(vec![Country::parse("CN").unwrap()]),
            kinds: vec![PhoneKind::Mobile],
        },
        code_length: CodeLength::new(6).unwrap(),
        code_lifetime: 5 * MINUTE,
        tries: 5,
        resend_waits: ResendWaits::new(vec![MINUTE, 2 * MINUTE, 5 * MINUTE]).unwrap(),
        limits: limits(),
        access_lifetime: 5 * MINUTE,
        session_lifetime: SessionLifetime::Refreshed {
            idle: 7 * DAY,
            total: 30 * DAY,
        },
        sessions_per_user: 20,
        test_numbers: HashMap::new(),
        templates: Templates::new("brand", "example.org"),
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Policy)) -> Self {
        Self::over(Fake::new(1, false), change)
    }

    pub fn over(fake: Arc<Fake>, change: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = policy();
        change(&mut policy);
        let auth = Auth::new(fake.ports(), policy, vault(&[1], 1));
        Self { fake, auth }
    }

    pub fn ask_from(&self, phone: &str, caller: &Caller) -> Result<CodeView, AuthError> {
        block_on(self.auth.ask_code(AskCode {
            phone,
            locale: Locale::En,
            caller,
            idempotency_key: None,
        }))
    }

    pub fn ask(&self, phone: &str) -> Result<CodeView, AuthError> {
        self.ask_from(phone, &home())
    }

    /// Asks for a code and hands its message over.
    pub fn code_for(&self, phone: &str) -> PhoneCodeId {
        let id = self.ask(phone).unwrap().id;
        self.deliver();
        id
    }

    pub fn resend(&self, id: PhoneCodeId) -> Result<CodeView, AuthError> {
        block_on(self.auth.resend_code(id, &home()))
    }

    pub fn status(&self, id: PhoneCodeId) -> CodeView {
        block_on(self.auth.code_status(id)).unwrap()
    }

    /// Does the work of the queue.
    pub fn deliver(&self) {
        loop {
            let job = self.fake.jobs.lock().pop_front();
            let Some(job) = job else { return };
            *self.fake.places.lock() += 1;
            block_on(self.auth.deliver(&job));
        }
    }

    /// What the person reads on the phone.
    pub fn digits(&self, id: PhoneCodeId) -> String {
        let sent = self.fake.sent.lock();
        let own = |id: PhoneCodeId| format!("{id}-");
        let message = sent.iter().rfind(|m| m.id.starts_with(&own(id)));
        message.unwrap().code.expose().to_owned()
    }

    /// Digits that no code sent so far has.
    pub fn wrong(&self) -> String {
        let sent = self.fake.sent.lock();
        let taken = |code: &String| sent.iter().any(|m| m.code.expose() == code);
        let mut codes = (0..1_000_000).map(|n| format!("{n:06}"));
        codes.find(|code| !taken(code)).unwrap()
    }

    /// A guess that is judged, and is wrong.
    pub fn miss(&self, id: PhoneCodeId) {
        match self.sign_in(id, &self.wrong()) {
            Err(AuthError::CodeIncorrect { .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    pub fn sign_in(&self, id: PhoneCodeId, code: &str) -> Result<SignedIn, AuthError> {
        self.sign_in_for(id, code, Grant::Tokens)
    }

    pub fn sign_in_for(
        &self,
        id: PhoneCodeId,
        code: &str,
        grant: Grant,
    ) -> Result<SignedIn, AuthError> {
        let caller = &home();
        let sign_in = SignIn {
            code,
            caller,
            grant,
        };
        block_on(self.auth.sign_in(&id.to_string(), sign_in))
    }

    pub fn sign_in_by_phone(&self, phone: &str, code: &str) -> Result<SignedIn, AuthError> {
        let sign_in = SignIn {
            code,
            caller: &home(),
            grant: Grant::AccessOnly(DAY),
        };
        block_on(self.auth.sign_in_by_phone(phone, sign_in))
    }

    /// A whole sign-in, a minute after whatever was before.
    pub fn enter(&self, phone: &str) -> SignedIn {
        self.fake.advance(MINUTE);
        let id = self.code_for(phone);
        self.sign_in(id, &self.digits(id)).unwrap()
    }

    pub fn authenticate(&self, entered: &SignedIn) -> Result<Authenticated, AuthError> {
        match &entered.credentials {
            Credentials::Tokens(tokens) => block_on(self.auth.authenticate(tokens.access.expose())),
            Credentials::Cookie(token) => block_on(self.auth.authenticate_cookie(token.expose())),
        }
    }

    pub fn refresh(&self, entered: &SignedIn) -> Result<SignedIn, AuthError> {
        let token = tokens(entered).refresh.as_ref().unwrap();
        block_on(self.auth.refresh(token.expose()))
    }

    /// What the stores hold, less counters that count nothing.
    pub fn snapshot(&self) -> State {
        let mut state = self.fake.state().clone();
        state.counters.retain(|_, counter| !counter.is_empty());
        state
    }

    pub fn events(&self) -> Vec<Event> {
        self.fake.events.lock().clone()
    }
}

/// A sign-in whose session is held by tokens.
pub fn for_tokens<'a>(code: &'a str, caller: &'a Caller) -> SignIn<'a> {
    SignIn {
        code,
        caller,
        grant: Grant::Tokens,
    }
}

pub fn tokens(entered: &SignedIn) -> &Tokens {
    match &entered.credentials {
        Credentials::Tokens(tokens) => tokens,
        Credentials::Cookie(_) => panic!("a cookie, not tokens"),
    }
}

/// Which limit refused a call, and for how many whole seconds.
pub fn refused<T: std::fmt::Debug>(answer: Result<T, AuthError>) -> (Option<Scope>, u64) {
    match answer {
        Err(AuthError::RateLimited { scope, retry_after }) => (scope, retry_after.as_secs()),
        other => panic!("{other:?}"),
    }
}

/// Asks for a code under an idempotency key.
pub fn idempotent(world: &World, phone: &str, key: &str) -> Result<CodeView, AuthError> {
    block_on(world.auth.ask_code(AskCode {
        phone,
        locale: Locale::En,
        caller: &home(),
        idempotency_key: Some(key),
    }))
}
