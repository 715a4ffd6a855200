//! `phone-auth sms`: does a message really arrive?

use std::io::Write;

use clap::Subcommand;
use domain::code::{Code, CodeLength};
use domain::message::Locale;
use domain::phone::PhoneNumber;
use domain::ports::with_causes;

use super::{Failure, Outcome};
use crate::builder::Overrides;
use crate::config::Config;
use crate::wiring;

#[derive(Subcommand)]
pub(super) enum Sms {
    /// Send a real message through the configured gateways; its digits sign nobody in
    #[command(after_help = "Example:\n  phone-auth sms send +8613800138000")]
    Send {
        /// A number in any common spelling
        phone: String,
    },
}

/// Digits of a message that is only a test.
const DIGITS: &str = "0000000000";

impl Sms {
    pub(super) async fn run(&self, config: &Config, given: &Overrides) -> Outcome {
        let Self::Send { phone } = self;
        let home = config.policy.phones.default_region;
        let to = PhoneNumber::parse(phone, home).map_err(|_| {
            Failure::Said(
                "not a valid phone number: write it with its calling code, such as +8613800138000"
                    .to_owned(),
            )
        })?;
        let clock = wiring::clock(given);
        let sms = wiring::gateways::open(config, given, &clock)?.sms;
        let length: CodeLength = config.policy.code_length;
        let code = Code::parse(&DIGITS[..usize::from(length.get())], length)
            .ok_or_else(|| Failure::Said("the code length is out of bounds".to_owned()))?;
        let id = format!("test-{}", clock.now().as_millis());
        let shown = to.masked();
        let message = config
            .policy
            .templates
            .sign_in_code(id, to, Locale::En, code, 1);
        let receipt = sms.send(&message).await;
        let receipt = receipt.map_err(|error| Failure::Said(with_causes(&error)))?;
        let id = receipt.message_id.as_deref().unwrap_or("no id");
        writeln!(
            std::io::stdout(),
            "{} took the message to {shown} ({id})",
            receipt.gateway
        )?;
        Ok(())
    }
}
