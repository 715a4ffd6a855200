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

use actix_web::{HttpRequest, web};
use domain::auth::Auth;

pub use self::caller::TrustedProxies;
pub use self::deadline::Background;
pub use self::server::{ServerSettings, ops_server, public_server};

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
