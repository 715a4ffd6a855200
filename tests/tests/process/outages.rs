//! A store's server that is lost under a running service: 503 until it is back, told once and once
//! more, and nothing has to be restarted. And one that forgets.

use serde_json::json;
use servers::{Postgres, Redis, psql};
use tests_support::app::{SignedIn, Store};
use tests_support::http::Answer;
use tests_support::process::{Installation, Service};
use tests_support::until;

use super::{CODE, test_number, with_test_numbers};

async fn ask(service: &Service) -> Answer {
    let body = json!({ "phone": test_number(0) });
    service.post("/v1/phone-codes").json(body).await
}

async fn sign_in(service: &Service) -> SignedIn {
    let asked = ask(service).await.ok(202);
    let body = json!({ "phone_code_id": asked["id"], "code": CODE });
    SignedIn::from(service.post("/v1/sessions").json(body).await.ok(201))
}

const LOST: &str = "lost a store";
const BACK: &str = "a store is back";

/// How often the log says that.
fn told(service: &Service, what: &str) -> usize {
    service.log().matches(what).count()
}

/// The lines that somebody would be woken for.
fn alarms(service: &Service) -> Vec<String> {
    let log = service.log();
    let loud = |line: &&str| line.contains("ERROR") || line.contains("WARN");
    let known = |line: &&str| !line.contains("not for production");
    log.lines()
        .filter(loud)
        .filter(known)
        .map(str::to_owned)
        .collect()
}

/// One loss, as callers, a load balancer and the log see it.
async fn is_lost_and_found(
    service: &Service,
    place: &str,
    parts: &[&str],
    mut call: impl AsyncFnMut() -> Answer,
    (stop, start): (impl Fn(), impl Fn()),
) {
    for _ in 0..2 {
        // A busy machine may have been too slow for a store before.
        until("quiet", async || {
            (told(service, LOST) == told(service, BACK)).then_some(())
        })
        .await;
        let before = alarms(service).len();
        stop();
        for _ in 0..20 {
            let answer = call().await;
            answer.problem(503, "unavailable");
            assert!(answer.header("retry-after").is_some());
        }
        let (status, ready) = service.readiness().await;
        assert_eq!((status, &ready["status"]), (503, &json!("not_ready")));
        for part in ["codes", "rate_limits", "sessions", "users"] {
            let expected = if parts.contains(&part) { "down" } else { "up" };
            assert_eq!(ready[part], expected, "{part}: {ready}");
        }
        assert_eq!(ready["lost"].as_array().unwrap().len(), 1, "{ready}");
        assert!(
            ready["lost"][0].as_str().unwrap().contains(place),
            "{ready}"
        );
        let alarms = alarms(service).split_off(before);
        assert_eq!(alarms.len(), 1, "{alarms:?}");
        assert!(
            alarms[0].contains(LOST) && alarms[0].contains(place),
            "{alarms:?}"
        );
        assert_eq!(told(service, LOST), told(service, BACK) + 1);

        start();
        until("an answer", async || {
            (call().await.status < 500).then_some(())
        })
        .await;
        until("that it is back", async || {
            (told(service, LOST) == told(service, BACK)).then_some(())
        })
        .await;
        assert_eq!(service.readiness().await.0, 200);
    }
    assert!(!service.log().contains("secret"), "a password");
}

fn over(redis: &Redis) -> Installation {
    with_test_numbers(1)
        .on(Store::RedisPostgres)
        .set("redis.url", redis.url())
}

#[tokio::test]
async fn a_redis_that_is_lost_is_told_once_and_the_service_resumes() {
    let redis = Redis::start_with(&["requirepass secret"]);
    let installation = over(&redis);
    let service = installation.serve().await;
    let signed_in = sign_in(&service).await;
    let place = format!("redis at 127.0.0.1:{}", redis.port());
    is_lost_and_found(
        &service,
        &place,
        &["codes", "rate_limits"],
        async || ask(&service).await,
        (|| redis.stop(), || redis.restart()),
    )
    .await;
    // Sessions are elsewhere, and have outlived it all.
    let current = service
        .get("/v1/sessions/current")
        .bearer(&signed_in.access);
    current.await.ok(200);
    sign_in(&service).await;
}

#[tokio::test]
async fn a_postgres_that_is_lost_is_told_once_and_the_service_resumes() {
    let postgres = Postgres::start();
    let redis = Redis::start();
    let installation = over(&redis).set("postgres.url", postgres.url());
    let service = installation.serve().await;
    let signed_in = sign_in(&service).await;
    let place = format!("postgres at 127.0.0.1:{}", postgres.port());
    let current = service
        .get("/v1/sessions/current")
        .bearer(&signed_in.access);
    is_lost_and_found(
        &service,
        &place,
        &["rate_limits", "sessions", "users"],
        async || current.clone().await,
        (|| postgres.stop(), || postgres.restart()),
    )
    .await;
    // What was acknowledged is still so.
    current.await.ok(200);
    sign_in(&service).await;
}

/// What it is to lose one table: others of the same server are there.
#[tokio::test]
async fn a_table_out_of_reach_is_told_once_and_the_service_resumes() {
    let postgres = Postgres::start();
    let by_superuser = |sql: &str| drop(psql(postgres.url(), sql));
    by_superuser("CREATE ROLE app LOGIN PASSWORD 'secret'");
    by_superuser("GRANT CREATE ON DATABASE postgres TO app");
    let redis = Redis::start();
    let url = postgres.url().replace("//phone_auth:", "//app:");
    let installation = over(&redis).set("postgres.url", &url);
    let service = installation.serve().await;
    let signed_in = sign_in(&service).await;
    let current = service
        .get("/v1/sessions/current")
        .bearer(&signed_in.access);
    is_lost_and_found(
        &service,
        &format!("postgres at 127.0.0.1:{}", postgres.port()),
        &["sessions"],
        async || current.clone().await,
        (
            || by_superuser("REVOKE ALL ON phone_auth.sessions FROM app"),
            || by_superuser("GRANT ALL ON phone_auth.sessions TO app"),
        ),
    )
    .await;
    current.await.ok(200);
}

async fn guess(service: &Service, digits: &str) -> Answer {
    let asked = ask(service).await.ok(202);
    let body = json!({ "phone_code_id": asked["id"], "code": digits });
    service.post("/v1/sessions").json(body).await
}

#[tokio::test]
async fn a_redis_that_is_emptied_gives_nobody_more_guesses_and_ends_no_session() {
    let redis = Redis::start();
    let installation = over(&redis).set("limits.failures_per_phone", "3/1h");
    let service = installation.serve().await;
    let signed_in = sign_in(&service).await;
    for _ in 0..3 {
        guess(&service, "000000")
            .await
            .problem(403, "code_incorrect");
    }
    redis.cli(&["FLUSHALL"]);
    guess(&service, CODE).await.problem(429, "rate_limited");
    let current = service
        .get("/v1/sessions/current")
        .bearer(&signed_in.access);
    current.await.ok(200);
}
