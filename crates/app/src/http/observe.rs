//! The one layer around every route: request ids, headers, metrics, the log.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use actix_http::ConnectionType;
use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, Resource, web};
use data_encoding::HEXLOWER;
use domain::ports::Entropy;
use metrics::{Counter, Histogram, counter, histogram};
use tokio::time::Instant;

use super::AppState;
use super::connection::Pace;
use super::problem::{Failure, MEDIA_TYPE, Problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id taken from a caller, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// Names requests: random for a worker, then counted. An id has to be unlike others, not secret.
pub(super) struct RequestIds {
    prefix: String,
    next: Cell<u64>,
}

impl RequestIds {
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        let mut prefix = [0; 8];
        entropy.fill(&mut prefix);
        Self {
            prefix: HEXLOWER.encode(&prefix),
            next: Cell::new(0),
        }
    }

    /// The caller's own id, if it is well formed, so that a request keeps its name across services.
    fn of(&self, request: &ServiceRequest) -> HeaderValue {
        let own = request.headers().get(REQUEST_ID);
        own.filter(|id| is_request_id(id.as_bytes()))
            .cloned()
            .unwrap_or_else(|| self.generate())
    }

    fn generate(&self) -> HeaderValue {
        let number = self.next.get();
        self.next.set(number + 1);
        let id = format!("{}-{number:x}", self.prefix);
        HeaderValue::from_maybe_shared(web::Bytes::from(id))
            .unwrap_or(HeaderValue::from_static("unknown"))
    }
}

fn is_request_id(id: &[u8]) -> bool {
    (1..=MAX_REQUEST_ID).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

/// A route with its metrics: for every path of this product, so that none goes uncounted.
pub(crate) fn resource(path: &'static str) -> Resource {
    web::resource(path).app_data(RouteMetrics::new(path))
}

/// The metrics of one route in one worker. Their handles are looked up once for each method and
/// status that occurs, because a look-up hashes every label.
pub(crate) struct RouteMetrics {
    route: &'static str,
    seen: RefCell<Vec<Outcome>>,
}

struct Outcome {
    method: &'static str,
    status: StatusCode,
    count: Counter,
    duration: Histogram,
}

impl RouteMetrics {
    pub(super) fn new(route: &'static str) -> Self {
        Self {
            route,
            seen: RefCell::default(),
        }
    }

    fn record(&self, method: &'static str, status: StatusCode, took: Duration) {
        let mut seen = self.seen.borrow_mut();
        let found = seen
            .iter()
            .position(|o| o.method == method && o.status == status);
        let index = found.unwrap_or_else(|| {
            seen.push(Outcome::new(self.route, method, status));
            seen.len() - 1
        });
        seen[index].count.increment(1);
        seen[index].duration.record(took);
    }
}

impl Outcome {
    fn new(route: &'static str, method: &'static str, status: StatusCode) -> Self {
        let labels = [("route", route), ("method", method)];
        let status_label = status.as_str().to_owned();
        Self {
            method,
            status,
            count: counter!("phone_auth_http_requests_total", "route" => route, "method" => method, "status" => status_label),
            duration: histogram!("phone_auth_http_request_duration_seconds", &labels),
        }
    }
}

/// Methods are the caller's to invent; labels are not.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// Serves a request and adds what every answer carries.
pub(super) fn observe<S>(
    ids: &RequestIds,
    request: ServiceRequest,
    routes: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let started = Instant::now();
    let id = ids.of(&request);
    let pace = request.conn_data::<Rc<Pace>>().cloned();
    if let Some(pace) = &pace {
        pace.serving();
    }
    let answer = routes.call(request);
    async move {
        let mut answer = as_problem(answer.await?);
        let headers = answer.headers_mut();
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if AppState::of(answer.request()).is_ok_and(|state| state.ending.has_begun()) {
            // The next request of this caller goes to a process that stays.
            let head = answer.response_mut().head_mut();
            head.set_connection_type(ConnectionType::Close);
        }
        let now = Instant::now();
        record(&answer, &id, now - started);
        answer.headers_mut().insert(REQUEST_ID, id);
        if let Some(pace) = pace {
            pace.served(now);
        }
        Ok(answer)
    }
}

/// The framework's own errors are bare or plain text: they become problems, and keep their
/// headers, such as `Allow`.
fn as_problem(answer: ServiceResponse) -> ServiceResponse {
    let status = answer.status();
    if !status.is_client_error() && !status.is_server_error() {
        return answer;
    }
    let media_type = answer.headers().get(header::CONTENT_TYPE);
    if media_type.is_some_and(|value| !value.as_bytes().starts_with(b"text/plain")) {
        return answer;
    }
    answer.map_body(|head, _| {
        head.headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        BoxBody::new(Problem::of_status(status).to_json())
    })
}

/// Counts the answer and logs it, by route: a path or a query may hold a phone.
fn record(answer: &ServiceResponse, id: &HeaderValue, took: Duration) {
    let Some(metrics) = answer.request().app_data::<RouteMetrics>() else {
        return;
    };
    let (route, status) = (metrics.route, answer.status());
    let method = method_label(answer.request().method());
    metrics.record(method, status, took);
    let id = id.to_str().unwrap_or_default();
    let status = status.as_u16();
    match failure(answer) {
        Some(error) if is_told(answer) => {
            tracing::debug!(
                request_id = id,
                method,
                route,
                status,
                error,
                "request failed"
            );
        }
        Some(error) => {
            tracing::error!(
                request_id = id,
                method,
                route,
                status,
                error,
                "request failed"
            );
        }
        None => tracing::debug!(
            request_id = id,
            method,
            route,
            status,
            ?took,
            "request served"
        ),
    }
}

/// What went wrong on our side, if anything did.
fn failure(answer: &ServiceResponse) -> Option<String> {
    let response = answer.response();
    if let Some(failure) = response.extensions().get::<Failure>() {
        return Some(failure.text.clone());
    }
    let failed = response.status().is_server_error();
    failed.then(|| response.error().map_or_else(String::new, Error::to_string))
}

/// Whether the log learns of it once from elsewhere; of what is late, if a store is lost.
fn is_told(answer: &ServiceResponse) -> bool {
    let is_any_lost =
        || AppState::of(answer.request()).is_ok_and(|s| s.serving.lost().next().is_some());
    let extensions = answer.response().extensions();
    let failure = extensions.get::<Failure>();
    failure.is_some_and(|failure| failure.is_told || failure.is_late && is_any_lost())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_taken_only_if_it_is_safe_to_log() {
        for id in ["a", "0b5f.A_9-z", &"x".repeat(128)] {
            assert!(is_request_id(id.as_bytes()), "{id}");
        }
        for id in ["", " ", "a b", "a\"b", "a\nb", "ä", "a/b", &"x".repeat(129)] {
            assert!(!is_request_id(id.as_bytes()), "{id:?}");
        }
    }
}
