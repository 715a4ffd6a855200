//! The ports: what the domain asks of the outside world.
//!
//! Every port is an `async_trait`, `Send + Sync`, and used as `Arc<dyn Port>`. "Not found" is
//! `Ok(None)`. Each trait's **Contract** is tested law by law by the conformance kit, which your
//! adapter can run too. To write one: implement the trait, answer a trouble of your technology
//! with the error variant that names what the caller can do, and run the laws.
//!
//! Methods that judge time take `now`: an adapter never asks a clock, and what it does about
//! expiry by itself is garbage collection only. A store that collects all of its garbage by itself,
//! after the entity's own moment, has nothing to `sweep` and answers 0. A method that is described
//! as one step is atomic for all processes that share the store: a `get` followed by a `put` does
//! not do.

mod clock;
mod code_store;
mod entropy;
mod event_sink;
mod rate_limiter;
mod send_queue;
mod session_store;
mod sms_sender;
mod token_issuer;
mod user_repo;

pub use clock::Clock;
pub use code_store::CodeStore;
pub use entropy::Entropy;
pub use event_sink::EventSink;
pub use rate_limiter::RateLimiter;
pub use send_queue::{QueueFull, SendQueue, SendSlot};
pub use session_store::{Inserted, Rotation, SessionStore};
pub use sms_sender::{Receipt, SmsError, SmsSender};
pub use token_issuer::{AccessClaims, AccessToken, Jwk, TokenError, TokenIssuer};
pub use user_repo::UserRepo;

#[cfg(feature = "mock")]
pub use self::{
    clock::MockClock, code_store::MockCodeStore, entropy::MockEntropy, event_sink::MockEventSink,
    rate_limiter::MockRateLimiter, send_queue::MockSendQueue, session_store::MockSessionStore,
    sms_sender::MockSmsSender, token_issuer::MockTokenIssuer, user_repo::MockUserRepo,
};

/// The technology's own error, kept for the log.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not answer. The four store ports share it, because the caller of each can do
/// the same two things.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is down, slow or full: the caller may try again later. Nothing is known to be
    /// written.
    #[error("the store cannot answer now")]
    Unavailable(#[source] Source),
    /// The store holds something that this product did not write: an operator has to look.
    #[error("the store holds unreadable data")]
    Corrupt(#[source] Source),
}

impl StoreError {
    /// A store that cannot answer now, and why.
    pub fn unavailable(source: impl Into<Source>) -> Self {
        Self::Unavailable(source.into())
    }

    /// A store that holds unreadable data, and where.
    pub fn corrupt(source: impl Into<Source>) -> Self {
        Self::Corrupt(source.into())
    }
}

/// An error with its causes in one line, for a log or an operator, never for a client.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| match cause.to_string() {
        // Some wrappers say what they wrap, and no more.
        told if text.ends_with(&told) => text,
        more => format!("{text}: {more}"),
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{StoreError, with_causes};

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Wrapper(#[source] io::Error);

    #[test]
    fn a_cause_is_told_once() {
        let refused = io::Error::other("connection refused");
        let error = StoreError::unavailable(Wrapper(refused));
        let told = "the store cannot answer now: connection refused";
        assert_eq!(with_causes(&error), told);
    }

    #[test]
    fn every_cause_is_told() {
        let full = StoreError::corrupt("a row is short");
        let error = StoreError::unavailable(full);
        let told = "the store cannot answer now: the store holds unreadable data: a row is short";
        assert_eq!(with_causes(&error), told);
    }
}
