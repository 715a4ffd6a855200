//! What happened, for logs, metrics and audit.

use crate::auth::Part;
use crate::code::DeliveryStatus;
use crate::id::{PhoneCodeId, SessionId, UserId};
use crate::phone::Country;
use crate::rate_limit::Scope;

/// Something worth counting or auditing. No variant can carry a phone, a code or a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A code was issued and its message queued.
    CodeRequested {
        /// The code.
        code: PhoneCodeId,
        /// The phone's country.
        country: Country,
        /// Which message of the code it is, from 1.
        send: u8,
    },
    /// A message came to an end.
    CodeDelivered {
        /// The code.
        code: PhoneCodeId,
        /// How it ended.
        status: DeliveryStatus,
        /// Why no gateway took it, in words that hold no number.
        error: Option<String>,
    },
    /// A limit refused a call.
    Limited {
        /// Which limit.
        scope: Scope,
    },
    /// Wrong digits.
    CodeIncorrect {
        /// The code.
        code: PhoneCodeId,
    },
    /// A code that is expired, used, exhausted or unknown was tried.
    CodeGone,
    /// A phone was proven for the first time.
    UserCreated {
        /// The new user.
        user: UserId,
    },
    /// Somebody signed in.
    SignedIn {
        /// Who.
        user: UserId,
        /// The new session.
        session: SessionId,
    },
    /// A session was refreshed.
    Refreshed {
        /// The session.
        session: SessionId,
    },
    /// A refresh token was used a second time, so its session was ended: a sign of theft.
    RefreshReused {
        /// The session.
        session: SessionId,
    },
    /// Sessions were signed out.
    SignedOut {
        /// Whose.
        user: UserId,
        /// How many.
        sessions: u64,
    },
    /// A user was deleted.
    UserDeleted {
        /// Who.
        user: UserId,
    },
    /// Something failed that no caller waits for.
    Trouble {
        /// What failed.
        part: Part,
        /// Why.
        error: String,
        /// Whether a store could not answer, so that others fail in the same way.
        outage: bool,
    },
}
