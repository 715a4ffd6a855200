use async_trait::async_trait;

use super::StoreError;
use crate::code::{Delivery, PhoneCode};
use crate::id::PhoneCodeId;
use crate::timestamp::Timestamp;
use crate::vault::PhoneIndex;

/// Remembers the codes that were issued.
///
/// # Contract
/// - Every method is one step: between any two processes it happened before or after, never
///   during. What it acknowledged is durable, if the adapter calls itself durable.
/// - A code is kept at least until its `expires_at`. Nothing here judges expiry: an expired code
///   that is still there is returned as it is, and the domain decides.
/// - `put` keeps the first code of an id and says whether it was this one.
/// - N parallel `begin_attempt` of one id return N different values of `attempts`, each already
///   counted. It saturates at 255.
/// - `release_attempt` takes back one counted attempt, never below zero.
/// - `consume` says `true` to exactly one caller, ever, and never for an unknown id.
/// - `set_delivery` stores what [`Delivery::yields_to`] allows, and drops what it does not: an old
///   message's outcome never hides a newer message.
/// - `find_by_phone` returns the codes of a phone under any of its indexes, newest first.
/// - `sweep` removes only codes with `expires_at <= now`, at most `limit` of them.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait CodeStore: Send + Sync {
    /// Keeps a new code, unless the id is taken: `false` then, and nothing changes.
    async fn put(&self, code: &PhoneCode) -> Result<bool, StoreError>;

    /// The code of that id.
    async fn get(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError>;

    /// The codes kept for a phone, newest first, whatever their state.
    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Vec<PhoneCode>, StoreError>;

    /// Counts an attempt and returns the code with it counted.
    async fn begin_attempt(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError>;

    /// Takes back an attempt whose guess was not turned down: something else failed.
    async fn release_attempt(&self, id: PhoneCodeId) -> Result<(), StoreError>;

    /// Marks the code as used: `true` for the one caller that did.
    async fn consume(&self, id: PhoneCodeId) -> Result<bool, StoreError>;

    /// Records what became of a message: `true` if it is what the store now holds.
    async fn set_delivery(&self, id: PhoneCodeId, delivery: Delivery) -> Result<bool, StoreError>;

    /// Removes expired codes, at most `limit`, and says how many.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// Whether the store answers.
    async fn health(&self) -> Result<(), StoreError>;
}
