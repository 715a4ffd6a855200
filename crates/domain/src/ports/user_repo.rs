use async_trait::async_trait;

use super::StoreError;
use crate::id::UserId;
use crate::user::{NewUser, User};
use crate::vault::{PhoneIndex, SealedPhone};

/// Remembers the users.
///
/// # Contract
/// - Every method is one step, and durable once acknowledged, if the adapter calls itself durable.
/// - A phone has one user: of N parallel `find_or_create` for one phone, one says `created`, and
///   all return the same user. A user stored under an alias of the new phone is that user.
/// - `find_by_phone` finds a user under any of the indexes given.
/// - `reseal` replaces the sealed phone of that user and its index, and says whether the user
///   exists.
/// - `delete` says `true` to exactly one caller; the phone is free again afterwards.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait UserRepo: Send + Sync {
    /// The user of that id.
    async fn find(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The user of a phone, stored under any of its indexes.
    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Option<User>, StoreError>;

    /// The user of that phone, made now unless there is one, and whether this call made it.
    async fn find_or_create(&self, new: &NewUser) -> Result<(User, bool), StoreError>;

    /// Stores the same phone sealed under another key.
    async fn reseal(&self, id: UserId, phone: &SealedPhone) -> Result<bool, StoreError>;

    /// Removes a user.
    async fn delete(&self, id: UserId) -> Result<bool, StoreError>;

    /// Whether the store answers.
    async fn health(&self) -> Result<(), StoreError>;
}
