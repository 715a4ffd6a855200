//! Users: a phone that somebody proved to hold.

use crate::id::UserId;
use crate::timestamp::Timestamp;
use crate::vault::{PhoneIndex, SealedPhone};

/// Somebody who proved a phone at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Names the user.
    pub id: UserId,
    /// The phone that was proven.
    pub phone: SealedPhone,
    /// When it was first proven.
    pub created_at: Timestamp,
}

/// A user to be made unless the phone has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The user to make.
    pub user: User,
    /// Indexes of the same phone under other keys: a user stored under one of them is the one.
    pub aliases: Vec<PhoneIndex>,
}
