//! The one line that a page says about what happened before it. It travels through a redirect as
//! a fixed word and a number, so that nothing a person typed ever comes back in an address.

use serde::Deserialize;

use super::i18n::{Texts, fill};
use crate::http::problem::{Problem, ProblemCode};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    PhoneInvalid,
    PhoneNotAllowed,
    CodeMalformed,
    /// So many tries are left.
    CodeIncorrect(u64),
    CodeGone,
    /// Wait so many seconds.
    RateLimited(u64),
    Unavailable,
    NotDelivered,
    CodeSent,
    SignedOut,
}

/// The notice as it stands in an address.
#[derive(Debug, Default, Deserialize)]
pub(super) struct NoticeQuery {
    notice: Option<String>,
    n: Option<String>,
}

impl NoticeQuery {
    pub(super) fn read(&self) -> Option<Notice> {
        let n = || self.n.as_deref()?.parse::<u32>().ok().map(u64::from);
        Some(match self.notice.as_deref()? {
            "phone_invalid" => Notice::PhoneInvalid,
            "phone_not_allowed" => Notice::PhoneNotAllowed,
            "code_malformed" => Notice::CodeMalformed,
            "code_incorrect" => Notice::CodeIncorrect(n()?),
            "code_gone" => Notice::CodeGone,
            "rate_limited" => Notice::RateLimited(n()?),
            "unavailable" => Notice::Unavailable,
            "not_delivered" => Notice::NotDelivered,
            "code_sent" => Notice::CodeSent,
            "signed_out" => Notice::SignedOut,
            _ => return None,
        })
    }
}

impl Notice {
    /// What a problem says to the person.
    pub(super) fn of(problem: &Problem) -> Self {
        match problem.code() {
            ProblemCode::PhoneInvalid => Self::PhoneInvalid,
            ProblemCode::PhoneNotAllowed => Self::PhoneNotAllowed,
            ProblemCode::MalformedRequest => Self::CodeMalformed,
            ProblemCode::CodeGone => Self::CodeGone,
            ProblemCode::CodeIncorrect => match problem.tries_left() {
                // The last try is gone too: only a new code helps.
                None | Some(0) => Self::CodeGone,
                Some(left) => Self::CodeIncorrect(u64::from(left)),
            },
            ProblemCode::RateLimited => Self::RateLimited(problem.wait().unwrap_or_default()),
            _ => Self::Unavailable,
        }
    }

    /// The notice as a query, without its question mark.
    pub(super) fn query(self) -> String {
        let word = match self {
            Self::PhoneInvalid => "phone_invalid",
            Self::PhoneNotAllowed => "phone_not_allowed",
            Self::CodeMalformed => "code_malformed",
            Self::CodeIncorrect(n) => return format!("notice=code_incorrect&n={n}"),
            Self::CodeGone => "code_gone",
            Self::RateLimited(n) => return format!("notice=rate_limited&n={n}"),
            Self::Unavailable => "unavailable",
            Self::NotDelivered => "not_delivered",
            Self::CodeSent => "code_sent",
            Self::SignedOut => "signed_out",
        };
        format!("notice={word}")
    }

    pub(super) fn text(self, t: &Texts) -> String {
        match self {
            Self::PhoneInvalid => t.phone_invalid.to_owned(),
            Self::PhoneNotAllowed => t.phone_not_allowed.to_owned(),
            Self::CodeMalformed => t.code_malformed.to_owned(),
            Self::CodeIncorrect(1) => t.code_incorrect_last.to_owned(),
            Self::CodeIncorrect(left) => fill(t.code_incorrect, left),
            Self::CodeGone => t.code_gone.to_owned(),
            Self::RateLimited(seconds) if seconds > 120 => {
                fill(t.wait_minutes, seconds.div_ceil(60))
            }
            Self::RateLimited(seconds) => fill(t.wait_seconds, seconds),
            Self::Unavailable => t.unavailable.to_owned(),
            Self::NotDelivered => t.not_delivered.to_owned(),
            Self::CodeSent => t.code_sent.to_owned(),
            Self::SignedOut => t.signed_out.to_owned(),
        }
    }

    pub(super) fn is_good(self) -> bool {
        matches!(self, Self::CodeSent | Self::SignedOut)
    }

    /// Whether it is about what stands in the page's field.
    pub(super) fn blames_field(self) -> bool {
        use Notice::{CodeIncorrect, CodeMalformed, PhoneInvalid, PhoneNotAllowed};
        matches!(
            self,
            PhoneInvalid | PhoneNotAllowed | CodeMalformed | CodeIncorrect(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use actix_web::web::Query;
    use domain::auth::AuthError;

    use super::*;

    fn read(query: &str) -> Option<Notice> {
        Query::<NoticeQuery>::from_query(query).unwrap().read()
    }

    #[test]
    fn every_notice_survives_a_redirect() {
        let all = [
            Notice::PhoneInvalid,
            Notice::PhoneNotAllowed,
            Notice::CodeMalformed,
            Notice::CodeIncorrect(3),
            Notice::CodeGone,
            Notice::RateLimited(60),
            Notice::Unavailable,
            Notice::NotDelivered,
            Notice::CodeSent,
            Notice::SignedOut,
        ];
        for notice in all {
            assert_eq!(read(&notice.query()), Some(notice));
        }
    }

    #[test]
    fn what_is_no_notice_is_not_shown() {
        for query in [
            "",
            "notice=",
            "notice=<b>",
            "notice=code_incorrect",
            "notice=rate_limited&n=x",
        ] {
            assert_eq!(read(query), None, "{query}");
        }
    }

    #[test]
    fn the_last_wrong_guess_asks_for_a_new_code() {
        let of = |remaining| Notice::of(&AuthError::CodeIncorrect { remaining }.into());
        assert_eq!(of(0), Notice::CodeGone);
        assert_eq!(of(2), Notice::CodeIncorrect(2));
    }
}
