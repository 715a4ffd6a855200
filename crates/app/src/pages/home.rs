//! Who is signed in, where else, and signing out.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use domain::auth::{Authenticated, SessionView};

use super::device::Device;
use super::notice::Notice;
use super::view::{HomePage, SessionRow};
use super::visit::{PageError, Visit};
use super::{leave_for, see_other};
use crate::http::deadline::in_time;
use crate::http::observe::resource;
use crate::http::problem::{Problem, ProblemCode};

const HERE: &str = "/home";

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(resource("/home").get(show));
    config.service(resource("/logout").post(sign_out));
    config.service(resource("/logout/everywhere").post(sign_out_everywhere));
    config.service(resource("/sessions/{id}/sign-out").post(sign_out_one));
}

type Answer = Result<HttpResponse, PageError>;

async fn show(visit: Visit) -> Answer {
    match home(&visit).await {
        Err(problem) if problem.code() == ProblemCode::Unauthenticated => Ok(see_other("/login")),
        answer => answer.map_err(|problem| visit.unavailable(problem)),
    }
}

async fn home(visit: &Visit) -> Result<HttpResponse, Problem> {
    let auth = &visit.state.auth;
    let visitor = visit.signed_in().await?;
    let me = in_time(auth.me(&visitor)).await?;
    let sessions = in_time(auth.sessions(&visitor)).await?;
    Ok(visit.show(&HomePage {
        frame: visit.frame(HERE, None),
        phone: me.phone.as_e164(),
        sessions: sessions.iter().map(|session| row(visit, session)).collect(),
    }))
}

fn row(visit: &Visit, session: &SessionView) -> SessionRow {
    SessionRow {
        id: session.id.to_string(),
        device: Device::of(session.user_agent.as_deref()),
        address: session.address.to_string(),
        since: session.created_at.to_string(),
        ago: visit.ago(session.created_at),
        current: session.current,
    }
}

async fn sign_out(visit: Visit) -> Answer {
    if let Some(visitor) = visitor(&visit).await? {
        let auth = visit.state.auth.clone();
        let done = visit
            .complete(async move { auth.sign_out(&visitor).await })
            .await;
        done.map_err(|problem| visit.unavailable(problem))?;
    }
    Ok(signed_out(&visit))
}

async fn sign_out_everywhere(visit: Visit) -> Answer {
    if let Some(visitor) = visitor(&visit).await? {
        let auth = visit.state.auth.clone();
        let done = visit
            .complete(async move { auth.sign_out_everywhere(&visitor).await })
            .await;
        done.map_err(|problem| visit.unavailable(problem))?;
    }
    Ok(signed_out(&visit))
}

async fn sign_out_one(visit: Visit, id: web::Path<String>) -> Answer {
    let Some(visitor) = visitor(&visit).await? else {
        return Ok(signed_out(&visit));
    };
    if let Ok(id) = id.parse() {
        let auth = visit.state.auth.clone();
        let done = visit
            .complete(async move { auth.sign_out_one(&visitor, id).await })
            .await;
        // One that is over already, or never was: the list shows what is left either way.
        if let Err(problem) = done
            && problem.code() != ProblemCode::NotFound
        {
            return Err(visit.unavailable(problem));
        }
    }
    Ok(see_other(HERE))
}

/// Whoever sent one of our forms, if they are still signed in.
async fn visitor(visit: &Visit) -> Result<Option<Authenticated>, PageError> {
    visit.must_be_ours()?;
    match visit.signed_in_by_cookie().await {
        Ok(visitor) => Ok(Some(visitor)),
        Err(problem) if problem.code() == ProblemCode::Unauthenticated => Ok(None),
        Err(problem) => Err(visit.unavailable(problem)),
    }
}

fn signed_out(visit: &Visit) -> HttpResponse {
    let address = format!("/login?{}", Notice::SignedOut.query());
    leave_for(&address)
        .cookie(visit.cookies().drop_session())
        .finish()
}
