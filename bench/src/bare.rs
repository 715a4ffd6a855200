//! The yardstick: actix-web with the same JSON work and nothing behind it.
//!
//! Its own process, so that its CPU time and memory are its own. Same number of workers, same paths
//! and same request bytes as the product.

use actix_web::web::{Json, get, post};
use actix_web::{App, HttpResponse, HttpServer};
use serde::{Deserialize, Serialize};

use crate::Result;

#[derive(Serialize, Deserialize)]
struct Ask {
    phone: String,
}

#[derive(Serialize, Deserialize)]
struct SignIn {
    phone_code_id: String,
    code: String,
}

/// As long as the product's answer.
const SESSION: &str = r#"{"id":"ses_0123456789abcdef0123456789abcdef","user_id":"usr_0123456789abcdef0123456789abcdef","created_at":"2026-01-02T03:04:05Z","last_seen_at":"2026-01-02T03:04:05Z","expires_at":"2026-01-09T03:04:05Z","user_agent":null,"ip":"127.0.0.1","current":true}"#;

async fn session() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(SESSION)
}

async fn echo<T>(body: Json<T>) -> Json<T> {
    body
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok().body("ok")
}

/// Serves until it is killed.
///
/// # Errors
/// The address is taken.
pub(crate) fn serve(bind: &str) -> Result<()> {
    let server = HttpServer::new(|| {
        App::new()
            .route("/healthz", get().to(alive))
            .route("/v1/sessions/current", get().to(session))
            .route("/v1/phone-codes", post().to(echo::<Ask>))
            .route("/v1/sessions", post().to(echo::<SignIn>))
    });
    let server = server.bind(bind)?.run();
    Ok(actix_web::rt::System::new().block_on(server)?)
}
