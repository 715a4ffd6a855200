use std::time::Duration;

use crate::ports::{QueueFull, Source, StoreError, TokenError};
use crate::rate_limit::Scope;
use crate::vault::VaultError;

/// A part of the service that may be down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The store of issued codes.
    Codes,
    /// The limits.
    RateLimits,
    /// The store of sessions.
    Sessions,
    /// The store of users.
    Users,
    /// The queue of messages.
    Queue,
    /// The keys of tokens.
    Tokens,
    /// The keys of phones and codes.
    Keys,
}

impl Part {
    /// The part's name in the configuration and in health reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Codes => "codes",
            Self::RateLimits => "rate_limits",
            Self::Sessions => "sessions",
            Self::Users => "users",
            Self::Queue => "queue",
            Self::Tokens => "tokens",
            Self::Keys => "keys",
        }
    }

    /// What this store found, if it is what was asked for: a store that mixes up its rows must not
    /// sign anybody in as somebody else.
    pub(super) fn own<T>(
        self,
        found: Result<T, StoreError>,
        is_it: impl FnOnce(&T) -> bool,
    ) -> Result<T, AuthError> {
        let row = found.map_err(self.failed())?;
        if is_it(&row) {
            return Ok(row);
        }
        let other = StoreError::corrupt("it answered with another row than it was asked for");
        Err(self.failed()(other))
    }

    /// For `map_err`: this store could not answer.
    pub(super) fn failed(self) -> impl FnOnce(StoreError) -> AuthError {
        move |source| AuthError::Unavailable {
            part: self,
            source: source.into(),
        }
    }
}

/// Why a use case did not do what was asked. Each variant is one answer to the caller; the causes
/// are for the log.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Not a possible number of its region.
    #[error("not a possible phone number of its region")]
    PhoneInvalid,
    /// A country or a kind of number that this service does not text.
    #[error("this service does not text that number")]
    PhoneNotAllowed,
    /// Not the configured number of ASCII digits.
    #[error("a code is exactly {length} ASCII digits")]
    CodeMalformed {
        /// How many digits a code has.
        length: u8,
    },
    /// A limit was reached. Nothing was counted.
    #[error("a limit was reached")]
    RateLimited {
        /// Which limit.
        scope: Option<Scope>,
        /// How long to wait.
        retry_after: Duration,
    },
    /// Wrong digits.
    #[error("wrong digits")]
    CodeIncorrect {
        /// Tries left.
        remaining: u8,
    },
    /// Expired, used, exhausted or never issued: one answer for all.
    #[error("the code cannot be used any more")]
    CodeGone,
    /// The idempotency key was used for another phone or language.
    #[error("the idempotency key was used with another body")]
    IdempotencyConflict,
    /// No valid access token.
    #[error("not signed in")]
    Unauthenticated,
    /// The refresh token is unknown, expired, used or revoked.
    #[error("the refresh token does not work")]
    RefreshRejected,
    /// No such thing, or not the caller's.
    #[error("not found")]
    NotFound,
    /// Something this service stands on cannot answer. What was counted is given back; a store
    /// whose answer was lost may have done what it was asked.
    #[error("{} cannot answer", part.as_str())]
    Unavailable {
        /// What cannot answer.
        part: Part,
        /// Why.
        source: Source,
    },
}

impl From<QueueFull> for AuthError {
    fn from(source: QueueFull) -> Self {
        Self::Unavailable {
            part: Part::Queue,
            source: source.into(),
        }
    }
}

impl From<VaultError> for AuthError {
    fn from(source: VaultError) -> Self {
        Self::Unavailable {
            part: Part::Keys,
            source: source.into(),
        }
    }
}

impl From<TokenError> for AuthError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Rejected => Self::Unauthenticated,
            TokenError::Unavailable(source) => Self::Unavailable {
                part: Part::Tokens,
                source,
            },
        }
    }
}
