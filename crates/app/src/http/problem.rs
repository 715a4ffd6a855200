//! Problems: how a call that did not work is answered (RFC 9457).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use domain::ports::{Source, with_causes};
use serde::Serialize;
use utoipa::ToSchema;

use super::deadline::Late;
use crate::watch::is_outage;

/// The media type of a problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// The stable word that clients switch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// Body or header not of the form this call takes.
    MalformedRequest,
    /// No, bad, expired or revoked access token.
    Unauthenticated,
    /// Refresh token unknown, expired, used or revoked.
    RefreshRejected,
    /// Wrong digits, tries left.
    CodeIncorrect,
    /// Expired, used, exhausted, replaced or never issued: ask for a new one.
    CodeGone,
    /// No such route, or no such thing of yours.
    NotFound,
    /// The route exists, for the methods listed in `Allow`.
    MethodNotAllowed,
    /// Same idempotency key, other body.
    IdempotencyConflict,
    /// Not a possible number of its region.
    PhoneInvalid,
    /// A country or a kind of number that this service does not text.
    PhoneNotAllowed,
    /// A limit was reached: wait.
    RateLimited,
    /// Something this service stands on cannot answer: try again.
    Unavailable,
}

impl ProblemCode {
    /// Status, word and title. The title is the same for every problem of one code.
    const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::MalformedRequest => (400, "malformed_request", "Malformed request"),
            Self::Unauthenticated => (401, "unauthenticated", "Not signed in"),
            Self::RefreshRejected => (401, "refresh_rejected", "Refresh token rejected"),
            Self::CodeIncorrect => (403, "code_incorrect", "Wrong code"),
            Self::CodeGone => (403, "code_gone", "Code no longer valid"),
            Self::NotFound => (404, "not_found", "Not found"),
            Self::MethodNotAllowed => (405, "method_not_allowed", "Method not allowed"),
            Self::IdempotencyConflict => (409, "idempotency_conflict", "Idempotency key reused"),
            Self::PhoneInvalid => (422, "phone_invalid", "Not a phone number"),
            Self::PhoneNotAllowed => (422, "phone_not_allowed", "Phone number not allowed"),
            Self::RateLimited => (429, "rate_limited", "Too many requests"),
            Self::Unavailable => (503, "unavailable", "Service unavailable"),
        }
    }

    /// The code that fits a bare status, such as the framework answers with.
    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            status if status.is_client_error() => Self::MalformedRequest,
            _ => Self::Unavailable,
        }
    }
}

/// A problem, and its cause for the log. The cause is never sent.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: ProblemCode,
    detail: Cow<'static, str>,
    field: Option<Cow<'static, str>>,
    attempts_remaining: Option<u8>,
    retry_after: Option<u64>,
    scope: Option<&'static str>,
    cause: Option<Source>,
}

/// Why a call did not work (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Names the kind of problem: `urn:phone-auth:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:phone-auth:problem:code_incorrect")]
    kind: String,
    /// The kind of problem in words, the same for every problem of one code.
    #[schema(example = "Wrong code")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 403)]
    status: u16,
    /// What happened and what to do, for developers; the words may change.
    #[schema(example = "These are not the digits that were sent.")]
    detail: &'a str,
    /// The stable word to switch on.
    code: ProblemCode,
    /// With `malformed_request`: the field or header to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// With `code_incorrect`: tries left.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_remaining: Option<u8>,
    /// With `rate_limited` and `unavailable`: seconds to wait, as in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// With `rate_limited`: the limit, where it counts the caller's own address.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
}

/// What went wrong on our side and why, on its way to the log: an answer carries it in its
/// extensions, whatever it looks like to the caller.
pub(crate) struct Failure {
    pub(crate) text: String,
    /// The log learns of it once from elsewhere: a store could not answer, and is under watch.
    pub(crate) is_told: bool,
    /// Nothing answered in time, which an outage explains if there is one.
    pub(crate) is_late: bool,
}

impl Problem {
    /// A problem of that code, told in `detail`: never with anything the caller sent in it.
    pub fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::from_u16(code.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code,
            detail: detail.into(),
            field: None,
            attempts_remaining: None,
            retry_after: None,
            scope: None,
            cause: None,
        }
    }

    /// A request that is not of the form this call takes.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::MalformedRequest, detail)
    }

    /// What a bare status means, for answers that the framework gives by itself.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let detail = match status {
            StatusCode::NOT_FOUND => "There is nothing at this path.",
            StatusCode::METHOD_NOT_ALLOWED => "Use a method that the Allow header lists.",
            status if status.is_client_error() => "The request is not of the form this call takes.",
            _ => "Something went wrong on our side. Try again.",
        };
        Self::new(ProblemCode::of_status(status), detail).status(status)
    }

    /// The same with another status: 408, 413 and 415 are malformed requests too.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same, naming the field or header to look at.
    #[must_use]
    pub fn field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same, with the tries that are left.
    #[must_use]
    pub fn attempts_remaining(mut self, attempts: u8) -> Self {
        self.attempts_remaining = Some(attempts);
        self
    }

    /// The same, with how long to wait: whole seconds, rounded up, at least one.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        let rounded_up = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.retry_after = Some(rounded_up.max(1));
        self
    }

    /// The same, naming the limit that refused.
    #[must_use]
    pub fn scope(mut self, scope: &'static str) -> Self {
        self.scope = Some(scope);
        self
    }

    /// The same, with its cause, for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Source>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Tries left, if it says.
    pub(crate) fn tries_left(&self) -> Option<u8> {
        self.attempts_remaining
    }

    /// What the log is to say of it.
    pub(crate) fn failure(&self) -> Failure {
        let cause: Option<&(dyn std::error::Error + 'static)> =
            self.cause.as_deref().map(|c| c as _);
        Failure {
            text: with_causes(self),
            is_told: cause.is_some_and(is_outage),
            is_late: cause.is_some_and(|cause| cause.is::<Late>()),
        }
    }

    /// Seconds to wait, if it says.
    pub(crate) fn wait(&self) -> Option<u64> {
        self.retry_after
    }

    /// The stable word of this problem.
    pub fn code(&self) -> ProblemCode {
        self.code
    }

    /// The stable word of this problem, as it is sent.
    pub(crate) fn word(&self) -> &'static str {
        self.code.row().1
    }

    /// Whether this is the field or header to look at.
    pub(crate) fn is_about(&self, field: &str) -> bool {
        self.field.as_deref() == Some(field)
    }

    /// The problem in JSON, as it is sent.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let (_, word, title) = self.code.row();
        let body = ProblemBody {
            kind: format!("urn:phone-auth:problem:{word}"),
            title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            field: self.field.as_deref(),
            attempts_remaining: self.attempts_remaining,
            retry_after: self.retry_after,
            scope: self.scope,
        };
        // Strings and numbers always have a JSON form.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.word(), self.detail)
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut answer = HttpResponseBuilder::new(self.status);
        answer.content_type(HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after {
            answer.insert_header((header::RETRY_AFTER, seconds));
        }
        if self.code == ProblemCode::Unauthenticated {
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            answer.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            // The rest of the body may still come: it is not the next request.
            answer.force_close();
        }
        let mut answer = answer.body(self.to_json());
        if self.status.is_server_error() {
            answer.extensions_mut().insert(self.failure());
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn a_problem_is_rfc_9457_json_with_its_headers() {
        let problem = Problem::new(ProblemCode::RateLimited, "Wait.")
            .retry_after(Duration::from_millis(1001))
            .scope("sends_per_address");
        let answer = problem.error_response();
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers().get("retry-after").unwrap(), "2");
        assert_eq!(answer.headers().get("content-type").unwrap(), MEDIA_TYPE);
        let body = to_bytes(answer.into_body()).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!({
            "type": "urn:phone-auth:problem:rate_limited",
            "title": "Too many requests",
            "status": 429,
            "detail": "Wait.",
            "code": "rate_limited",
            "retry_after": 2,
            "scope": "sends_per_address",
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_missing_token_is_challenged_and_a_rejected_refresh_is_not() {
        let challenge = |code| {
            let answer = Problem::new(code, "").error_response();
            answer.headers().get("www-authenticate").cloned()
        };
        let invalid = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        assert_eq!(challenge(ProblemCode::Unauthenticated), Some(invalid));
        assert_eq!(challenge(ProblemCode::RefreshRejected), None);
    }

    #[test]
    fn a_wait_is_never_told_shorter_than_it_is() {
        let told = |millis| {
            let wait = Duration::from_millis(millis);
            Problem::new(ProblemCode::RateLimited, "")
                .retry_after(wait)
                .retry_after
        };
        assert_eq!(
            (told(0), told(1), told(1000), told(1001)),
            (Some(1), Some(1), Some(1), Some(2))
        );
    }

    #[test]
    fn the_cause_is_logged_and_not_sent() {
        let problem =
            Problem::new(ProblemCode::Unavailable, "Try again.").caused_by("disk on fire");
        let sent = String::from_utf8(problem.to_json()).unwrap();
        assert!(!sent.contains("fire"), "{sent}");
        let cause = std::error::Error::source(&problem).unwrap();
        assert_eq!(cause.to_string(), "disk on fire");
    }
}
