//! What handlers take from a request besides its body.

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpRequest};
use domain::auth::AuthError;
use domain::message::Locale;
use domain::ports::AccessToken;
use domain::session::Caller;

use super::AppState;
use super::problem::Problem;

/// Who is calling, for limits and the session list.
pub(crate) struct CalledBy(pub(crate) Caller);

impl FromRequest for CalledBy {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let address = AppState::of(request).map(|state| state.trusted_proxies.caller(request));
        let user_agent = request.headers().get(header::USER_AGENT);
        let user_agent = user_agent.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        ready(address.map(|address| Self(Caller::new(address, user_agent))))
    }
}

/// The access token of `Authorization: Bearer …`, not yet checked.
pub(crate) struct Bearer(pub(crate) AccessToken);

impl FromRequest for Bearer {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = bearer(request.headers()).map(|token| Self(AccessToken::new(token.to_owned())));
        ready(token.ok_or_else(|| AuthError::Unauthenticated.into()))
    }
}

/// One header, one scheme, one space, one token of RFC 6750 §2.1; anything else is none.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = only(headers, &header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let well_formed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let ours = scheme.eq_ignore_ascii_case("bearer");
    (ours && !token.is_empty() && token.bytes().all(well_formed)).then_some(token)
}

/// The value of a header that came once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a header::HeaderValue> {
    let mut values = headers.get_all(name);
    let value = values.next();
    value.filter(|_| values.next().is_none())
}

/// The caller's own name for a call, if it gave one: 1 to 255 visible ASCII characters.
pub(super) struct IdempotencyKey(pub(super) Option<String>);

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        const NAME: HeaderName = HeaderName::from_static("idempotency-key");
        if !request.headers().contains_key(NAME) {
            return ready(Ok(Self(None)));
        }
        let key = only(request.headers(), &NAME).and_then(|value| value.to_str().ok());
        let key = key.filter(|key| {
            (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
        });
        ready(key.map(|key| Self(Some(key.to_owned()))).ok_or_else(|| {
            Problem::malformed("Send one Idempotency-Key of 1 to 255 visible ASCII characters.")
                .field("idempotency-key")
        }))
    }
}

/// The id in the path. Text that is no id names nothing.
pub(super) struct PathId<T>(pub(super) T);

impl<T: FromStr> FromRequest for PathId<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request
            .match_info()
            .get("id")
            .and_then(|text| text.parse().ok());
        ready(id.map(Self).ok_or_else(|| AuthError::NotFound.into()))
    }
}

/// The language of a message: as asked for, or the first of `Accept-Language` that we speak.
pub(crate) struct Language(pub(crate) Option<Locale>);

impl Language {
    pub(super) fn or(self, asked: Option<&str>) -> Locale {
        asked
            .and_then(Locale::from_tag)
            .or(self.0)
            .unwrap_or_default()
    }
}

impl FromRequest for Language {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let value = request.headers().get(header::ACCEPT_LANGUAGE);
        let tags = value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let mut tags = tags
            .split(',')
            .map(|tag| tag.split(';').next().unwrap_or_default().trim());
        ready(Ok(Self(tags.find_map(Locale::from_tag))))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::test::TestRequest;

    use super::*;

    fn bearer_of(values: &[&str]) -> Option<String> {
        let mut request = TestRequest::get();
        for value in values {
            request = request.append_header(("authorization", *value));
        }
        bearer(request.to_http_request().headers()).map(str::to_owned)
    }

    #[test]
    fn a_bearer_token_is_taken_in_one_form_only() {
        assert_eq!(
            bearer_of(&["Bearer a.b-c_d~e+f/g="]).as_deref(),
            Some("a.b-c_d~e+f/g=")
        );
        assert_eq!(bearer_of(&["bEARER x"]).as_deref(), Some("x"));
        let others: [&[&str]; 10] = [
            &[],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["Bearer  x"],
            &["Bearer x y"],
            &["Basic x"],
            &["x"],
            &["Bearer x", "Bearer x"],
            &["Bearer x,"],
        ];
        for values in others {
            assert_eq!(bearer_of(values), None, "{values:?}");
        }
    }

    #[actix_web::test]
    async fn an_idempotency_key_is_1_to_255_visible_ascii_characters() {
        let read = |values: Vec<String>| async {
            let mut request = TestRequest::post();
            for value in values {
                request = request.append_header(("idempotency-key", value));
            }
            IdempotencyKey::extract(&request.to_http_request())
                .await
                .map(|key| key.0)
        };
        assert_eq!(read(vec![]).await.unwrap(), None);
        for key in ["a".to_owned(), "\"8e03-978e\"".to_owned(), "~".repeat(255)] {
            assert_eq!(read(vec![key.clone()]).await.unwrap(), Some(key));
        }
        let bad = [
            vec![String::new()],
            vec!["a b".to_owned()],
            vec!["~".repeat(256)],
            vec!["é".to_owned()],
            vec!["a".to_owned(), "a".to_owned()],
        ];
        for values in bad {
            let problem = read(values.clone()).await.err().unwrap();
            assert_eq!(problem.status_code(), 400, "{values:?}");
            assert!(problem.is_about("idempotency-key"), "{values:?}");
        }
    }
}
