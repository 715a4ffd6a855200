//! How the document describes problems: from the problems themselves, so that it cannot differ.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actix_web::ResponseError;
use domain::auth::AuthError;
use domain::rate_limit::Scope;
use utoipa::IntoResponses;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::http::body;
use crate::http::problem::{MEDIA_TYPE, Problem};

/// Types that stand for the problems a call may answer with.
macro_rules! problems {
    ($($name:ident => [$($problem:expr),+ $(,)?];)+) => {
        $(
            pub(in crate::http) struct $name;

            impl $name {
                fn described() -> BTreeMap<String, Response> {
                    describe(vec![$($problem.into()),+])
                }
            }

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    let by_reference = |status: String| {
                        let name = format!("{}{status}", stringify!($name));
                        (status, Ref::from_response_name(name).into())
                    };
                    Self::described().into_keys().map(by_reference).collect()
                }
            }
        )+

        /// Every response under the name that calls refer to it by.
        pub(super) fn components() -> impl Iterator<Item = (String, Response)> {
            let all = [$((stringify!($name), $name::described())),+];
            all.into_iter().flat_map(|(name, described)| {
                described.into_iter().map(move |(status, response)| (format!("{name}{status}"), response))
            })
        }
    };
}

problems! {
    BadBody => [body::not_an_object(), body::too_late(), body::too_large(), body::not_json()];
    BadPhone => [AuthError::PhoneInvalid, AuthError::PhoneNotAllowed];
    KeyReused => [AuthError::IdempotencyConflict];
    Limited => [AuthError::RateLimited {
        scope: Some(Scope::SendsPerAddress),
        retry_after: Duration::from_secs(42),
    }];
    NoCode => [AuthError::CodeGone];
    NoCodeOrWrong => [AuthError::CodeIncorrect { remaining: 4 }, AuthError::CodeGone];
    NoRefresh => [AuthError::RefreshRejected];
    NotFound => [AuthError::NotFound];
    Unauthenticated => [AuthError::Unauthenticated];
    Unavailable => [Problem::unavailable("an example"), Problem::late()];
}

/// One response for each status, with each problem as an example of it.
fn describe(problems: Vec<Problem>) -> BTreeMap<String, Response> {
    let mut by_status = BTreeMap::<String, Vec<Problem>>::new();
    for problem in problems {
        let status = problem.status_code().as_u16().to_string();
        by_status.entry(status).or_default().push(problem);
    }
    by_status
        .into_iter()
        .map(|(status, problems)| (status, response(&problems)))
        .collect()
}

fn response(problems: &[Problem]) -> Response {
    let words: BTreeSet<_> = problems
        .iter()
        .map(|problem| format!("`{}`", problem.word()))
        .collect();
    let words: Vec<_> = words.into_iter().collect();
    let examples = problems.iter().zip(1..).map(|(problem, number)| {
        let value = serde_json::from_slice(&problem.to_json()).ok();
        let example = ExampleBuilder::new()
            .summary(problem.to_string())
            .value(value);
        (format!("{}_{number}", problem.word()), example.build())
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let response = ResponseBuilder::new()
        .description(words.join(" or "))
        .content(MEDIA_TYPE, content);
    let headers = headers(&problems[0]).into_iter();
    headers
        .fold(response, |response, (name, about, kind)| {
            let schema = ObjectBuilder::new().schema_type(kind).build();
            let header = HeaderBuilder::new()
                .description(Some(about))
                .schema(Some(schema));
            response.header(name, header.build())
        })
        .build()
}

/// The headers that the answer to such a problem has.
fn headers(problem: &Problem) -> Vec<(&'static str, &'static str, Type)> {
    let answer = problem.error_response();
    let known = [
        ("Retry-After", "Seconds to wait.", Type::Integer),
        (
            "WWW-Authenticate",
            "`Bearer error=\"invalid_token\"`.",
            Type::String,
        ),
    ];
    known
        .into_iter()
        .filter(|(name, ..)| answer.headers().contains_key(*name))
        .collect()
}
