use async_trait::async_trait;

use super::StoreError;
use crate::rate_limit::{Charge, CounterKey, Decision};
use crate::timestamp::Timestamp;

/// Counts charges against their limits. The arithmetic is [`Counter`]'s, the same in every store.
///
/// # Contract
/// - Every method is one step, and durable once acknowledged, if the adapter calls itself durable.
/// - `acquire` counts all charges or none. However many calls arrive at once, no window of any
///   charge ever holds more than its count. No two charges of one call have the same key.
/// - Of several limits that refuse, the one with the longest wait is reported.
/// - `refund` takes back charges that were granted at `at`; what a window has already forgotten is
///   not taken back twice.
/// - `clear` forgets counters entirely.
/// - A limiter that cannot answer says so: it never admits by default.
/// - `sweep` removes only counters that no window looks at any more, at most `limit`.
///
/// [`Counter`]: crate::rate_limit::Counter
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Counts all charges at `now`, or none of them.
    async fn acquire(&self, charges: &[Charge], now: Timestamp) -> Result<Decision, StoreError>;

    /// Takes back charges granted at `at`.
    async fn refund(&self, charges: &[Charge], at: Timestamp) -> Result<(), StoreError>;

    /// Forgets these counters.
    async fn clear(&self, keys: &[CounterKey]) -> Result<(), StoreError>;

    /// Removes counters that are over, at most `limit`, and says how many.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// Whether the store answers.
    async fn health(&self) -> Result<(), StoreError>;
}
