//! Who the caller is.

use actix_web::HttpResponse;
use actix_web::web::Data;
use domain::auth::UserView;
use domain::id::UserId;
use domain::timestamp::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::display;
use crate::http::AppState;
use crate::http::deadline::in_time;
use crate::http::docs::problems::{Unauthenticated, Unavailable};
use crate::http::extract::Bearer;
use crate::http::problem::Problem;

/// A person who proved a phone.
#[derive(Serialize, ToSchema)]
pub(crate) struct User {
    /// Names the user, for good.
    #[serde(serialize_with = "display")]
    #[schema(value_type = String, example = "usr_019aaf3c7d2e5b1f8a6c4d0e9b7f2a31")]
    id: UserId,
    /// The person's own whole phone, as E.164.
    #[schema(example = "+8613800138000")]
    phone: String,
    /// When the phone was first proven.
    #[serde(serialize_with = "display")]
    #[schema(value_type = String, format = DateTime, example = "2026-01-02T03:04:05Z")]
    created_at: Timestamp,
}

impl From<UserView> for User {
    fn from(user: UserView) -> Self {
        Self {
            id: user.id,
            phone: user.phone.as_e164().to_owned(),
            created_at: user.created_at,
        }
    }
}

/// Who am I
#[utoipa::path(
    get, path = "/v1/users/me", tag = "Users", operation_id = "me",
    security(("access_token" = [])),
    responses((status = 200, description = "The caller.", body = User), Unauthenticated, Unavailable)
)]
pub(super) async fn me(state: Data<AppState>, token: Bearer) -> Result<HttpResponse, Problem> {
    let auth = &state.auth;
    let work = async { auth.me(&auth.authenticate(token.0.expose()).await?).await };
    Ok(HttpResponse::Ok().json(User::from(in_time(work).await?)))
}
