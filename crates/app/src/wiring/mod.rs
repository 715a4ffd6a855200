//! From a configuration to a running set of ports. The only place that names adapters.

mod adapters;
pub(crate) mod gateways;
mod limits;
pub(crate) mod stores;

use std::sync::Arc;

use adapter_jwt::{JwtConfig, JwtIssuer};
use domain::auth::{Auth, Ports};
use domain::ports::{Clock, Entropy, TokenIssuer};

use crate::builder::Overrides;
use crate::config::Config;
use crate::dispatcher::{self, Jobs};
use crate::keyring::KeyRing;
use crate::start::StartError;
use crate::system::{SystemClock, SystemEntropy};
use crate::telemetry::Telemetry;
use crate::watch::Serving;

use gateways::Gateways;
pub use gateways::{Outbox, OutboxMessage};

/// The service before anything of it runs.
pub(crate) struct Wired {
    pub(crate) auth: Arc<Auth>,
    pub(crate) jobs: Jobs,
    /// What the stub gateway "sent", if it is the gateway.
    pub(crate) outbox: Option<Arc<Outbox>>,
    /// What serves each port.
    pub(crate) serving: Arc<Serving>,
    /// The issuer whose keys follow the key ring, unless the port was given.
    pub(crate) issuer: Option<Arc<JwtIssuer>>,
    /// What is too weak for production in how the servers are set up, as lines.
    pub(crate) findings: Vec<String>,
}

/// The clock of this process, unless one was given.
pub(crate) fn clock(given: &Overrides) -> Arc<dyn Clock> {
    given.clock.clone().unwrap_or_else(|| Arc::new(SystemClock))
}

/// The randomness of this process, unless one was given.
pub(crate) fn entropy(given: &Overrides) -> Arc<dyn Entropy> {
    given
        .entropy
        .clone()
        .unwrap_or_else(|| Arc::new(SystemEntropy))
}

/// Opens every adapter that the configuration names and was not given.
pub(crate) async fn wire(
    config: &Config,
    ring: &KeyRing,
    given: &Overrides,
) -> Result<Wired, StartError> {
    let (clock, entropy) = (clock(given), entropy(given));
    let now = clock.now();
    let stores = stores::open(config, given).await?;
    let Gateways { sms, outbox } = gateways::open(config, given, &clock)?;
    let (queue, jobs) = dispatcher::queue(config.sms.queue);
    let (issuer, tokens): (_, Arc<dyn TokenIssuer>) = match &given.tokens {
        Some(tokens) => (None, Arc::clone(tokens)),
        None => {
            let names = JwtConfig {
                issuer: config.tokens.issuer.clone(),
                audience: config.tokens.audience.clone(),
            };
            let keys = ring.key_set()?;
            let issuer = Arc::new(JwtIssuer::new(names, keys, Arc::clone(&entropy)));
            (Some(Arc::clone(&issuer)), issuer)
        }
    };
    let ports = Ports {
        codes: stores.codes,
        limiter: stores.limiter,
        sessions: stores.sessions,
        users: stores.users,
        sms,
        queue,
        tokens,
        events: given.events.clone().unwrap_or_else(|| Arc::new(Telemetry)),
        clock,
        entropy,
    };
    let auth = Arc::new(Auth::new(ports, config.policy.clone(), ring.vault(now)?));
    Ok(Wired {
        auth,
        jobs,
        outbox,
        serving: Arc::new(stores.serving),
        issuer,
        findings: stores.findings.iter().map(ToString::to_string).collect(),
    })
}
