//! HTTP: the plumbing that every route stands on, and both faces of the contract.
//!
//! A handler parses, calls one use case and renders: no rules. Its errors are [`problem::Problem`]s, made
//! from the domain's by the one table in `error.rs`.

pub(crate) mod body;
pub mod caller;
mod connection;
pub(crate) mod deadline;
mod docs;
pub(crate) mod extract;
mod keys;
pub(crate) mod observe;
mod ops;
pub mod problem;
mod server;
pub(crate) mod short;
#[cfg(test)]
mod tests;
mod v1;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpRequest, web};
use domain::auth::Auth;

pub use self::caller::TrustedProxies;
pub use self::deadline::Background;
pub use self::server::{ServerSettings, ops_server, public_server};
use crate::watch::Serving;

/// What handlers need.
#[derive(Clone)]
pub struct AppState {
    /// The use cases.
    pub auth: Arc<Auth>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// Where use cases go on whose callers are gone.
    pub background: Background,
    /// Whether `/auth/phone_code` is served.
    pub short_contract: bool,
    /// Whether `/openapi.json` and `/docs` are served.
    pub docs: bool,
    /// What serves each port.
    pub(crate) serving: Arc<Serving>,
    /// Whether this process is about to end.
    pub(crate) ending: Ending,
}

/// Set once the process was told to end: it still serves, and asks callers to go elsewhere.
#[derive(Clone, Default)]
pub(crate) struct Ending(Arc<AtomicBool>);

impl Ending {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl AppState {
    /// The state that the server of `request` was started with.
    pub(crate) fn of(request: &HttpRequest) -> Result<&Self, problem::Problem> {
        let state = request.app_data::<web::Data<Self>>();
        state
            .map(|state| state.get_ref())
            .ok_or_else(|| problem::Problem::unavailable("no state"))
    }
}
