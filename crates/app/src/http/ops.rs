//! Operations: whether the service is alive, whether it can serve, and its metrics.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig, get};
use domain::auth::Part;
use domain::ports::StoreError;
use futures_util::future::join4;
use serde::Serialize;
use tokio::time::timeout;

use super::AppState;
use super::deadline::DEADLINE;
use super::observe::resource;
use crate::telemetry::metrics;

/// What can serve, and what cannot.
#[derive(Serialize)]
struct Readiness {
    /// `ready` or `not_ready`.
    status: &'static str,
    codes: &'static str,
    rate_limits: &'static str,
    sessions: &'static str,
    users: &'static str,
    queue: &'static str,
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
    let (mut answer, status) = if all_up {
        (HttpResponse::Ok(), "ready")
    } else {
        (HttpResponse::ServiceUnavailable(), "not_ready")
    };
    answer.json(Readiness {
        status,
        codes,
        rate_limits,
        sessions,
        users,
        queue,
    })
}

/// Which one is down goes out, why goes to the log.
async fn health(part: Part, answer: impl Future<Output = Result<(), StoreError>>) -> &'static str {
    let error = match timeout(DEADLINE, answer).await {
        Ok(Ok(())) => return "up",
        Ok(Err(error)) => error.to_string(),
        Err(late) => late.to_string(),
    };
    tracing::warn!(part = part.as_str(), error, "not ready");
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
