//! The development outbox: what the stub gateway "sent", for whoever sits at this machine.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ACCEPT;
use actix_web::web::ServiceConfig;
use adapter_sms::{Outbox, OutboxMessage};
use domain::auth::AuthError;
use domain::phone::PhoneNumber;
use serde::{Deserialize, Serialize};

use super::notice::Notice;
use super::view::{MessageRow, OutboxPage};
use super::visit::Visit;
use crate::http::observe::resource;
use crate::http::problem::Problem;

const HERE: &str = "/dev/outbox";

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(resource("/dev/outbox").get(show));
}

#[derive(Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    to: String,
}

#[derive(Serialize)]
struct Messages<'a> {
    messages: Vec<Message<'a>>,
}

#[derive(Serialize)]
struct Message<'a> {
    to: &'a str,
    text: &'a str,
    sent_at: String,
}

async fn show(visit: Visit) -> Result<HttpResponse, Problem> {
    let outbox = visit
        .outbox()
        .ok_or_else(|| Problem::of_status(StatusCode::NOT_FOUND))?;
    let to = visit.query::<Wanted>().to;
    let found = find(&visit, outbox, &to);
    if wants_json(&visit) {
        return found.map(|messages| as_json(&messages));
    }
    let page = OutboxPage {
        frame: visit.frame(HERE, found.as_ref().err().map(Notice::of)),
        to: &to,
        messages: found
            .iter()
            .flatten()
            .map(|message| row(&visit, message))
            .collect(),
    };
    Ok(visit.show(&page))
}

/// The messages to a number, or to all.
fn find(visit: &Visit, outbox: &Outbox, to: &str) -> Result<Vec<OutboxMessage>, Problem> {
    if to.is_empty() {
        return Ok(outbox.newest_first(None));
    }
    // People write the number into the address as it is, where a plus stands for a space.
    let spelling = to
        .strip_prefix(' ')
        .map_or_else(|| to.to_owned(), |rest| format!("+{rest}"));
    let region = visit.state.auth.policy().phones.default_region;
    let to = PhoneNumber::parse(&spelling, region).map_err(|_| AuthError::PhoneInvalid)?;
    Ok(outbox.newest_first(Some(&to)))
}

fn wants_json(visit: &Visit) -> bool {
    let accept = visit
        .request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept.is_some_and(|types| types.contains("application/json"))
}

fn as_json(found: &[OutboxMessage]) -> HttpResponse {
    let messages = found.iter().map(|message| Message {
        to: message.to.as_e164(),
        text: &message.text,
        sent_at: message.sent_at.to_string(),
    });
    HttpResponse::Ok().json(Messages {
        messages: messages.collect(),
    })
}

fn row(visit: &Visit, message: &OutboxMessage) -> MessageRow {
    // The digits stand after the last `#`, where browsers look for them.
    let end = message
        .text
        .rfind('#')
        .map_or(message.text.len(), |at| at + 1);
    let (before, digits) = message.text.split_at(end);
    MessageRow {
        to: message.to.as_e164().to_owned(),
        before: before.to_owned(),
        digits: digits.to_owned(),
        sent_at: message.sent_at.to_string(),
        ago: visit.ago(message.sent_at),
    }
}
