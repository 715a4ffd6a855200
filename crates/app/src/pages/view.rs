//! The pages as values: what each shows, rendered by its template.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use askama::Template;

use super::assets;
use super::device::Device;
use super::i18n::{self, Texts};
use super::notice::Notice;

/// Nothing but our own files, no inline script or style, no framing, no foreign form target.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What stands around every page.
pub(super) struct Frame<'a> {
    pub(super) t: &'static Texts,
    pub(super) brand: &'a str,
    /// The page's own address, to come back to in another language.
    pub(super) here: &'a str,
    pub(super) notice: Option<Notice>,
}

impl Frame<'_> {
    /// A screen reader says the title first, so trouble stands in it.
    fn title(&self, title: &str) -> String {
        match self.notice {
            Some(notice) if !notice.is_good() => format!("{}: {title}", self.t.error),
            _ => title.to_owned(),
        }
    }

    fn field_is_wrong(&self) -> bool {
        self.notice.is_some_and(Notice::blames_field)
    }
}

#[derive(Template)]
#[template(path = "login_phone.html")]
pub(super) struct PhonePage<'a> {
    pub(super) frame: Frame<'a>,
    /// What was typed before.
    pub(super) phone: &'a str,
    pub(super) next: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "login_code.html")]
pub(super) struct CodePage<'a> {
    pub(super) frame: Frame<'a>,
    /// Masked.
    pub(super) phone: &'a str,
    pub(super) code_length: u8,
    /// Seconds until the code may be sent again.
    pub(super) resend_wait: u64,
    /// Whether there is an outbox to read the code in.
    pub(super) outbox: bool,
}

#[derive(Template)]
#[template(path = "home.html")]
pub(super) struct HomePage<'a> {
    pub(super) frame: Frame<'a>,
    /// The whole number: its owner reads it.
    pub(super) phone: &'a str,
    pub(super) sessions: Vec<SessionRow>,
}

pub(super) struct SessionRow {
    pub(super) id: String,
    pub(super) device: Device,
    pub(super) address: String,
    /// RFC 3339.
    pub(super) since: String,
    /// How long ago that was, in words.
    pub(super) ago: String,
    pub(super) current: bool,
}

#[derive(Template)]
#[template(path = "outbox.html")]
pub(super) struct OutboxPage<'a> {
    pub(super) frame: Frame<'a>,
    /// The number asked for, or nothing for all.
    pub(super) to: &'a str,
    pub(super) messages: Vec<MessageRow>,
}

pub(super) struct MessageRow {
    pub(super) to: String,
    /// The text up to its digits.
    pub(super) before: String,
    pub(super) digits: String,
    /// RFC 3339.
    pub(super) sent_at: String,
    /// How long ago that was, in words.
    pub(super) ago: String,
}

#[derive(Template)]
#[template(path = "error.html")]
pub(super) struct ErrorPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) heading: &'a str,
    pub(super) remedy: &'a str,
    /// Where to go from here.
    pub(super) start: &'a str,
}

/// The page in HTML. Writing to memory does not fail.
pub(super) fn render(page: &impl Template) -> String {
    page.render().unwrap_or_default()
}

/// The answer that carries a page. It depends on a person, so nobody keeps it.
pub(super) fn respond(status: StatusCode, lang: &'static str, html: String) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_LANGUAGE, lang))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Forms are told from foreign ones by where they come from.
        .insert_header((REFERRER_POLICY, "same-origin"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(html)
}
