//! Signing in, staying signed in, signing out.

use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::web::Data;
use domain::auth::{Credentials, Grant, SessionView, SignIn, SignedIn};
use domain::id::{SessionId, UserId};
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::display;
use super::users::User;
use crate::http::AppState;
use crate::http::body::{JsonBody, text};
use crate::http::deadline::in_time;
use crate::http::docs::problems::{
    BadBody, Limited, NoCodeOrWrong, NoRefresh, NotFound, Unauthenticated, Unavailable,
};
use crate::http::extract::{Bearer, CalledBy, PathId};
use crate::http::problem::Problem;

/// The code, from the message to us.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSession {
    /// The id that asking for the code answered with.
    #[serde(deserialize_with = "text")]
    #[schema(example = "pc_019aaf3c7d2e5b1f8a6c4d0e9b7f2a31")]
    phone_code_id: String,
    /// The digits as typed: exactly `code_length` ASCII digits.
    #[serde(deserialize_with = "text")]
    #[schema(example = "042137", pattern = "^[0-9]{6,10}$")]
    code: String,
}

/// What renews a session.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    /// The newest refresh token of the session.
    #[serde(deserialize_with = "text")]
    refresh_token: String,
}

/// A session and the tokens that hold it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    /// A JWT (`typ: at+jwt`) for `Authorization: Bearer`. Its keys are at `/.well-known/jwks.json`.
    access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token expires.
    #[schema(example = 300)]
    expires_in: u64,
    /// Exchanged once for new tokens. Keep the newest; using an old one ends the session.
    refresh_token: String,
    /// Seconds until the refresh token expires, unless it is used before.
    #[schema(example = 604_800)]
    refresh_expires_in: u64,
    session: Session,
    user: User,
    /// Whether this phone was proven for the first time.
    new_user: bool,
}

/// Somebody signed in somewhere.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// Names the session; `sid` in its access tokens.
    #[serde(serialize_with = "display")]
    #[schema(value_type = String, example = "ses_019aaf3c7d2e5b1f8a6c4d0e9b7f2a31")]
    id: SessionId,
    /// Who is signed in; `sub` in its access tokens.
    #[serde(serialize_with = "display")]
    #[schema(value_type = String, example = "usr_019aaf3c7d2e5b1f8a6c4d0e9b7f2a31")]
    user_id: UserId,
    /// When the person signed in.
    #[serde(serialize_with = "display")]
    #[schema(value_type = String, format = DateTime, example = "2026-01-02T03:04:05Z")]
    created_at: Timestamp,
    /// When the session was last refreshed, or made.
    #[serde(serialize_with = "display")]
    #[schema(value_type = String, format = DateTime, example = "2026-01-02T03:04:05Z")]
    last_seen_at: Timestamp,
    /// From then on it is over, unless it is refreshed before.
    #[serde(serialize_with = "display")]
    #[schema(value_type = String, format = DateTime, example = "2026-01-09T03:04:05Z")]
    expires_at: Timestamp,
    /// What the client called itself when it signed in.
    #[schema(example = "Mozilla/5.0")]
    user_agent: Option<String>,
    /// Where the person signed in from.
    #[serde(serialize_with = "display")]
    #[schema(value_type = String, example = "198.51.100.7")]
    ip: IpAddr,
    /// Whether the caller is in this session.
    current: bool,
}

/// The live sessions of the caller, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Sessions {
    sessions: Vec<Session>,
}

impl From<SessionView> for Session {
    fn from(session: SessionView) -> Self {
        Self {
            id: session.id,
            user_id: session.user,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            user_agent: session.user_agent,
            ip: session.address,
            current: session.current,
        }
    }
}

impl TryFrom<SignedIn> for Tokens {
    type Error = Problem;

    fn try_from(signed_in: SignedIn) -> Result<Self, Problem> {
        let (session, user) = (signed_in.session, signed_in.user);
        let Credentials::Tokens(tokens) = signed_in.credentials else {
            return Err(Problem::unavailable("a session without tokens"));
        };
        let refresh = tokens
            .refresh
            .ok_or_else(|| Problem::unavailable("no refresh token"))?;
        Ok(Self {
            access_token: tokens.access.expose().to_owned(),
            token_type: "Bearer",
            expires_in: tokens.access_lifetime.as_secs(),
            refresh_token: refresh.expose().to_owned(),
            // Both were set at this moment.
            refresh_expires_in: tokens
                .refresh_expires_at
                .since(session.last_seen_at)
                .as_secs(),
            session: session.into(),
            user: user.into(),
            new_user: signed_in.new_user,
        })
    }
}

/// Sign in
///
/// The right digits, in time, sign in once, and make a user of a phone that has none. A wrong guess
/// is 403 `code_incorrect` with the tries left; 403 `code_gone` means: ask for a new code.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "Sessions", operation_id = "sign_in",
    request_body = NewSession,
    responses((status = 201, description = "Signed in.", body = Tokens),
        BadBody, NoCodeOrWrong, Limited, Unavailable)
)]
pub(super) async fn sign_in(
    state: Data<AppState>,
    caller: CalledBy,
    body: JsonBody<NewSession>,
) -> Result<HttpResponse, Problem> {
    let auth = state.auth.clone();
    let work = async move {
        let NewSession {
            phone_code_id,
            code,
        } = body.0;
        let sign_in = SignIn {
            code: &code,
            caller: &caller.0,
            grant: Grant::Tokens,
        };
        auth.sign_in(&phone_code_id, sign_in).await
    };
    let signed_in = state.background.complete(work).await?;
    Ok(HttpResponse::Created().json(Tokens::try_from(signed_in)?))
}

/// Renew the tokens
///
/// Each refresh token works once. A second use of one ends its session, because one of its two users
/// stole it: so do not repeat this call with the same token, sign in again instead.
#[utoipa::path(
    post, path = "/v1/sessions/refresh", tag = "Sessions", operation_id = "refresh",
    request_body = Refresh,
    responses((status = 200, description = "The session goes on with these tokens.", body = Tokens),
        BadBody, NoRefresh, Unavailable)
)]
pub(super) async fn refresh(
    state: Data<AppState>,
    body: JsonBody<Refresh>,
) -> Result<HttpResponse, Problem> {
    let auth = state.auth.clone();
    let work = async move { auth.refresh(&body.0.refresh_token).await };
    let renewed = state.background.complete(work).await?;
    Ok(HttpResponse::Ok().json(Tokens::try_from(renewed)?))
}

/// The caller's session
///
/// Checks the access token against the store: a revoked session is refused at once.
#[utoipa::path(
    get, path = "/v1/sessions/current", tag = "Sessions", operation_id = "current_session",
    security(("access_token" = [])),
    responses((status = 200, description = "The session.", body = Session), Unauthenticated, Unavailable)
)]
pub(super) async fn current(state: Data<AppState>, token: Bearer) -> Result<HttpResponse, Problem> {
    let caller = in_time(state.auth.authenticate(token.0.expose())).await?;
    Ok(HttpResponse::Ok().json(Session::from(caller.view())))
}

/// The caller's live sessions
#[utoipa::path(
    get, path = "/v1/sessions", tag = "Sessions", operation_id = "list_sessions",
    security(("access_token" = [])),
    responses((status = 200, description = "Newest first.", body = Sessions), Unauthenticated, Unavailable)
)]
pub(super) async fn list(state: Data<AppState>, token: Bearer) -> Result<HttpResponse, Problem> {
    let auth = &state.auth;
    let work = async {
        auth.sessions(&auth.authenticate(token.0.expose()).await?)
            .await
    };
    let sessions = in_time(work)
        .await?
        .into_iter()
        .map(Session::from)
        .collect();
    Ok(HttpResponse::Ok().json(Sessions { sessions }))
}

/// Sign out here
#[utoipa::path(
    delete, path = "/v1/sessions/current", tag = "Sessions", operation_id = "sign_out",
    security(("access_token" = [])),
    responses((status = 204, description = "This session is over."), Unauthenticated, Unavailable)
)]
pub(super) async fn sign_out(
    state: Data<AppState>,
    token: Bearer,
) -> Result<HttpResponse, Problem> {
    let auth = state.auth.clone();
    let work = async move {
        let caller = auth.authenticate(token.0.expose()).await?;
        auth.sign_out(&caller).await
    };
    state.background.complete(work).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Sign out there
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", tag = "Sessions", operation_id = "sign_out_one",
    security(("access_token" = [])),
    params(("id" = String, Path, description = "The id of one of the caller's sessions.")),
    responses((status = 204, description = "That session is over."),
        Unauthenticated, NotFound, Unavailable)
)]
pub(super) async fn sign_out_one(
    state: Data<AppState>,
    token: Bearer,
    id: PathId<SessionId>,
) -> Result<HttpResponse, Problem> {
    let auth = state.auth.clone();
    let work = async move {
        let caller = auth.authenticate(token.0.expose()).await?;
        auth.sign_out_one(&caller, id.0).await
    };
    state.background.complete(work).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Sign out everywhere
#[utoipa::path(
    delete, path = "/v1/sessions", tag = "Sessions", operation_id = "sign_out_everywhere",
    security(("access_token" = [])),
    responses((status = 204, description = "All sessions of the caller are over."),
        Unauthenticated, Unavailable)
)]
pub(super) async fn sign_out_everywhere(
    state: Data<AppState>,
    token: Bearer,
) -> Result<HttpResponse, Problem> {
    let auth = state.auth.clone();
    let work = async move {
        let caller = auth.authenticate(token.0.expose()).await?;
        auth.sign_out_everywhere(&caller).await
    };
    state.background.complete(work).await?;
    Ok(HttpResponse::NoContent().finish())
}
