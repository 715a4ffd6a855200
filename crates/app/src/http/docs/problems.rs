//! How the document describes problems: from the problems themselves, so that it cannot differ.

use std::collections::BTreeMap;
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

type Responses = BTreeMap<String, RefOr<Response>>;

/// Types that stand for the problems a call may answer with.
macro_rules! problems {
    ($($name:ident => [$($problem:expr),+ $(,)?];)+) => {$(
        pub(in crate::http) struct $name;

        impl IntoResponses for $name {
            fn responses() -> Responses {
                describe(vec![$($problem.into()),+])
            }
        }
    )+};
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
fn describe(problems: Vec<Problem>) -> Responses {
    let mut by_status = BTreeMap::<String, Vec<Problem>>::new();
    for problem in problems {
        by_status
            .entry(problem.status_code().as_u16().to_string())
            .or_default()
            .push(problem);
    }
    by_status
        .into_iter()
        .map(|(status, problems)| (status, response(&problems).into()))
        .collect()
}

fn response(problems: &[Problem]) -> Response {
    let examples = problems.iter().enumerate().map(|(number, problem)| {
        let value = serde_json::from_slice(&problem.to_json()).ok();
        let example = ExampleBuilder::new()
            .summary(problem.to_string())
            .value(value);
        (format!("example_{}", number + 1), example.build())
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let description: Vec<_> = problems
        .iter()
        .map(|problem| format!("`{}`", problem.word()))
        .collect();
    let response = ResponseBuilder::new()
        .description(description.join(" or "))
        .content(MEDIA_TYPE, content);
    headers(&problems[0])
        .into_iter()
        .fold(response, |response, (name, about, kind)| {
            let schema = ObjectBuilder::new().schema_type(kind).build();
            let header = HeaderBuilder::new()
                .description(Some(about))
                .schema(Some(schema))
                .build();
            response.header(name, header)
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
