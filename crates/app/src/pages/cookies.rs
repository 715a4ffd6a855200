//! What a browser keeps for us: who is signed in, and how far a sign-in has come.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration as MaxAge;
use actix_web::cookie::{Cookie, SameSite};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::guard::return_address;
use super::i18n;

/// Longer than any code is valid.
const SIGN_IN_LIFETIME: Duration = Duration::from_secs(15 * 60);
const LANGUAGE_LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Longest phone kept as typed, in bytes.
const MAX_TYPED: usize = 40;

/// Makes and reads the cookies of one origin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cookies {
    secure: bool,
}

/// A sign-in under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SignInUnderWay {
    /// The id of the code that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    /// The phone as it was typed.
    pub(super) phone: String,
    /// Where to go once signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

impl Cookies {
    pub(super) fn of_origin(origin: &str) -> Self {
        Self {
            secure: origin.starts_with("https://"),
        }
    }

    /// The token that the browser shows.
    pub(super) fn session(self, request: &HttpRequest) -> Option<String> {
        request
            .cookie(self.session_name())
            .map(|cookie| cookie.value().to_owned())
    }

    /// Keeps a session's token.
    pub(super) fn keep_session(self, token: &str, lifetime: Duration) -> Cookie<'static> {
        self.cookie(self.session_name(), token.to_owned(), lifetime)
    }

    pub(super) fn drop_session(self) -> Cookie<'static> {
        self.cookie(self.session_name(), String::new(), Duration::ZERO)
    }

    /// The sign-in under way, or a new one. The browser may show anything, so nothing in it is
    /// believed to be well formed.
    pub(super) fn sign_in(self, request: &HttpRequest) -> SignInUnderWay {
        let read = || {
            let cookie = request.cookie(self.sign_in_name())?;
            let json = BASE64URL_NOPAD.decode(cookie.value().as_bytes()).ok()?;
            serde_json::from_slice::<SignInUnderWay>(&json).ok()
        };
        let mut found = read().unwrap_or_default();
        found.next = found.next.filter(|next| return_address(next).is_some());
        found
    }

    pub(super) fn keep_sign_in(self, sign_in: &SignInUnderWay) -> Cookie<'static> {
        let typed = &sign_in.phone;
        let phone = typed[..typed.floor_char_boundary(MAX_TYPED)].to_owned();
        // Strings always have a JSON form.
        let json = serde_json::to_vec(&SignInUnderWay {
            phone,
            ..sign_in.clone()
        })
        .unwrap_or_default();
        self.cookie(
            self.sign_in_name(),
            BASE64URL_NOPAD.encode(&json),
            SIGN_IN_LIFETIME,
        )
    }

    pub(super) fn drop_sign_in(self) -> Cookie<'static> {
        self.cookie(self.sign_in_name(), String::new(), Duration::ZERO)
    }

    pub(super) fn keep_language(self, tag: &str) -> Cookie<'static> {
        self.cookie(i18n::COOKIE, tag.to_owned(), LANGUAGE_LIFETIME)
    }

    /// `__Host-` makes browsers refuse a cookie set by a neighbouring subdomain; it wants https.
    fn session_name(self) -> &'static str {
        if self.secure {
            "__Host-session"
        } else {
            "session"
        }
    }

    fn sign_in_name(self) -> &'static str {
        if self.secure {
            "__Host-sign-in"
        } else {
            "sign-in"
        }
    }

    fn cookie(self, name: &'static str, value: String, lifetime: Duration) -> Cookie<'static> {
        Cookie::build(name, value)
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.secure)
            .max_age(MaxAge::try_from(lifetime).unwrap_or(MaxAge::MAX))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_session_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let cookie =
            Cookies::of_origin("https://a.example").keep_session("t", Duration::from_secs(60));
        let expected = "__Host-session=t; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60";
        assert_eq!(cookie.to_string(), expected);
        let plain =
            Cookies::of_origin("http://localhost:8080").keep_session("t", Duration::from_secs(60));
        assert_eq!(
            plain.to_string(),
            "session=t; HttpOnly; SameSite=Lax; Path=/; Max-Age=60"
        );
    }

    #[test]
    fn a_sign_in_under_way_reads_back_and_anything_else_is_a_new_one() {
        let cookies = Cookies::of_origin("https://a.example");
        let sign_in = SignInUnderWay {
            code: Some("pc_1".into()),
            phone: "138 0013 8000".into(),
            next: Some("/orders".into()),
        };
        let read =
            |cookie| cookies.sign_in(&TestRequest::default().cookie(cookie).to_http_request());
        assert_eq!(read(cookies.keep_sign_in(&sign_in)), sign_in);
        let elsewhere = SignInUnderWay {
            next: Some("//evil".into()),
            ..sign_in.clone()
        };
        assert_eq!(read(cookies.keep_sign_in(&elsewhere)).next, None);
        for odd in ["", "%%%", "W10", "eyJwaG9uZSI6MX0"] {
            assert_eq!(
                read(Cookie::new("__Host-sign-in", odd)),
                SignInUnderWay::default(),
                "{odd}"
            );
        }
        assert_eq!(
            cookies.sign_in(&TestRequest::default().to_http_request()),
            SignInUnderWay::default()
        );
    }

    #[test]
    fn a_long_phone_is_cut_before_it_is_kept() {
        let cookies = Cookies::of_origin("http://localhost");
        let sign_in = SignInUnderWay {
            phone: "1".repeat(4000),
            ..SignInUnderWay::default()
        };
        assert!(cookies.keep_sign_in(&sign_in).value().len() < 100);
    }
}
