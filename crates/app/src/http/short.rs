//! Face 2 of the contract: two calls, no ids, always HTTP 200, an envelope `{code, msg}`.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig, get, post};
use domain::auth::{AskCode, AuthError, Credentials, Grant, SignIn};
use serde::{Deserialize, Serialize};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::AppState;
use super::body::{JsonBody, text};
use super::extract::{CalledBy, Language};
use super::observe::resource;
use super::problem::Problem;

/// How a call of the short contract ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Fail,
    ParamsErr,
    PhoneIllegal,
    TooFrequent,
    AuthFail,
}

impl Outcome {
    const fn row(self) -> (u16, &'static str) {
        match self {
            Self::Success => (0, "success"),
            Self::Fail => (1, "fail"),
            Self::ParamsErr => (100, "params err"),
            Self::PhoneIllegal => (1000, "phone num illegal"),
            Self::TooFrequent => (1002, "phone code posted too frequently"),
            Self::AuthFail => (1003, "auth fail"),
        }
    }

    fn envelope(self, token: Option<String>) -> HttpResponse {
        let (code, msg) = self.row();
        HttpResponse::Ok().json(Envelope { code, msg, token })
    }

    /// The answer to a problem, which goes to the log if it is our fault.
    fn answer(self, problem: &Problem) -> HttpResponse {
        let mut answer = self.envelope(None);
        if self == Self::Fail {
            answer.extensions_mut().insert(problem.failure());
        }
        answer
    }
}

/// The answer to every call of the short contract.
#[derive(Serialize, ToSchema)]
pub(super) struct Envelope {
    /// 0 if it worked.
    code: u16,
    /// The code in words.
    msg: &'static str,
    /// After signing in: an access token of a session that lives for a day and is not renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Every outcome, for the document.
pub(super) struct Outcomes;

impl IntoResponses for Outcomes {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        use Outcome::{AuthFail, Fail, ParamsErr, PhoneIllegal, Success, TooFrequent};
        let outcomes = [
            Success,
            Fail,
            ParamsErr,
            PhoneIllegal,
            TooFrequent,
            AuthFail,
        ];
        let examples = outcomes.map(|outcome| {
            let (code, msg) = outcome.row();
            let value = serde_json::to_value(Envelope {
                code,
                msg,
                token: None,
            })
            .ok();
            (msg, ExampleBuilder::new().value(value).build())
        });
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Envelope")))
            .examples_from_iter(examples);
        let response = ResponseBuilder::new()
            .description("The outcome, good or bad.")
            .content("application/json", content.build());
        BTreeMap::from([("200".to_owned(), response.build().into())])
    }
}

/// Whom to text.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShortSend {
    /// A phone number in any common spelling.
    #[serde(deserialize_with = "text")]
    #[schema(example = "13800138000", min_length = 1)]
    phone: String,
}

/// The code, from the message to us.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShortSignIn {
    /// The phone that the code was sent to.
    #[serde(deserialize_with = "text")]
    #[schema(example = "13800138000", min_length = 1)]
    phone: String,
    /// The digits as typed.
    #[serde(deserialize_with = "text")]
    #[schema(example = "042137", min_length = 1)]
    code: String,
}

/// How long a session of this face lives; it is not renewed.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(
            resource("/auth/phone_code")
                .route(get().to(send))
                .route(post().to(sign_in)),
        )
        .service(resource("/auth/phone_code/send").route(post().to(send_by_post)));
}

/// Send a code (short contract)
///
/// `GET` with a body has no defined meaning in HTTP and proxies may drop the body: new callers use
/// `POST /auth/phone_code/send`.
#[utoipa::path(
    get, path = "/auth/phone_code", tag = "Short contract", operation_id = "short_send_by_get",
    request_body = ShortSend,
    responses(Outcomes)
)]
pub(super) async fn send(
    state: Data<AppState>,
    caller: CalledBy,
    language: Language,
    body: Result<JsonBody<ShortSend>, Problem>,
) -> HttpResponse {
    let body = body.map(|body| body.0).and_then(|body| {
        let empty = || Problem::malformed("Send a phone.").field("phone");
        if body.phone.is_empty() {
            Err(empty())
        } else {
            Ok(body)
        }
    });
    let body = match body {
        Ok(body) => body,
        Err(problem) => return Outcome::of_send(&problem).answer(&problem),
    };
    let auth = state.auth.clone();
    let work = async move {
        let (phone, locale) = (body.phone.as_str(), language.or(None));
        auth.ask_code(AskCode {
            phone,
            locale,
            caller: &caller.0,
            idempotency_key: None,
        })
        .await
    };
    match state.background.complete(work).await {
        Ok(_) => Outcome::Success.envelope(None),
        Err(problem) => Outcome::of_send(&problem).answer(&problem),
    }
}

/// Send a code (short contract)
#[utoipa::path(
    post, path = "/auth/phone_code/send", tag = "Short contract", operation_id = "short_send",
    request_body = ShortSend,
    responses(Outcomes)
)]
pub(super) async fn send_by_post(
    state: Data<AppState>,
    caller: CalledBy,
    language: Language,
    body: Result<JsonBody<ShortSend>, Problem>,
) -> HttpResponse {
    send(state, caller, language, body).await
}

/// Sign in (short contract)
#[utoipa::path(
    post, path = "/auth/phone_code", tag = "Short contract", operation_id = "short_sign_in",
    request_body = ShortSignIn,
    responses(Outcomes)
)]
pub(super) async fn sign_in(
    state: Data<AppState>,
    caller: CalledBy,
    body: Result<JsonBody<ShortSignIn>, Problem>,
) -> HttpResponse {
    // Whatever is wrong with the body, a phone or a code is missing.
    let body = match body {
        Ok(JsonBody(body)) if !body.phone.is_empty() && !body.code.is_empty() => body,
        _ => return Outcome::Fail.envelope(None),
    };
    let auth = state.auth.clone();
    let work = async move {
        let sign_in = SignIn {
            code: &body.code,
            caller: &caller.0,
            grant: Grant::AccessOnly(LIFETIME),
        };
        auth.sign_in_by_phone(&body.phone, sign_in).await
    };
    let signed_in = state.background.complete(work).await;
    let token = signed_in.and_then(|signed_in| match signed_in.credentials {
        Credentials::Tokens(tokens) => Ok(tokens.access.expose().to_owned()),
        Credentials::Cookie(_) => Err(AuthError::Unauthenticated.into()),
    });
    match token {
        Ok(token) => Outcome::Success.envelope(Some(token)),
        Err(problem) => Outcome::of_sign_in(&problem).answer(&problem),
    }
}
