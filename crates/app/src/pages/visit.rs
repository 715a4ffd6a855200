//! One request for a page: who asks, in which language, and with what form.

use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::web::Data;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, ResponseError, web};
use adapter_sms::Outbox;
use askama::Template;
use domain::auth::{AuthError, Authenticated};
use domain::session::Caller;
use domain::timestamp::Timestamp;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::cookies::{Cookies, SignInUnderWay};
use super::i18n::{self, Texts};
use super::notice::{Notice, NoticeQuery};
use super::view::{ErrorPage, Frame, render, respond};
use super::{Pages, guard};
use crate::http::AppState;
use crate::http::deadline::in_time;
use crate::http::extract::{CalledBy, Language, bearer};
use crate::http::problem::Problem;

/// Largest form read, in bytes.
const MAX_FORM: usize = 4 * 1024;

/// How long a form may take to arrive.
const FORM_DEADLINE: Duration = Duration::from_secs(5);

pub(super) struct Visit {
    pub(super) state: Data<AppState>,
    pub(super) pages: Data<Pages>,
    pub(super) request: HttpRequest,
    pub(super) caller: Caller,
    pub(super) t: &'static Texts,
}

impl FromRequest for Visit {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Self::of(request, payload))
    }
}

impl Visit {
    fn of(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Error> {
        Ok(Self {
            state: Data::from_request(request, payload).into_inner()?,
            pages: Data::from_request(request, payload).into_inner()?,
            request: request.clone(),
            caller: CalledBy::from_request(request, payload).into_inner()?.0,
            t: i18n::choose(
                request,
                Language::from_request(request, payload).into_inner()?.0,
            ),
        })
    }

    pub(super) fn cookies(&self) -> Cookies {
        Cookies::of_origin(&self.pages.public_origin)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.state.auth.ports().clock.now()
    }

    /// How long ago a moment was, in words.
    pub(super) fn ago(&self, then: Timestamp) -> String {
        self.t.ago(self.now().since(then).as_secs())
    }

    pub(super) fn sign_in_under_way(&self) -> SignInUnderWay {
        self.cookies().sign_in(&self.request)
    }

    /// Awaits a use case that changes something: it goes on even if the browser goes away.
    pub(super) async fn complete<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, AuthError>> + Send + 'static,
    ) -> Result<T, Problem> {
        self.state.background.complete(work).await
    }

    /// Who asks: by access token, in either of its headers, or by cookie.
    pub(super) async fn signed_in(&self) -> Result<Authenticated, Problem> {
        let headers = self.request.headers();
        let token = || headers.get("token")?.to_str().ok();
        match bearer(headers).or_else(token) {
            Some(token) => in_time(self.state.auth.authenticate(token)).await,
            None => self.signed_in_by_cookie().await,
        }
    }

    pub(super) async fn signed_in_by_cookie(&self) -> Result<Authenticated, Problem> {
        let cookie = self.cookies().session(&self.request);
        let cookie = cookie.ok_or(AuthError::Unauthenticated)?;
        in_time(self.state.auth.authenticate_cookie(&cookie)).await
    }

    /// The development outbox, for browsers on this machine only.
    pub(super) fn outbox(&self) -> Option<&Outbox> {
        let near = self.caller.address.is_loopback() && guard::is_near(&self.request);
        self.pages.outbox.as_deref().filter(|_| near)
    }

    /// What the address asks for; nothing where it is not of the form.
    pub(super) fn query<T: DeserializeOwned + Default>(&self) -> T {
        parse(self.request.query_string()).unwrap_or_default()
    }

    /// What happened before, if the address says so.
    pub(super) fn notice(&self) -> Option<Notice> {
        self.query::<NoticeQuery>().read()
    }

    pub(super) fn frame<'a>(&'a self, here: &'a str, notice: Option<Notice>) -> Frame<'a> {
        let brand = self.state.auth.policy().templates.brand();
        Frame {
            t: self.t,
            brand,
            here,
            notice,
        }
    }

    pub(super) fn show(&self, page: &impl Template) -> HttpResponse {
        respond(StatusCode::OK, self.t.lang, render(page))
    }

    /// Reads a form that one of our own pages sent, or says what is wrong with it.
    pub(super) async fn form<T: DeserializeOwned>(
        &self,
        body: web::Payload,
    ) -> Result<T, PageError> {
        self.must_be_ours()?;
        let headers = self.request.headers();
        let media_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let essence = media_type
            .and_then(|text| text.split(';').next())
            .unwrap_or_default();
        if !essence
            .trim_ascii()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
            || headers.contains_key(CONTENT_ENCODING)
        {
            return Err(self.malformed(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let arrived = timeout(FORM_DEADLINE, body.to_bytes_limited(MAX_FORM)).await;
        let in_time = arrived.map_err(|_| self.malformed(StatusCode::REQUEST_TIMEOUT))?;
        let small = in_time.map_err(|_| self.malformed(StatusCode::PAYLOAD_TOO_LARGE))?;
        let bytes = small.map_err(|_| self.malformed(StatusCode::BAD_REQUEST))?;
        let text = std::str::from_utf8(&bytes).ok();
        text.and_then(parse)
            .ok_or_else(|| self.malformed(StatusCode::BAD_REQUEST))
    }

    /// Refuses what another site made the browser send.
    pub(super) fn must_be_ours(&self) -> Result<(), PageError> {
        let origin = &self.pages.public_origin;
        if guard::is_from(&self.request, origin) {
            return Ok(());
        }
        let remedy = i18n::fill(self.t.refused_remedy, origin);
        Err(self.error(StatusCode::FORBIDDEN, self.t.refused_title, &remedy, None))
    }

    fn malformed(&self, status: StatusCode) -> PageError {
        self.error(
            status,
            self.t.malformed_title,
            self.t.malformed_remedy,
            None,
        )
    }

    /// Where a page cannot be shown because something it stands on cannot answer.
    pub(super) fn unavailable(&self, cause: Problem) -> PageError {
        let (title, remedy) = (self.t.unavailable_title, self.t.unavailable);
        self.error(
            StatusCode::SERVICE_UNAVAILABLE,
            title,
            remedy,
            Some(Box::new(cause)),
        )
    }

    fn error(
        &self,
        status: StatusCode,
        heading: &str,
        remedy: &str,
        cause: Option<Box<Problem>>,
    ) -> PageError {
        let start = format!("{}/", self.pages.public_origin);
        let page = ErrorPage {
            frame: self.frame("/", None),
            heading,
            remedy,
            start: &start,
        };
        PageError {
            status,
            html: render(&page),
            lang: self.t.lang,
            cause,
        }
    }
}

fn parse<T: DeserializeOwned>(urlencoded: &str) -> Option<T> {
    web::Query::from_query(urlencoded)
        .map(web::Query::into_inner)
        .ok()
}

/// Why there is no page; it is answered by a page that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("no page: {status}")]
pub(super) struct PageError {
    status: StatusCode,
    html: String,
    lang: &'static str,
    #[source]
    cause: Option<Box<Problem>>,
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = respond(self.status, self.lang, self.html.clone());
        if let Some(cause) = &self.cause {
            answer.extensions_mut().insert(cause.failure());
            if let Some(seconds) = cause.wait() {
                answer.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            // The rest of the form may still come: it is not the next request.
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        answer
    }
}
