use std::time::Duration;

use async_trait::async_trait;

use super::Source;
use crate::message::SmsMessage;

/// A gateway took the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which gateway, by its name in the configuration.
    pub gateway: String,
    /// The gateway's own id of the message, if it gave one.
    pub message_id: Option<String>,
}

/// Why a message was not taken, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum SmsError {
    /// The gateway does not text this number. Neither it nor another one should be asked again.
    #[error("the gateway refuses this number")]
    BadNumber(#[source] Source),
    /// The gateway says this number had enough. Asking another would evade a limit meant to
    /// protect its owner.
    #[error("the gateway limits this number")]
    SlowDown {
        /// How long to wait, if the gateway says so.
        retry_after: Option<Duration>,
        /// The gateway's words.
        source: Source,
    },
    /// Our account, key, sender, template or balance is wrong: an operator has to look. Another
    /// gateway may be asked.
    #[error("the gateway refuses our account or settings")]
    Misconfigured(#[source] Source),
    /// A passing trouble, and surely not sent: another gateway may be asked.
    #[error("the gateway cannot take messages now")]
    Unavailable(#[source] Source),
    /// The gateway may or may not have sent it. The digits of a resend are the same, so a
    /// duplicate does no harm.
    #[error("it is unknown whether the gateway sent the message")]
    Unknown(#[source] Source),
}

/// Sends messages: one gateway, or a router over several.
///
/// # Contract
/// - `Ok` means that a gateway took responsibility for the message, nothing less.
/// - Every trouble is one of [`SmsError`]; `send` does not panic and ends within the adapter's own
///   deadline, at most 30 s.
/// - No text, digits or whole number in errors, logs or metrics.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SmsSender: Send + Sync {
    /// Hands one message over.
    async fn send(&self, message: &SmsMessage) -> Result<Receipt, SmsError>;

    /// Whether the gateway would take messages, as far as it tells without sending one.
    async fn health(&self) -> Result<(), SmsError>;
}
