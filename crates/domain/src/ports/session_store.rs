use async_trait::async_trait;

use super::StoreError;
use crate::id::{SessionId, UserId};
use crate::session::{RefreshDigest, Renewal, UserSession};
use crate::timestamp::Timestamp;

/// What became of a new session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Inserted {
    /// It is stored.
    Stored,
    /// Another session was made with the same code; nothing is stored.
    CodeAlreadyUsed,
}

/// What became of a refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Rotation {
    /// The presented token was the one that works; the session as it is now.
    Rotated(UserSession),
    /// The session is live, but the presented token is not the one that works: it was used
    /// before. The session is revoked now.
    Reused,
    /// No such session, or it is revoked, or it has no refresh token.
    Gone,
}

/// Remembers the sessions.
///
/// # Contract
/// - Every method is one step, and durable once acknowledged, if the adapter calls itself durable.
/// - No two sessions of one PhoneCode id, ever, however many arrive at once, and whether or not
///   the first was revoked: this is what makes a code sign in once. The code id stays taken until
///   the session is swept.
/// - `insert` leaves at most `max_live` live sessions of the user, the new one among them: the
///   oldest by `created_at` are revoked in the same step.
/// - Of N parallel `rotate` with one presented digest, exactly one is `Rotated`. A digest that is
///   not the current one revokes the session.
/// - `revoke` and `revoke_all` hold for every process as soon as they return; `revoke` says `true`
///   to exactly one caller.
/// - `list` returns the sessions live at `now`, newest first.
/// - `sweep` removes only sessions with `ends_at <= now` or `expires_at <= now`, at most `limit`:
///   a revoked session is kept until then, for it keeps its code's id taken.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a new session, live at its `created_at`, unless its code was used before.
    async fn insert(&self, session: &UserSession, max_live: u32) -> Result<Inserted, StoreError>;

    /// The session of that id, whatever its state.
    async fn get(&self, id: SessionId) -> Result<Option<UserSession>, StoreError>;

    /// Exchanges the refresh token: `presented` for the one in `renewal`.
    async fn rotate(
        &self,
        id: SessionId,
        presented: RefreshDigest,
        renewal: &Renewal,
    ) -> Result<Rotation, StoreError>;

    /// Revokes a session: `true` if it was not revoked before.
    async fn revoke(&self, id: SessionId, now: Timestamp) -> Result<bool, StoreError>;

    /// Revokes the sessions of a user, and says how many were live at `now`.
    async fn revoke_all(&self, user: UserId, now: Timestamp) -> Result<u64, StoreError>;

    /// The sessions of a user that are live at `now`, newest first.
    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<UserSession>, StoreError>;

    /// Removes sessions that are over, at most `limit`, and says how many.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// Whether the store answers.
    async fn health(&self) -> Result<(), StoreError>;
}
