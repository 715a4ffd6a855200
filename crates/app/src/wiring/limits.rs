//! Limits on two stores.

use std::sync::Arc;

use async_trait::async_trait;
use domain::ports::{RateLimiter, StoreError};
use domain::rate_limit::{Charge, CounterKey, Decision, Scope};
use domain::timestamp::Timestamp;
use futures_util::future::join;

/// The phone's failure budget beside the users, every other limit where limits are kept: what an
/// emptied Redis forgets gives nobody more guesses.
///
/// Both stores are asked at once, so that a sign-in waits no longer than on one. Under contention
/// a call may find room on one of them that another call is about to give back: it is refused
/// then, and never granted too much.
pub(super) struct SplitLimits {
    beside_users: Arc<dyn RateLimiter>,
    others: Arc<dyn RateLimiter>,
    is_beside_users: fn(&Charge) -> bool,
}

impl SplitLimits {
    pub(super) fn new(beside_users: Arc<dyn RateLimiter>, others: Arc<dyn RateLimiter>) -> Self {
        Self {
            beside_users,
            others,
            is_beside_users: |charge| charge.scope == Scope::FailuresPerPhone,
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
        let decisions = join(one.acquire(now), other.acquire(now)).await;
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
