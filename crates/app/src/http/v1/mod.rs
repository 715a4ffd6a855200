//! Face 1 of the contract: `/v1`.

pub(super) mod phone_codes;
pub(super) mod sessions;
pub(super) mod users;

use std::fmt::Display;

use actix_web::web::{ServiceConfig, delete, get, post};
use serde::Serializer;

use super::observe::resource;

pub(super) fn configure(config: &mut ServiceConfig) {
    // In the order they are tried: those of a fixed path need no pattern.
    config
        .service(
            resource("/v1/sessions/current")
                .route(get().to(sessions::current))
                .route(delete().to(sessions::sign_out)),
        )
        .service(resource("/v1/phone-codes").route(post().to(phone_codes::ask)))
        .service(
            resource("/v1/sessions")
                .route(get().to(sessions::list))
                .route(post().to(sessions::sign_in))
                .route(delete().to(sessions::sign_out_everywhere)),
        )
        .service(resource("/v1/sessions/refresh").route(post().to(sessions::refresh)))
        .service(resource("/v1/users/me").route(get().to(users::me)))
        .service(resource("/v1/sessions/{id}").route(delete().to(sessions::sign_out_one)))
        .service(resource("/v1/phone-codes/{id}").route(get().to(phone_codes::status)))
        .service(resource("/v1/phone-codes/{id}/resend").route(post().to(phone_codes::resend)));
}

/// For `serialize_with`: ids and times as they are shown.
fn display<S: Serializer>(value: &impl Display, json: S) -> Result<S::Ok, S::Error> {
    json.collect_str(value)
}
