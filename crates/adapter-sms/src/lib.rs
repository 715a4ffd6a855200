//! SmsSender: gateways by their kind, one file each, and the router between them.
//!
//! A new gateway is a file beside `stub.rs` with a `build` function, and an arm in [`build`].
//! Whatever it cannot do it reports as the [`SmsError`] that names what the caller can do; the
//! router and the domain act on nothing else.
//!
//! [`SmsError`]: domain::ports::SmsError

mod outbox;
mod router;
mod settings;
mod stub;

use std::sync::Arc;

use domain::ports::{Clock, SmsSender};

pub use outbox::{Outbox, OutboxMessage};
pub use router::{Route, Router};
pub use settings::{SettingFault, Settings};

/// What gateways share.
#[derive(Clone)]
pub struct Context {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where stub gateways put their messages.
    pub outbox: Arc<Outbox>,
}

/// The gateway `name` of that kind.
///
/// # Errors
/// Everything that is wrong with the settings. An unknown kind is a fault of the key `kind`.
pub fn build(
    kind: &str,
    name: &str,
    settings: Settings,
    context: &Context,
) -> Result<Arc<dyn SmsSender>, Vec<SettingFault>> {
    match kind {
        "stub" => stub::build(name, settings, context),
        _ => Err(vec![SettingFault {
            key: "kind".to_owned(),
            text: "is no kind of gateway: write stub".to_owned(),
        }]),
    }
}
