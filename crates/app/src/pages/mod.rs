//! The pages that people see: sign in, what they are signed in to, and the development outbox.
//!
//! They work without JavaScript: every form is answered by a redirect to a page that shows what
//! came of it.

mod assets;
mod cookies;
mod device;
mod guard;
mod home;
mod i18n;
mod login;
mod notice;
mod outbox;
#[cfg(test)]
mod tests;
mod view;
mod visit;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, HttpResponseBuilder};
use adapter_sms::Outbox;
use domain::message::Locale;
use serde::Deserialize;

use self::visit::Visit;
use crate::http::observe::resource;

/// What the pages need besides [`AppState`](crate::http::AppState).
pub(crate) struct Pages {
    /// Where the pages are served, as browsers name it: `https://login.example.com`.
    pub(crate) public_origin: String,
    /// What the stub gateway "sent"; `None` with a real gateway, or on a public address.
    pub(crate) outbox: Option<Arc<Outbox>>,
}

/// The routes of the pages, for the server of [`AppState`](crate::http::AppState).
pub(crate) fn configure(config: &mut ServiceConfig, pages: web::Data<Pages>) {
    config.app_data(pages);
    config.service(resource("/").get(async || see_other("/home")));
    config.service(resource("/language/{tag}").get(language));
    config
        .configure(assets::configure)
        .configure(login::configure)
        .configure(home::configure);
    config.configure(outbox::configure);
}

/// The answer to a form, and to a page that another one takes the place of.
fn see_other(address: &str) -> HttpResponse {
    leave_for(address).finish()
}

fn leave_for(address: &str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(StatusCode::SEE_OTHER);
    answer
        .insert_header((LOCATION, address))
        .insert_header((CACHE_CONTROL, "no-store"));
    answer
}

#[derive(Default, Deserialize)]
struct Next {
    next: Option<String>,
}

/// Remembers a language chosen by hand.
async fn language(visit: Visit, tag: web::Path<String>) -> HttpResponse {
    let wanted: Next = visit.query();
    let next = wanted.next.as_deref().and_then(guard::return_address);
    let mut answer = leave_for(next.unwrap_or("/"));
    if let Some(locale) = Locale::from_tag(&tag) {
        answer.cookie(visit.cookies().keep_language(locale.as_str()));
    }
    answer.finish()
}
