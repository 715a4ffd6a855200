//! The sign-in page: first the phone, then the code.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Payload, ServiceConfig};
use domain::auth::{AskCode, Credentials, Grant, SignIn};
use domain::code::DeliveryStatus;
use domain::id::PhoneCodeId;
use domain::session::SessionLifetime;
use serde::Deserialize;

use super::cookies::SignInUnderWay;
use super::guard::return_address;
use super::notice::Notice;
use super::view::{CodePage, PhonePage};
use super::visit::{PageError, Visit};
use super::{leave_for, see_other};
use crate::http::deadline::in_time;
use crate::http::observe::resource;
use crate::http::problem::{Problem, ProblemCode};

const PHONE_STEP: &str = "/login";
const CODE_STEP: &str = "/login?step=code";

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(resource("/login").get(show).post(ask));
    config.service(resource("/login/resend").post(resend));
    config.service(resource("/login/verify").post(verify));
}

type Answer = Result<HttpResponse, PageError>;

#[derive(Default, Deserialize)]
struct Wanted {
    step: Option<String>,
    next: Option<String>,
}

async fn show(visit: Visit) -> Answer {
    let wanted: Wanted = visit.query();
    let sign_in = visit.sign_in_under_way();
    if wanted.step.as_deref() == Some("code") {
        return show_code_step(&visit, &sign_in).await;
    }
    let next = wanted.next.as_deref().and_then(return_address);
    if visit.notice().is_none() && visit.signed_in_by_cookie().await.is_ok() {
        return Ok(see_other(next.unwrap_or("/home")));
    }
    let page = PhonePage {
        frame: visit.frame(PHONE_STEP, visit.notice()),
        phone: &sign_in.phone,
        next: next.or(sign_in.next.as_deref()),
    };
    Ok(visit.show(&page))
}

async fn show_code_step(visit: &Visit, sign_in: &SignInUnderWay) -> Answer {
    let Some(id) = sign_in.code_id() else {
        return Ok(see_other(PHONE_STEP));
    };
    let now = visit.now();
    let code = match in_time(visit.state.auth.code_status(id)).await {
        Ok(code) if code.expires_at > now && code.attempts_remaining > 0 => code,
        Err(problem) if problem.code() == ProblemCode::Unavailable => {
            return Err(visit.unavailable(problem));
        }
        Ok(_) | Err(_) => return Ok(start_over(visit)),
    };
    let lost = (code.status == DeliveryStatus::Failed).then_some(Notice::NotDelivered);
    let page = CodePage {
        frame: visit.frame(CODE_STEP, visit.notice().or(lost)),
        phone: &code.phone,
        code_length: code.code_length,
        resend_wait: code.resend_at.since(now).as_millis().div_ceil(1000) as u64,
        outbox: visit.outbox().is_some(),
    };
    Ok(visit.show(&page))
}

#[derive(Deserialize)]
struct PhoneForm {
    phone: String,
    next: Option<String>,
}

async fn ask(visit: Visit, body: Payload) -> Answer {
    let form: PhoneForm = visit.form(body).await?;
    let before = visit.sign_in_under_way();
    let again = before.code.is_some() && before.phone == form.phone;
    let (code, address) = match ask_code(&visit, form.phone.clone()).await {
        Ok(id) => (Some(id.to_string()), CODE_STEP.to_owned()),
        // The code sent a moment ago still works: type that one.
        Err(problem) if again && problem.code() == ProblemCode::RateLimited => {
            (before.code, with_notice(CODE_STEP, Notice::of(&problem)))
        }
        Err(problem) => (None, with_notice(PHONE_STEP, Notice::of(&problem))),
    };
    let next = form.next.filter(|next| return_address(next).is_some());
    let sign_in = SignInUnderWay {
        code,
        phone: form.phone,
        next,
    };
    Ok(leave_for(&address)
        .cookie(visit.cookies().keep_sign_in(&sign_in))
        .finish())
}

async fn ask_code(visit: &Visit, phone: String) -> Result<PhoneCodeId, Problem> {
    let (auth, caller, locale) = (
        visit.state.auth.clone(),
        visit.caller.clone(),
        visit.t.locale,
    );
    let work = async move {
        let ask = AskCode {
            phone: &phone,
            locale,
            caller: &caller,
            idempotency_key: None,
        };
        auth.ask_code(ask).await
    };
    Ok(visit.complete(work).await?.id)
}

async fn resend(visit: Visit) -> Answer {
    visit.must_be_ours()?;
    let Some(id) = visit.sign_in_under_way().code_id() else {
        return Ok(see_other(PHONE_STEP));
    };
    let (auth, caller) = (visit.state.auth.clone(), visit.caller.clone());
    let resent = visit
        .complete(async move { auth.resend_code(id, &caller).await })
        .await;
    Ok(match resent {
        Ok(_) => see_other(&with_notice(CODE_STEP, Notice::CodeSent)),
        Err(problem) => refused(&visit, &problem),
    })
}

#[derive(Deserialize)]
struct CodeForm {
    code: String,
}

async fn verify(visit: Visit, body: Payload) -> Answer {
    let form: CodeForm = visit.form(body).await?;
    let sign_in = visit.sign_in_under_way();
    let Some(id) = sign_in.code_id() else {
        return Ok(see_other(PHONE_STEP));
    };
    // People copy "123 456".
    let digits = form.code.replace(' ', "");
    let lifetime = session_lifetime(&visit);
    let (auth, caller) = (visit.state.auth.clone(), visit.caller.clone());
    let work = async move {
        let attempt = SignIn {
            code: &digits,
            caller: &caller,
            grant: Grant::Cookie(lifetime),
        };
        auth.sign_in(&id.to_string(), attempt).await
    };
    let signed_in = match visit.complete(work).await {
        Ok(signed_in) => signed_in,
        Err(problem) => return Ok(refused(&visit, &problem)),
    };
    let mut answer = leave_for(sign_in.next.as_deref().unwrap_or("/home"));
    if let Credentials::Cookie(token) = &signed_in.credentials {
        answer.cookie(visit.cookies().keep_session(token.expose(), lifetime));
    }
    Ok(answer.cookie(visit.cookies().drop_sign_in()).finish())
}

/// How long a browser stays signed in.
fn session_lifetime(visit: &Visit) -> Duration {
    match visit.state.auth.policy().session_lifetime {
        SessionLifetime::Refreshed { total, .. } | SessionLifetime::Fixed(total) => total,
    }
}

/// The answer where a code was not taken.
fn refused(visit: &Visit, problem: &Problem) -> HttpResponse {
    match Notice::of(problem) {
        Notice::CodeGone => start_over(visit),
        notice => see_other(&with_notice(CODE_STEP, notice)),
    }
}

/// Back to the phone, which is still there, for the code is gone for good.
fn start_over(visit: &Visit) -> HttpResponse {
    let sign_in = SignInUnderWay {
        code: None,
        ..visit.sign_in_under_way()
    };
    let cookie = visit.cookies().keep_sign_in(&sign_in);
    leave_for(&with_notice(PHONE_STEP, Notice::CodeGone))
        .cookie(cookie)
        .finish()
}

fn with_notice(step: &str, notice: Notice) -> String {
    let joint = if step.contains('?') { '&' } else { '?' };
    format!("{step}{joint}{}", notice.query())
}

impl SignInUnderWay {
    fn code_id(&self) -> Option<PhoneCodeId> {
        self.code.as_deref()?.parse().ok()
    }
}
