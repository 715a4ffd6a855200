//! The one table from the domain's errors to HTTP. Causes are kept for the log and never sent.

use std::time::Duration;

use domain::auth::AuthError;

use crate::http::deadline::Late;
use crate::http::problem::{Problem, ProblemCode};
use crate::http::short::Outcome;

/// What a caller is told to wait when something we stand on cannot answer.
const TRY_AGAIN: Duration = Duration::from_secs(2);

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        use ProblemCode as Code;
        match error {
            AuthError::PhoneInvalid => Self::new(
                Code::PhoneInvalid,
                "Not a possible phone number. Write it in full, with + and its country code.",
            ),
            AuthError::PhoneNotAllowed => Self::new(
                Code::PhoneNotAllowed,
                "This service does not text numbers of that country or kind.",
            ),
            AuthError::CodeMalformed { length } => Self::malformed(format!(
                "A code is a string of exactly {length} ASCII digits."
            ))
            .field("code"),
            AuthError::RateLimited { scope, retry_after } => {
                let detail = "Too often. Wait as long as Retry-After says.";
                let problem = Self::new(Code::RateLimited, detail).retry_after(retry_after);
                // Other limits would tell a caller about other people.
                match scope.filter(|scope| scope.is_callers_own()) {
                    Some(scope) => problem.scope(scope.as_str()),
                    None => problem,
                }
            }
            AuthError::CodeIncorrect { remaining } => Self::new(
                Code::CodeIncorrect,
                "These are not the digits that were sent.",
            )
            .attempts_remaining(remaining),
            AuthError::CodeGone => {
                let detail = "This code cannot be used any more. Ask for a new one.";
                Self::new(Code::CodeGone, detail)
            }
            AuthError::IdempotencyConflict => {
                let detail = "This Idempotency-Key was used with another body. Use a new key.";
                Self::new(Code::IdempotencyConflict, detail)
            }
            AuthError::Unauthenticated => {
                let detail = "Send a valid access token of a live session, or sign in again.";
                Self::new(Code::Unauthenticated, detail)
            }
            AuthError::RefreshRejected => {
                let detail = "This refresh token does not work any more. Sign in again.";
                Self::new(Code::RefreshRejected, detail)
            }
            AuthError::NotFound => Self::new(Code::NotFound, "There is no such thing of yours."),
            error @ AuthError::Unavailable { .. } => Self::unavailable(error),
        }
    }
}

impl Problem {
    /// Something this service stands on cannot answer. An answer that was lost on its way may have
    /// been yes.
    pub(crate) fn unavailable(cause: impl Into<domain::ports::Source>) -> Self {
        let detail = "The service cannot answer now. Try again; the call may have taken effect.";
        let problem = Self::new(ProblemCode::Unavailable, detail);
        problem.retry_after(TRY_AGAIN).caused_by(cause)
    }

    /// The deadline passed. What changes something goes on, so it may still take effect.
    pub(crate) fn late() -> Self {
        let detail = "No answer in time. The call may still take effect.";
        let problem = Self::new(ProblemCode::Unavailable, detail);
        problem.retry_after(TRY_AGAIN).caused_by(Late)
    }
}

impl Outcome {
    /// What the short contract says when a code was not sent.
    pub(crate) fn of_send(problem: &Problem) -> Self {
        match problem.code() {
            ProblemCode::MalformedRequest => Self::ParamsErr,
            ProblemCode::PhoneInvalid | ProblemCode::PhoneNotAllowed => Self::PhoneIllegal,
            ProblemCode::RateLimited => Self::TooFrequent,
            _ => Self::Fail,
        }
    }

    /// What the short contract says when nobody was signed in. A code of another form is a wrong
    /// code there.
    pub(crate) fn of_sign_in(problem: &Problem) -> Self {
        match problem.code() {
            ProblemCode::PhoneInvalid | ProblemCode::PhoneNotAllowed => Self::PhoneIllegal,
            ProblemCode::CodeIncorrect | ProblemCode::CodeGone | ProblemCode::RateLimited => {
                Self::AuthFail
            }
            ProblemCode::MalformedRequest if problem.is_about("code") => Self::AuthFail,
            _ => Self::Fail,
        }
    }
}
