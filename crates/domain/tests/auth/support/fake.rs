//! Every port in memory, with one switch: which call fails, and how.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use domain::auth::{Ports, SendJob};
use domain::code::PhoneCode;
use domain::event::Event;
use domain::id::{PhoneCodeId, SessionId, UserId};
use domain::message::SmsMessage;
use domain::ports::{SmsError, StoreError};
use domain::rate_limit::{Counter, CounterKey};
use domain::session::UserSession;
use domain::timestamp::Timestamp;
use domain::user::User;
use parking_lot::{Mutex, MutexGuard};

/// What the stores hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub codes: BTreeMap<PhoneCodeId, PhoneCode>,
    pub counters: BTreeMap<CounterKey, Counter>,
    pub users: BTreeMap<UserId, User>,
    pub sessions: BTreeMap<SessionId, UserSession>,
}

/// Which calls fail.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Fault {
    #[default]
    None,
    /// The call of that number, from 0, is not carried out.
    Nth(usize),
    /// The call of that number is carried out, and its answer is lost.
    LostAnswer(usize),
    /// No call of that step is carried out.
    Step(&'static str),
    /// No call of that number or later is carried out, where the step starts like this.
    DownFrom(usize, &'static str),
}

/// The outside world and the memory of what was asked of it.
pub struct Fake {
    state: Mutex<State>,
    now: Mutex<Timestamp>,
    noise: Mutex<u64>,
    fault: Mutex<Fault>,
    calls: Mutex<Vec<&'static str>>,
    /// Whether calls wait in a random order, as calls to a real store do.
    pub slow: bool,
    /// How many turns the answer of a store takes, as if it were a server far away.
    pub distance: Mutex<u64>,
    pub jobs: Mutex<VecDeque<SendJob>>,
    pub places: Mutex<usize>,
    pub gateway: Mutex<VecDeque<SmsError>>,
    pub sent: Mutex<Vec<SmsMessage>>,
    pub events: Mutex<Vec<Event>>,
}

impl Fake {
    pub fn new(seed: u64, slow: bool) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            now: Mutex::new(Timestamp::from_secs(1_800_000_000)),
            noise: Mutex::new(seed),
            fault: Mutex::default(),
            calls: Mutex::default(),
            slow,
            distance: Mutex::default(),
            jobs: Mutex::default(),
            places: Mutex::new(1000),
            gateway: Mutex::default(),
            sent: Mutex::default(),
            events: Mutex::default(),
        })
    }

    pub fn ports(self: &Arc<Self>) -> Ports {
        Ports {
            codes: self.clone(),
            limiter: self.clone(),
            sessions: self.clone(),
            users: self.clone(),
            sms: self.clone(),
            queue: Arc::new(super::outside::Queue(self.clone())),
            tokens: self.clone(),
            events: self.clone(),
            clock: self.clone(),
            entropy: self.clone(),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub fn now(&self) -> Timestamp {
        *self.now.lock()
    }

    pub fn advance(&self, time: Duration) {
        let mut now = self.now.lock();
        *now = *now + time;
    }

    /// Sets what fails from here on, and forgets the calls so far.
    pub fn arm(&self, fault: Fault) {
        *self.fault.lock() = fault;
        self.calls.lock().clear();
    }

    /// The calls since [`Fake::arm`].
    pub fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().clone()
    }

    /// SplitMix64: the same in every run.
    pub fn random(&self) -> u64 {
        let mut noise = self.noise.lock();
        *noise = noise.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (*noise ^ (*noise >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Notes the step and says what is to become of it: `(done, answered)`.
    pub fn fate(&self, step: &'static str) -> (bool, bool) {
        let mut calls = self.calls.lock();
        let number = calls.len();
        calls.push(step);
        match *self.fault.lock() {
            Fault::Nth(n) if n == number => (false, false),
            Fault::Step(name) if name == step => (false, false),
            Fault::LostAnswer(n) if n == number => (true, false),
            Fault::DownFrom(n, port) if n <= number && step.starts_with(port) => (false, false),
            _ => (true, true),
        }
    }

    /// One atomic step of a store.
    pub async fn step<T>(
        &self,
        step: &'static str,
        work: impl FnOnce(&mut State) -> T,
    ) -> Result<T, StoreError> {
        self.pause().await;
        let distance = *self.distance.lock();
        turns(distance).await;
        let (done, answered) = self.fate(step);
        let result = done.then(|| work(&mut self.state.lock()));
        self.pause().await;
        result
            .filter(|_| answered)
            .ok_or_else(|| StoreError::unavailable("the test breaks it"))
    }

    /// Lets other tasks go first, up to three times.
    pub async fn pause(&self) {
        turns(if self.slow { self.random() % 4 } else { 0 }).await;
    }
}

/// Lets other tasks go first, so many times.
async fn turns(mut left: u64) {
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
