//! I1, I3, I5 and I7 over stores that several processes share.

use std::future::IntoFuture;

use futures_util::future::join_all;
use serde_json::json;
use tests_support::app::{SignedIn, Store};
use tests_support::http::{Answer, Request};
use tests_support::lift_file_limit;
use tests_support::process::Service;

use super::{CODE, test_number, with_test_numbers};

async fn at_once(count: usize, call: impl Fn(usize) -> Request) -> Vec<Answer> {
    lift_file_limit();
    join_all((0..count).map(|n| call(n).into_future())).await
}

fn count(answers: &[Answer], status: u16) -> usize {
    let found = answers.iter().filter(|answer| answer.status == status);
    found.count()
}

fn enter(service: &Service, id: &str) -> Request {
    let body = json!({ "phone_code_id": id, "code": CODE });
    service.post("/v1/sessions").json(body)
}

#[tokio::test]
async fn three_processes_on_one_file_agree_on_codes_users_and_sessions() {
    three_processes_agree_on_codes_users_and_sessions(Store::Sqlite).await;
}

#[tokio::test]
async fn three_processes_on_redis_and_postgres_agree_on_codes_users_and_sessions() {
    three_processes_agree_on_codes_users_and_sessions(Store::RedisPostgres).await;
}

async fn three_processes_agree_on_codes_users_and_sessions(store: Store) {
    let installation = with_test_numbers(2)
        .on(store)
        .set("limits.sessions_per_user", "1000");
    let services = [
        installation.serve().await,
        installation.serve().await,
        installation.serve().await,
    ];
    let phone = test_number(0);

    // I3: many first sign-ins of one phone, few enough at once for its failure budget.
    let mut ids = Vec::new();
    for n in 0..60 {
        let asked = services[n % 3].ask(&phone).await;
        ids.push(asked["id"].as_str().unwrap().to_owned());
    }
    let answers = at_once(60, |n| enter(&services[n % 3], &ids[n])).await;
    let bodies: Vec<_> = answers.iter().map(|answer| answer.ok(201)).collect();
    assert!(bodies.iter().all(|body| body["user"] == bodies[0]["user"]));
    let new = bodies.iter().filter(|body| body["new_user"] == true);
    assert_eq!(new.count(), 1);

    // I1: a thousand right tries of one code.
    let asked = services[0].ask(&test_number(1)).await;
    let id = asked["id"].as_str().unwrap();
    let answers = at_once(1000, |n| enter(&services[n % 3], id)).await;
    let (won, late) = (count(&answers, 201), count(&answers, 503));
    assert_eq!(won + late + count(&answers, 403), 1000);
    assert!(won == 1 || (won == 0 && late > 0), "{won}");
    let shown = installation.run(&["users", "show", &test_number(1)]);
    assert!(shown.out.contains("live sessions  1\n"), "{shown:?}");

    // I5: ended by one process, refused by the others at once.
    let first = SignedIn::from(bodies[0].clone());
    let current =
        |service: &Service, who: &SignedIn| service.get("/v1/sessions/current").bearer(&who.access);
    for service in &services {
        current(service, &first).await.ok(200);
    }
    let sign_out = services[0].delete("/v1/sessions/current");
    sign_out.bearer(&first.access).await.ok(204);
    for service in &services {
        current(service, &first)
            .await
            .problem(401, "unauthenticated");
    }

    // I5: many refreshes with one token.
    let second = SignedIn::from(bodies[1].clone());
    let body = json!({ "refresh_token": second.refresh });
    let answers = at_once(500, |n| {
        let refresh = services[n % 3].post("/v1/sessions/refresh");
        refresh.json(body.clone())
    })
    .await;
    let (won, late) = (count(&answers, 200), count(&answers, 503));
    assert_eq!(won + late + count(&answers, 401), 500);
    assert!(won == 1 || (won == 0 && late > 0), "{won}");
    for service in &services {
        current(service, &second)
            .await
            .problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn the_sends_of_three_processes_on_one_file_stay_within_a_limit() {
    the_sends_of_three_processes_stay_within_a_limit(Store::Sqlite).await;
}

#[tokio::test]
async fn the_sends_of_three_processes_on_redis_and_postgres_stay_within_a_limit() {
    the_sends_of_three_processes_stay_within_a_limit(Store::RedisPostgres).await;
}

async fn the_sends_of_three_processes_stay_within_a_limit(store: Store) {
    let installation = super::unlimited()
        .on(store)
        .set("limits.sends_overall", "10/1h");
    let services = [
        installation.serve().await,
        installation.serve().await,
        installation.serve().await,
    ];
    let answers = at_once(120, |n| {
        let body = json!({ "phone": format!("+86156{:08}", n * 10_000) });
        services[n % 3].post("/v1/phone-codes").json(body)
    })
    .await;
    let (sent, refused) = (count(&answers, 202), count(&answers, 429));
    assert_eq!((sent, refused), (10, 110));
}
