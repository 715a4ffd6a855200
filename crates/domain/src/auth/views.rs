use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::code::{DeliveryStatus, PhoneCode, ResendWaits};
use crate::id::{PhoneCodeId, SessionId, UserId};
use crate::phone::PhoneNumber;
use crate::ports::AccessToken;
use crate::session::{SessionToken, UserSession};
use crate::timestamp::Timestamp;

/// What a client may know of a code. It is the same for a known and an unknown number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeView {
    /// Names the code.
    pub id: PhoneCodeId,
    /// The phone, masked: `+86138****8000`.
    pub phone: String,
    /// What became of the latest message.
    pub status: DeliveryStatus,
    /// How many digits it has.
    pub code_length: u8,
    /// From then on it is not accepted.
    pub expires_at: Timestamp,
    /// From then on it may be sent again.
    pub resend_at: Timestamp,
    /// Tries left.
    pub attempts_remaining: u8,
}

impl CodeView {
    pub(super) fn new(
        code: &PhoneCode,
        phone: &PhoneNumber,
        waits: &ResendWaits,
        now: Timestamp,
    ) -> Self {
        Self {
            id: code.id,
            phone: phone.masked(),
            status: code.delivery.status_at(now),
            code_length: code.length.get(),
            expires_at: code.expires_at,
            resend_at: code.resend_at(waits, now),
            attempts_remaining: code.attempts_remaining(),
        }
    }
}

/// What a person may know of a session of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Names the session.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When it was last refreshed, or made.
    pub last_seen_at: Timestamp,
    /// From then on it is over, unless refreshed before.
    pub expires_at: Timestamp,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// Where the person signed in from.
    pub address: IpAddr,
    /// Whether the caller is in this one.
    pub current: bool,
}

impl SessionView {
    pub(super) fn new(session: UserSession, current: SessionId) -> Self {
        Self {
            id: session.id,
            user: session.user,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            user_agent: session.user_agent,
            address: session.address,
            current: session.id == current,
        }
    }
}

/// What a person may know of themselves.
#[derive(Clone, PartialEq, Eq)]
pub struct UserView {
    /// Names the user.
    pub id: UserId,
    /// The whole phone: show it to its owner only.
    pub phone: PhoneNumber,
    /// When it was first proven.
    pub created_at: Timestamp,
}

impl fmt::Debug for UserView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserView({})", self.id)
    }
}

/// The tokens of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Shows who is calling.
    pub access: AccessToken,
    /// How long the access token is valid.
    pub access_lifetime: Duration,
    /// Exchanged once for new tokens; `None` for a session that is not renewed.
    pub refresh: Option<SessionToken>,
    /// When the refresh token, or the session, is over.
    pub refresh_expires_at: Timestamp,
}
