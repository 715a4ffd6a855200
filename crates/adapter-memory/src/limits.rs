use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{RateLimiter, StoreError};
use domain::rate_limit::{Charge, Counter, CounterKey, Decision};
use domain::timestamp::Timestamp;

use crate::lock::Mutex;
use crate::sweep::{self, ExpiryQueue};

/// The counters of this process, under one lock: a call counts on all of its counters or on none.
#[derive(Default)]
pub struct MemoryRateLimiter(Mutex<Counters>);

#[derive(Default)]
struct Counters {
    by_key: HashMap<CounterKey, Counted, BuildHasherDefault<KeyHasher>>,
    queue: ExpiryQueue<CounterKey>,
}

/// A counter's key is a keyed digest already: nobody outside can choose keys that collide, so its
/// first bytes serve as its hash.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    /// The length of the key, which is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

struct Counted {
    counter: Counter,
    over_at: Timestamp,
}

impl Counters {
    fn acquire(&mut self, charges: &[Charge], now: Timestamp) -> Decision {
        let waits = charges
            .iter()
            .filter_map(|charge| Some((charge.scope, self.wait(charge, now)?)));
        if let Some((scope, retry_after)) = waits.max_by_key(|(_, wait)| *wait) {
            return Decision::Denied { scope, retry_after };
        }
        for charge in charges {
            self.record(charge, now);
        }
        Decision::Granted
    }

    fn wait(&self, charge: &Charge, now: Timestamp) -> Option<Duration> {
        match self.by_key.get(&charge.key) {
            Some(counted) => counted.counter.admit(charge, now).err(),
            None => Counter::default().admit(charge, now).err(),
        }
    }

    fn record(&mut self, charge: &Charge, now: Timestamp) {
        match self.by_key.entry(charge.key) {
            Entry::Occupied(mut place) => {
                let counted = place.get_mut();
                counted.counter.record(charge, now);
                counted.over_at = counted.counter.expires_at(&charge.limit);
            }
            Entry::Vacant(place) => {
                let mut counter = Counter::default();
                counter.record(charge, now);
                let over_at = counter.expires_at(&charge.limit);
                place.insert(Counted { counter, over_at });
                self.queue.push(over_at, charge.key);
            }
        }
    }

    fn refund(&mut self, charges: &[Charge], at: Timestamp) {
        for charge in charges {
            if let Some(counted) = self.by_key.get_mut(&charge.key) {
                counted.counter.give_back(charge, at);
            }
        }
    }

    /// An empty counter keeps its place in the queue: it goes when it would have gone.
    fn clear(&mut self, keys: &[CounterKey]) {
        for key in keys {
            if let Some(counted) = self.by_key.get_mut(key) {
                counted.counter = Counter::default();
            }
        }
    }

    fn sweep(&mut self, now: Timestamp, limit: usize) -> usize {
        let Self { by_key, queue } = self;
        let mut removed = 0;
        while removed < limit {
            let over_at = |key: &CounterKey| by_key.get(key).map_or(now, |counted| counted.over_at);
            let Some(key) = queue.pop(now, over_at) else {
                break;
            };
            removed += usize::from(by_key.remove(&key).is_some());
        }
        if sweep::is_sparse(by_key.len(), by_key.capacity()) {
            by_key.shrink_to(by_key.len() * 2);
        }
        queue.trim();
        removed
    }
}

impl MemoryRateLimiter {
    /// A limiter that counted nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    async fn acquire(&self, charges: &[Charge], now: Timestamp) -> Result<Decision, StoreError> {
        Ok(self.0.lock().acquire(charges, now))
    }

    async fn refund(&self, charges: &[Charge], at: Timestamp) -> Result<(), StoreError> {
        self.0.lock().refund(charges, at);
        Ok(())
    }

    async fn clear(&self, keys: &[CounterKey]) -> Result<(), StoreError> {
        self.0.lock().clear(keys);
        Ok(())
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        Ok(sweep::in_steps(limit, |step| {
            self.0.lock().sweep(now, step)
        }))
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
