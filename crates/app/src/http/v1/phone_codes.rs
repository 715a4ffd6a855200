//! Asking for a code, and what became of it.

use actix_web::HttpResponse;
use actix_web::web::Data;
use domain::auth::{AskCode, AuthError, CodeView};
use domain::id::PhoneCodeId;
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::display;
use crate::http::AppState;
use crate::http::body::{JsonBody, optional_text, text};
use crate::http::deadline::in_time;
use crate::http::docs::problems::{
    BadBody, BadPhone, KeyReused, Limited, NoCode, NotFound, Unavailable,
};
use crate::http::extract::{CalledBy, IdempotencyKey, Language, PathId};
use crate::http::problem::Problem;

/// Whom to text.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPhoneCode {
    /// A phone number in any common spelling; without a country code it belongs to the service's
    /// default region.
    #[serde(deserialize_with = "text")]
    #[schema(example = "+86 138 0013 8000")]
    phone: String,
    /// The language of the message as a BCP 47 tag; by default the first of `Accept-Language` that
    /// the service speaks (`en`, `zh`).
    #[serde(default, deserialize_with = "optional_text")]
    #[schema(value_type = String, required = false, example = "zh-CN")]
    locale: Option<String>,
}

/// An issued code, without its digits. It looks the same for a known and an unknown number.
#[derive(Serialize, ToSchema)]
pub(crate) struct PhoneCode {
    /// Names the code; needed to sign in with it.
    #[serde(serialize_with = "display")]
    #[schema(value_type = String, example = "pc_019aaf3c7d2e5b1f8a6c4d0e9b7f2a31")]
    id: PhoneCodeId,
    /// The phone, masked.
    #[schema(example = "+86138****8000")]
    phone: String,
    /// What became of the latest message.
    status: Status,
    /// How many digits the code has: 6 to 10.
    #[schema(minimum = 6, maximum = 10, example = 6)]
    code_length: u8,
    /// From then on the code is not accepted.
    #[serde(serialize_with = "display")]
    #[schema(value_type = String, format = DateTime, example = "2026-01-02T03:09:05Z")]
    expires_at: Timestamp,
    /// From then on the code may be sent again.
    #[serde(serialize_with = "display")]
    #[schema(value_type = String, format = DateTime, example = "2026-01-02T03:05:05Z")]
    resend_at: Timestamp,
    /// How many guesses are left.
    #[schema(example = 5)]
    attempts_remaining: u8,
}

/// What became of a message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeliveryStatus)]
pub(crate) enum Status {
    /// On its way to a gateway.
    Queued,
    /// A gateway took it.
    Sent,
    /// A gateway says that it arrived.
    Delivered,
    /// Nobody took it, or it did not arrive. It may be sent again at once.
    Failed,
}

impl From<CodeView> for PhoneCode {
    fn from(code: CodeView) -> Self {
        use domain::code::DeliveryStatus;
        Self {
            id: code.id,
            phone: code.phone,
            status: match code.status {
                DeliveryStatus::Queued => Status::Queued,
                DeliveryStatus::Sent => Status::Sent,
                DeliveryStatus::Delivered => Status::Delivered,
                DeliveryStatus::Failed => Status::Failed,
            },
            code_length: code.code_length,
            expires_at: code.expires_at,
            resend_at: code.resend_at,
            attempts_remaining: code.attempts_remaining,
        }
    }
}

/// Ask for a code
///
/// Texts a one-time code to the phone. The answer comes at once; follow the message with
/// `GET /v1/phone-codes/{id}`. With an `Idempotency-Key`, repeating a call whose answer was lost
/// texts nobody twice.
#[utoipa::path(
    post, path = "/v1/phone-codes", tag = "Codes", operation_id = "ask_for_code",
    request_body = NewPhoneCode,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        pattern = "^[\\x21-\\x7e]+$", example = "8e03978e-40d5-43dd-bc93-6894a57f9324",
        description = "The caller's own name for this call: the same key and body again answer \
            the same and send nothing, for as long as the code is kept.")),
    responses((status = 202, description = "The message is queued.", body = PhoneCode),
        BadBody, KeyReused, BadPhone, Limited, Unavailable)
)]
pub(super) async fn ask(
    state: Data<AppState>,
    caller: CalledBy,
    key: IdempotencyKey,
    language: Language,
    body: JsonBody<NewPhoneCode>,
) -> Result<HttpResponse, Problem> {
    let auth = state.auth.clone();
    let work = async move {
        auth.ask_code(AskCode {
            phone: &body.0.phone,
            locale: language.or(body.0.locale.as_deref()),
            caller: &caller.0,
            idempotency_key: key.0.as_deref(),
        })
        .await
    };
    let code = state.background.complete(work).await?;
    Ok(HttpResponse::Accepted().json(PhoneCode::from(code)))
}

/// What became of a code
///
/// Poll it to tell the person whether the message was sent. Whoever knows the id may ask; the
/// digits are never in the answer.
#[utoipa::path(
    get, path = "/v1/phone-codes/{id}", tag = "Codes", operation_id = "code_status",
    params(("id" = String, Path, description = "The id of the code.")),
    responses((status = 200, description = "The code as it is now.", body = PhoneCode),
        NotFound, Unavailable)
)]
pub(super) async fn status(
    state: Data<AppState>,
    id: PathId<PhoneCodeId>,
) -> Result<HttpResponse, Problem> {
    let code = in_time(state.auth.code_status(id.0)).await?;
    Ok(HttpResponse::Ok().json(PhoneCode::from(code)))
}

/// Send a code again
///
/// Texts the same digits again, from `resend_at` on. Its tries and its expiry stay as they are.
#[utoipa::path(
    post, path = "/v1/phone-codes/{id}/resend", tag = "Codes", operation_id = "resend_code",
    params(("id" = String, Path, description = "The id of the code.")),
    responses((status = 202, description = "The message is queued.", body = PhoneCode),
        NoCode, Limited, Unavailable)
)]
pub(super) async fn resend(
    state: Data<AppState>,
    caller: CalledBy,
    id: Result<PathId<PhoneCodeId>, Problem>,
) -> Result<HttpResponse, Problem> {
    // Text that is no id names a code that was never issued, and gets the answer of one.
    let id = id.map_err(|_| AuthError::CodeGone)?;
    let auth = state.auth.clone();
    let work = async move { auth.resend_code(id.0, &caller.0).await };
    let code = state.background.complete(work).await?;
    Ok(HttpResponse::Accepted().json(PhoneCode::from(code)))
}
