//! Request bodies: one small JSON object in time, or a problem that says what is wrong.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpRequest};
use futures_util::Stream;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, Unexpected};
use tokio::time::{Sleep, sleep};

use super::problem::Problem;

/// Largest body read, in bytes.
const MAX_BODY: usize = 4 * 1024;

/// How long a body may take to arrive. The framework has no such limit of its own.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// A body that is exactly one JSON object of the form `T`.
///
/// `T` has to deny unknown fields and to hold nothing deeper than itself: a value nested where it
/// takes a string is refused at its first bracket, whatever its depth.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = ReadJson<T>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ReadJson {
            refusal: refusal(request.headers()),
            payload: payload.take(),
            body: Vec::new(),
            deadline: None,
            into: PhantomData,
        }
    }
}

/// Reads a body, then parses it.
pub(crate) struct ReadJson<T> {
    refusal: Option<Problem>,
    payload: Payload,
    body: Vec<u8>,
    /// Set when the body is waited for, which a body that came with its head never is.
    deadline: Option<Pin<Box<Sleep>>>,
    into: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Future for ReadJson<T> {
    type Output = Result<JsonBody<T>, Problem>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(problem) = this.refusal.take() {
            return Poll::Ready(Err(problem));
        }
        loop {
            match Pin::new(&mut this.payload).poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) if this.body.len() + chunk.len() > MAX_BODY => {
                    return Poll::Ready(Err(too_large()));
                }
                Poll::Ready(Some(Ok(chunk))) => this.body.extend_from_slice(&chunk),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(broken_off())),
                Poll::Ready(None) => return Poll::Ready(parse(&this.body).map(JsonBody)),
                Poll::Pending => {
                    let deadline = this
                        .deadline
                        .get_or_insert_with(|| Box::pin(sleep(BODY_DEADLINE)));
                    return deadline.as_mut().poll(cx).map(|()| Err(too_late()));
                }
            }
        }
    }
}

pub(super) fn too_large() -> Problem {
    Problem::malformed("A body has at most 4096 bytes.").status(StatusCode::PAYLOAD_TOO_LARGE)
}

/// 408 says just this, that the request did not arrive in time (RFC 9110 §15.5.9); the code is the
/// one of every request that is not of the form.
pub(super) fn too_late() -> Problem {
    Problem::malformed("The body has to arrive within 5 seconds.")
        .status(StatusCode::REQUEST_TIMEOUT)
}

fn broken_off() -> Problem {
    Problem::malformed("The body broke off or is not framed as HTTP says.")
}

fn unsupported(field: &'static str, detail: &'static str) -> Problem {
    Problem::malformed(detail)
        .status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        .field(field)
}

pub(super) fn not_json() -> Problem {
    unsupported(
        "content-type",
        "Send JSON, with Content-Type: application/json.",
    )
}

pub(super) fn not_an_object() -> Problem {
    Problem::malformed("The body has to be a JSON object.")
}

/// What the headers alone tell of a body that will not do.
fn refusal(headers: &HeaderMap) -> Option<Problem> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        let detail = "Send the body as it is, without Content-Encoding.";
        return Some(unsupported("content-encoding", detail));
    }
    if !is_json(headers) {
        return Some(not_json());
    }
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let length = length.and_then(|text| text.parse::<usize>().ok());
    length
        .filter(|length| *length > MAX_BODY)
        .map(|_| too_large())
}

/// `application/json`, with any parameters: JSON is UTF-8 whatever they say (RFC 8259 §8.1).
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    value.is_some_and(|text| {
        let essence = text.split(';').next().unwrap_or_default();
        essence
            .trim_matches([' ', '\t'])
            .eq_ignore_ascii_case("application/json")
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // serde takes an array for a struct, so the bracket is looked at first.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(not_an_object());
    }
    serde_json::from_slice(body).map_err(|error| explain::<T>(body, &error))
}

/// Names the place of the fault, and never what stands there: it may be a code or a phone.
fn explain<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> Problem {
    let detail = format!(
        "The body is not the JSON object that this call takes: see line {}, column {}.",
        error.line(),
        error.column()
    );
    let problem = Problem::malformed(detail);
    match faulty_field::<T>(body, error) {
        Some(field) => problem.field(field),
        None => problem,
    }
}

fn faulty_field<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> Option<String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let path = match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Ok(_) => return None,
        Err(located) => located.path().to_string(),
    };
    // Missing and repeated fields have no path: serde names them in backquotes.
    let message = error.to_string();
    let named = message
        .strip_prefix("missing field `")
        .or(message.strip_prefix("duplicate field `"));
    let field = named
        .and_then(|rest| rest.split('`').next())
        .map_or(path, str::to_owned);
    is_field_name(&field).then_some(field)
}

/// A name that may be echoed. One with digits, or a long one, may be a secret in the wrong place.
fn is_field_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// For `deserialize_with`: a string without control characters, which no field here has a use for.
pub(super) fn text<'de, D: Deserializer<'de>>(json: D) -> Result<String, D::Error> {
    let text = String::deserialize(json)?;
    if text.contains(char::is_control) {
        return Err(D::Error::invalid_value(
            Unexpected::Other("a control character"),
            &"plain text",
        ));
    }
    Ok(text)
}

/// [`text`] for a field that may be left out; null is not leaving out.
pub(super) fn optional_text<'de, D: Deserializer<'de>>(
    json: D,
) -> Result<Option<String>, D::Error> {
    text(json).map(Some)
}

#[cfg(test)]
mod tests;
