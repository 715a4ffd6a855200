//! A service with parts of your own.

use std::process::ExitCode;
use std::sync::Arc;

use domain::ports::{
    Clock, CodeStore, Entropy, EventSink, RateLimiter, SessionStore, SmsSender, TokenIssuer,
    UserRepo,
};

use crate::config::Config;
use crate::start::{Running, StartError};

/// Ports that the configuration does not choose.
#[derive(Clone, Default)]
pub(crate) struct Overrides {
    pub(crate) codes: Option<Arc<dyn CodeStore>>,
    pub(crate) rate_limits: Option<Arc<dyn RateLimiter>>,
    pub(crate) sessions: Option<Arc<dyn SessionStore>>,
    pub(crate) users: Option<Arc<dyn UserRepo>>,
    pub(crate) sms: Option<Arc<dyn SmsSender>>,
    pub(crate) tokens: Option<Arc<dyn TokenIssuer>>,
    pub(crate) events: Option<Arc<dyn EventSink>>,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) entropy: Option<Arc<dyn Entropy>>,
}

/// Assembles the service: give it the ports that are yours, the configuration chooses the rest.
///
/// ```no_run
/// # use std::{process::ExitCode, sync::Arc};
/// # use domain::ports::SmsSender;
/// fn run(pigeons: Arc<dyn SmsSender>) -> ExitCode {
///     app::Builder::new().sms(pigeons).main()
/// }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Builder {
    given: Overrides,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $port:ident),* $(,)?) => {
        $($(#[$doc])*
        pub fn $name(mut self, port: Arc<dyn $port>) -> Self {
            self.given.$name = Some(port);
            self
        })*
    };
}

impl Builder {
    /// A service whose every port the configuration chooses.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Your store of issued codes.
        codes: CodeStore,
        /// Your limits: all of them, the failure budget of each phone too.
        rate_limits: RateLimiter,
        /// Your store of sessions.
        sessions: SessionStore,
        /// Your store of users.
        users: UserRepo,
        /// Your gateway. There is no outbox then.
        sms: SmsSender,
        /// Your access tokens.
        tokens: TokenIssuer,
        /// Your ears for what happens; the default ones log and count.
        events: EventSink,
        /// Your clock, for tests.
        clock: Clock,
        /// Your randomness, for tests.
        entropy: Entropy,
    }

    /// Does what the command line says: the whole `phone-auth` command with your parts in it.
    pub fn main(self) -> ExitCode {
        crate::cli::main(&self.given)
    }

    /// Starts the service and returns when it serves. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`], in words that say what to do.
    pub async fn start(self, config: Config) -> Result<Running, StartError> {
        crate::start::start(config, &self.given).await
    }
}
