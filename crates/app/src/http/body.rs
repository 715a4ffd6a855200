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
mod tests {
    use actix_web::ResponseError;
    use actix_web::test::TestRequest;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[serde(deserialize_with = "text")]
        phone: String,
        #[serde(default, deserialize_with = "optional_text")]
        locale: Option<String>,
    }

    async fn read(request: TestRequest) -> Result<Form, (u16, serde_json::Value)> {
        let (request, mut payload) = request.to_http_parts();
        let answer = JsonBody::<Form>::from_request(&request, &mut payload).await;
        answer.map(|body| body.0).map_err(|problem| {
            (
                problem.status_code().as_u16(),
                serde_json::from_slice(&problem.to_json()).unwrap(),
            )
        })
    }

    fn post(content_type: &str, body: impl Into<actix_web::web::Bytes>) -> TestRequest {
        TestRequest::post()
            .insert_header(("content-type", content_type))
            .set_payload(body)
    }

    #[actix_web::test]
    async fn a_json_object_is_read_whatever_the_parameters_of_its_type() {
        let plain = Form {
            phone: "1".into(),
            locale: None,
        };
        let types = [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON ;a=b",
        ];
        for content_type in types {
            let body = read(post(content_type, " {\"phone\": \"1\"} "))
                .await
                .unwrap();
            assert_eq!(body, plain, "{content_type}");
        }
    }

    #[actix_web::test]
    async fn a_body_of_another_form_is_malformed_and_names_the_field() {
        let deep = format!("{{\"phone\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        let deep_elsewhere = format!("{{\"phone\":\"1\",\"x\":{}", "{\"x\":".repeat(200));
        let cases: [(&[u8], Option<&str>); 26] = [
            (b"", None),
            (b"null", None),
            (b"\"phone\"", None),
            (b"[\"1\"]", None),
            (b"[{\"phone\":\"1\"}]", None),
            (b"{\"phone\":\"1\"", None),
            (b"{\"phone\":\"1\"}{}", None),
            (b"{\"phone\":\"1\"},", None),
            (b"\xef\xbb\xbf{\"phone\":\"1\"}", None),
            (b"{'phone':'1'}", None),
            (b"{\"phone\":\"1\",}", None),
            (b"{}", Some("phone")),
            (b"{\"phone\":null}", Some("phone")),
            (b"{\"phone\":13800138000}", Some("phone")),
            (b"{\"phone\":true}", Some("phone")),
            (b"{\"phone\":[\"1\"]}", Some("phone")),
            (b"{\"phone\":\"1\",\"phone\":\"1\"}", Some("phone")),
            (b"{\"phone\":\"1\",\"Phone\":\"1\"}", None),
            (b"{\"phone\":\"1\",\"extra\":\"1\"}", Some("extra")),
            (b"{\"phone\":\"1\",\"+8613800138000\":\"1\"}", None),
            (b"{\"phone\":\"1\",\"locale\":null}", Some("locale")),
            (b"{\"phone\":\"a\\u0000b\"}", Some("phone")),
            (b"{\"phone\":\"a\\r\\nb\"}", Some("phone")),
            (b"{\"phone\":\"\\ud800\"}", Some("phone")),
            (b"{\"phone\":\"\xff\"}", Some("phone")),
            (deep.as_bytes(), Some("phone")),
        ];
        for (body, field) in cases {
            let shown = String::from_utf8_lossy(body).into_owned();
            let (status, problem) = read(post("application/json", body.to_vec()))
                .await
                .unwrap_err();
            assert_eq!(
                (status, problem["code"].as_str()),
                (400, Some("malformed_request")),
                "{shown}"
            );
            assert_eq!(problem["field"].as_str(), field, "{shown}");
            assert!(!problem.to_string().contains("13800138000"), "{problem}");
        }
        let (status, _) = read(post("application/json", deep_elsewhere))
            .await
            .unwrap_err();
        assert_eq!(status, 400);
    }

    #[actix_web::test]
    async fn a_type_that_is_not_json_and_any_encoding_are_unsupported() {
        let object = "{\"phone\":\"1\"}";
        for content_type in [
            "text/plain",
            "",
            "application/jsonx",
            "text/json",
            "application/problem+json",
        ] {
            let (status, problem) = read(post(content_type, object)).await.unwrap_err();
            assert_eq!(
                (status, &problem["field"]),
                (415, &"content-type".into()),
                "{content_type}"
            );
        }
        let bare = TestRequest::post().set_payload(object);
        assert_eq!(read(bare).await.unwrap_err().0, 415);
        for encoding in ["gzip", "br", "deflate", "zstd", "identity", ""] {
            let request =
                post("application/json", object).insert_header(("content-encoding", encoding));
            let (status, problem) = read(request).await.unwrap_err();
            assert_eq!(
                (status, &problem["field"]),
                (415, &"content-encoding".into()),
                "{encoding}"
            );
        }
    }

    #[actix_web::test]
    async fn a_body_of_4096_bytes_is_read_and_one_more_is_too_large() {
        let body = |len: usize| format!("{{\"phone\":\"{}\"}}", "1".repeat(len - 12));
        assert_eq!(
            read(post("application/json", body(4096)))
                .await
                .unwrap()
                .phone
                .len(),
            4084
        );
        let (status, problem) = read(post("application/json", body(4097)))
            .await
            .unwrap_err();
        assert_eq!(
            (status, problem["code"].as_str()),
            (413, Some("malformed_request"))
        );
        let announced = TestRequest::post()
            .insert_header(("content-type", "application/json"))
            .insert_header(("content-length", "1048576"));
        assert_eq!(read(announced).await.unwrap_err().0, 413);
    }
}
