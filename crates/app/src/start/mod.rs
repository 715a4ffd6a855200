//! From a configuration to a service that serves, and down again without losing a message.

mod chores;
mod door;
mod error;
mod serve;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{Data, ServiceConfig};
use domain::auth::{Auth, Part};
use domain::phone::PhoneNumber;
use domain::ports::StoreError;
use tokio::task::JoinHandle;

use self::door::Door;
pub use self::error::StartError;
pub(crate) use self::serve::serve;
use crate::builder::Overrides;
use crate::config::{Config, Profile};
use crate::dispatcher::Dispatcher;
use crate::http::{self, AppState, Background, Ending, ServerSettings, TrustedProxies};
use crate::keyring::{self, KeyRing};
use crate::pages::{self, Pages};
use crate::telemetry;
use crate::wiring::{self, Outbox, Wired};

/// How long requests under way may take to end at a shutdown, in seconds.
const SHUTDOWN_SECS: u64 = 10;

/// Open connections per worker; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 10_000;

/// The key ring of this installation, made now where development lacks one.
pub(crate) fn key_ring(config: &Config, given: &Overrides) -> Result<KeyRing, StartError> {
    let (clock, entropy) = (wiring::clock(given), wiring::entropy(given));
    Ok(keyring::open(config, clock.now(), &*entropy)?)
}

/// What is too weak for production, as lines.
pub(crate) fn findings(config: &Config, ring: &KeyRing, given: &Overrides) -> Vec<String> {
    crate::config::findings(config, ring)
        .into_iter()
        // The stub stands in the configuration, but a gateway that was given takes the messages.
        .filter(|finding| given.sms.is_none() || !finding.key.starts_with("sms."))
        .map(|finding| finding.to_string())
        .collect()
}

/// Whether each store answers, by the port's name.
pub(crate) async fn health(auth: &Auth) -> [(&'static str, Result<(), StoreError>); 4] {
    let ports = auth.ports();
    [
        (Part::Codes.as_str(), ports.codes.health().await),
        (Part::RateLimits.as_str(), ports.limiter.health().await),
        (Part::Sessions.as_str(), ports.sessions.health().await),
        (Part::Users.as_str(), ports.users.health().await),
    ]
}

/// A service that serves, until [`Running::stop`] or the end of the runtime.
pub struct Running {
    public: SocketAddr,
    ops: SocketAddr,
    auth: Arc<Auth>,
    outbox: Option<Arc<Outbox>>,
    handles: [ServerHandle; 2],
    servers: [JoinHandle<io::Result<()>>; 2],
    ending: Ending,
    door: Door,
    background: Background,
    dispatcher: Dispatcher,
    chores: Vec<JoinHandle<()>>,
}

impl Running {
    /// Where clients call.
    pub fn public(&self) -> SocketAddr {
        self.public
    }

    /// Where health checks and metrics are.
    pub fn ops(&self) -> SocketAddr {
        self.ops
    }

    /// The use cases.
    pub fn auth(&self) -> &Arc<Auth> {
        &self.auth
    }

    /// What the stub gateway "sent", if it is the gateway.
    pub fn outbox(&self) -> Option<&Arc<Outbox>> {
        self.outbox.as_ref()
    }

    /// From now on callers are asked to go elsewhere: `/readyz` says that it is ending, and every
    /// connection is closed after its next answer. It still serves.
    pub(crate) fn begin_to_end(&self) {
        self.ending.begin();
    }

    /// From now on nobody new gets in; who is in is still served.
    pub(crate) fn shut_the_door(&self) {
        self.door.shut();
    }

    /// Answers what is under way, delivers every accepted message, and ends.
    pub async fn stop(self) {
        self.begin_to_end();
        self.door.shut();
        drop(self.door);
        let [public, ops] = self.handles;
        let patience = Duration::from_secs(SHUTDOWN_SECS);
        self.background.finish(patience).await;
        public.stop(true).await;
        self.background.finish(patience).await;
        self.dispatcher.drain().await;
        ops.stop(false).await;
        for server in self.servers {
            let _ = server.await;
        }
        self.chores.iter().for_each(JoinHandle::abort);
    }
}

/// Stops a start that is too weak for production; elsewhere a warning does.
fn judge(config: &Config, findings: Vec<String>) -> Result<(), StartError> {
    if config.profile == Profile::Production && !findings.is_empty() {
        return Err(StartError::TooWeak(findings));
    }
    for finding in findings {
        tracing::warn!("not for production: {finding}");
    }
    Ok(())
}

/// Starts everything and returns when it serves.
pub(crate) async fn start(config: Config, given: &Overrides) -> Result<Running, StartError> {
    let ring = key_ring(&config, given)?;
    judge(&config, findings(&config, &ring, given))?;
    // The phone metadata takes a while to load; nobody has to wait for it.
    std::thread::spawn(PhoneNumber::warm_up);
    telemetry::metrics();
    let Wired {
        auth,
        jobs,
        outbox,
        serving,
        issuer,
        findings,
    } = wiring::wire(&config, &ring, given).await?;
    judge(&config, findings)?;
    // Only now: nobody's connection waits for a store to open.
    let public = listen(config.server.bind, "server.bind")?;
    let ops = listen(config.server.ops_bind, "server.ops_bind")?;
    let (public_address, ops_address) = (local(&public)?, local(&ops)?);
    let door = Door::of(&public).map_err(StartError::Server)?;
    let ending = Ending::default();
    let state = AppState {
        auth: Arc::clone(&auth),
        trusted_proxies: TrustedProxies::new(config.server.trusted_proxies.clone()),
        background: Background::new(tokio::runtime::Handle::current()),
        short_contract: config.server.short_contract,
        docs: config.server.docs,
        serving: Arc::clone(&serving),
        ending: ending.clone(),
    };
    let background = state.background.clone();
    let workers = config.server.workers;
    let site = site(&config, outbox.as_ref(), public_address);
    let public = http::public_server(public, server(workers), state.clone(), site);
    let ops = http::ops_server(ops, server(1), state);
    let (public, ops) = (
        public.map_err(StartError::Server)?,
        ops.map_err(StartError::Server)?,
    );
    let dispatcher = Dispatcher::start(jobs, Arc::clone(&auth), config.sms.workers);
    let mut chores = chores::over_stores(&auth, &serving);
    let keys = chores::follow_keys(config, ring, Arc::clone(&auth), issuer, given.clone());
    chores.push(tokio::spawn(keys));
    Ok(Running {
        public: public_address,
        ops: ops_address,
        auth,
        outbox,
        handles: [public.handle(), ops.handle()],
        servers: [tokio::spawn(public), tokio::spawn(ops)],
        ending,
        door,
        background,
        dispatcher,
        chores,
    })
}

/// The routes of the pages.
fn site(
    config: &Config,
    outbox: Option<&Arc<Outbox>>,
    address: SocketAddr,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + use<> {
    let pages = Data::new(Pages {
        public_origin: config.server.public_origin.as_str().to_owned(),
        outbox: outbox.filter(|_| address.ip().is_loopback()).cloned(),
    });
    move |routes| pages::configure(routes, pages.clone())
}

const fn server(workers: usize) -> ServerSettings {
    ServerSettings {
        workers,
        max_connections: MAX_CONNECTIONS,
        shutdown_timeout: SHUTDOWN_SECS,
    }
}

fn listen(address: SocketAddr, key: &'static str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|source| StartError::Bind {
        address,
        key,
        source,
    })
}

fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(StartError::Server)
}
