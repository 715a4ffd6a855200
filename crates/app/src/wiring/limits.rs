//! Limits on two stores.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ports::{RateLimiter, StoreError};
use domain::rate_limit::{Charge, CounterKey, Decision, Scope};
use domain::timestamp::Timestamp;
use futures_util::future::join;
use parking_lot::Mutex;

/// How many addresses are remembered, at 16 bytes each.
const REMEMBERED: usize = 10_000;

/// The phone's failure budget beside the users, every other limit where limits are kept: what an
/// emptied Redis forgets gives nobody more guesses.
///
/// Both stores are asked at once, so that a sign-in waits no longer than on one. Under contention
/// a call may find room on one of them that another call is about to give back: it is refused
/// then, and never granted too much.
///
/// But an address that had too many failures at its last call is asked for first, and refused by
/// that alone: its flood is no work for the users' store.
pub(super) struct SplitLimits {
    beside_users: Arc<dyn RateLimiter>,
    others: Arc<dyn RateLimiter>,
    is_beside_users: fn(&Charge) -> bool,
    refused: Mutex<HashSet<CounterKey>>,
}

impl SplitLimits {
    pub(super) fn new(beside_users: Arc<dyn RateLimiter>, others: Arc<dyn RateLimiter>) -> Self {
        Self {
            beside_users,
            others,
            is_beside_users: |charge| charge.scope == Scope::FailuresPerPhone,
            refused: Mutex::default(),
        }
    }

    /// Each store with its share of the charges.
    fn shares(&self, charges: &[Charge]) -> [Share<'_>; 2] {
        let (beside_users, others) = charges.iter().cloned().partition(self.is_beside_users);
        [
            Share::new(&*self.beside_users, beside_users),
            Share::new(&*self.others, others),
        ]
    }

    fn was_refused(&self, others: &[Charge]) -> bool {
        let refused = self.refused.lock();
        addresses(others).any(|address| refused.contains(&address))
    }

    fn remember(&self, others: &[Charge], decision: &Decision) {
        let mut refused = self.refused.lock();
        for address in addresses(others) {
            if *decision == Decision::Granted {
                refused.remove(&address);
                continue;
            }
            if refused.len() >= REMEMBERED {
                refused.clear();
            }
            refused.insert(address);
        }
    }
}

/// Whose failures are charged.
fn addresses(charges: &[Charge]) -> impl Iterator<Item = CounterKey> {
    let of_address = |charge: &&Charge| charge.scope == Scope::FailuresPerAddress;
    charges.iter().filter(of_address).map(|charge| charge.key)
}

/// Charges of one store, which is not asked for nothing.
struct Share<'a> {
    store: &'a dyn RateLimiter,
    charges: Vec<Charge>,
}

impl<'a> Share<'a> {
    fn new(store: &'a dyn RateLimiter, charges: Vec<Charge>) -> Self {
        Self { store, charges }
    }

    async fn acquire(&self, now: Timestamp) -> Result<Decision, StoreError> {
        if self.charges.is_empty() {
            return Ok(Decision::Granted);
        }
        self.store.acquire(&self.charges, now).await
    }

    async fn refund(&self, at: Timestamp) -> Result<(), StoreError> {
        if self.charges.is_empty() {
            return Ok(());
        }
        self.store.refund(&self.charges, at).await
    }
}

#[async_trait]
impl RateLimiter for SplitLimits {
    async fn acquire(&self, charges: &[Charge], now: Timestamp) -> Result<Decision, StoreError> {
        let [one, other] = self.shares(charges);
        let decisions = match self.was_refused(&other.charges) {
            false => join(one.acquire(now), other.acquire(now)).await,
            true => match other.acquire(now).await {
                Ok(Decision::Granted) => (one.acquire(now).await, Ok(Decision::Granted)),
                refused => return refused,
            },
        };
        if let Ok(decision) = &decisions.1 {
            self.remember(&other.charges, decision);
        }
        let granted_alone = match &decisions {
            (Ok(Decision::Granted), Ok(Decision::Granted)) => None,
            (Ok(Decision::Granted), _) => Some(&one),
            (_, Ok(Decision::Granted)) => Some(&other),
            _ => None,
        };
        if let Some(share) = granted_alone {
            // Where this fails the charges stay counted: the strict side.
            let _ = share.refund(now).await;
        }
        Ok(longest_wait(decisions.0?, decisions.1?))
    }

    async fn refund(&self, charges: &[Charge], at: Timestamp) -> Result<(), StoreError> {
        let [one, other] = self.shares(charges);
        let (one, other) = join(one.refund(at), other.refund(at)).await;
        one.and(other)
    }

    /// A key does not tell whose it is.
    async fn clear(&self, keys: &[CounterKey]) -> Result<(), StoreError> {
        let (one, other) = join(self.beside_users.clear(keys), self.others.clear(keys)).await;
        one.and(other)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let one = self.beside_users.sweep(now, limit).await;
        let rest = limit - one.as_ref().map_or(0, |removed| *removed);
        let other = self.others.sweep(now, rest).await;
        Ok(one? + other?)
    }

    async fn health(&self) -> Result<(), StoreError> {
        let (one, other) = join(self.beside_users.health(), self.others.health()).await;
        one.and(other)
    }
}

fn longest_wait(one: Decision, other: Decision) -> Decision {
    match (one, other) {
        (Decision::Granted, decision) | (decision, Decision::Granted) => decision,
        (Decision::Denied { retry_after: a, .. }, Decision::Denied { retry_after: b, .. }) => {
            if a >= b { one } else { other }
        }
    }
}

#[cfg(test)]
mod tests;
