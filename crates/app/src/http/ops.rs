//! Operations: whether the service is alive, whether it can serve, and its metrics.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig, get};
use domain::auth::Part;
use domain::ports::{StoreError, with_causes};
use futures_util::future::join4;
use serde::Serialize;
use tokio::time::timeout;

use super::AppState;
use super::deadline::DEADLINE;
use super::observe::resource;
use super::problem::Failure;
use crate::telemetry::metrics;

/// What can serve, and what cannot.
#[derive(Serialize)]
struct Readiness<'a> {
    /// `ready`, `not_ready` or `ending`.
    status: &'static str,
    codes: &'static str,
    rate_limits: &'static str,
    sessions: &'static str,
    users: &'static str,
    queue: &'static str,
    /// Where the rows of each port are.
    stores: &'a BTreeMap<&'static str, String>,
    /// Those of them that are lost.
    lost: Vec<&'a str>,
}

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/healthz").route(get().to(|| async { "ok\n" })))
        .service(resource("/readyz").route(get().to(ready)))
        .service(resource("/metrics").route(get().to(render_metrics)));
}

/// Asks every store, and the queue for a place that is given back at once.
async fn ready(state: Data<AppState>) -> HttpResponse {
    let ports = state.auth.ports();
    let (codes, rate_limits, sessions, users) = join4(
        health(Part::Codes, ports.codes.health()),
        health(Part::RateLimits, ports.limiter.health()),
        health(Part::Sessions, ports.sessions.health()),
        health(Part::Users, ports.users.health()),
    )
    .await;
    let queue = if ports.queue.reserve().is_ok() {
        "up"
    } else {
        "full"
    };
    let all_up = [codes, rate_limits, sessions, users, queue]
        .iter()
        .all(|part| *part == "up");
    let (mut answer, status) = if state.ending.has_begun() {
        (HttpResponse::ServiceUnavailable(), "ending")
    } else if all_up {
        (HttpResponse::Ok(), "ready")
    } else {
        (HttpResponse::ServiceUnavailable(), "not_ready")
    };
    let mut answer = answer.json(Readiness {
        status,
        codes,
        rate_limits,
        sessions,
        users,
        queue,
        stores: &state.serving.stores,
        lost: state.serving.lost().collect(),
    });
    // A balancer asks every second: why it is not ready is told where that happens, not here.
    answer.extensions_mut().insert(Failure {
        text: status.to_owned(),
        is_told: true,
        is_late: false,
    });
    answer
}

/// Which one is down goes out; why goes to the log, where an outage is told by its watch.
async fn health(part: Part, answer: impl Future<Output = Result<(), StoreError>>) -> &'static str {
    match timeout(DEADLINE, answer).await {
        Ok(Ok(())) => return "up",
        Ok(Err(StoreError::Unavailable(_))) => {}
        Ok(Err(error)) => {
            tracing::warn!(
                part = part.as_str(),
                error = with_causes(&error),
                "not ready"
            );
        }
        Err(_) => tracing::warn!(
            part = part.as_str(),
            "not ready: it does not answer in time"
        ),
    }
    "down"
}

async fn render_metrics() -> HttpResponse {
    match metrics() {
        Some(metrics) => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(metrics.render()),
        None => HttpResponse::ServiceUnavailable().finish(),
    }
}
