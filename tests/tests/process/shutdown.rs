//! I6: SIGTERM under load drops no accepted message, and after a drain nobody's request. What is
//! under way runs to its end.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use serde_json::json;
use servers::{Postgres, psql};
use tests_support::app::Store;
use tests_support::http::Request;
use tests_support::{lift_file_limit, until};

use super::{CODE, test_number, unlimited, with_test_numbers};

#[tokio::test]
async fn a_service_told_to_end_delivers_what_it_accepted_first() {
    let installation = unlimited()
        .set("sms.gateways.stub.delay", "20ms")
        .set("sms.workers", "4");
    let service = installation.serve().await;
    lift_file_limit();
    // Somebody who keeps a connection open must not hold it up.
    let mut idle = service.connect().await;
    idle.call(&service.get("/nowhere")).await.unwrap();
    let asks: Vec<_> = (0..300)
        .map(|n| {
            let body = json!({ "phone": format!("+86156{n:08}") });
            tokio::spawn(service.post("/v1/phone-codes").json(body).attempt())
        })
        .collect();
    let outbox = service
        .get("/dev/outbox")
        .header("accept", "application/json");
    until("messages under way", async || {
        let sent = outbox.clone().await.ok(200)["messages"].clone();
        (sent.as_array()?.len() > 4).then_some(())
    })
    .await;
    let told = Instant::now();
    service.terminate();
    let mut accepted = Vec::new();
    for ask in asks {
        // Refused at the door, or answered whole.
        let Ok(answer) = ask.await.unwrap() else {
            continue;
        };
        if answer.status == 202 {
            accepted.push(answer.json()["id"].as_str().unwrap().to_owned());
        } else {
            answer.problem(503, "unavailable");
        }
    }
    let (status, log) = service.ended().await;
    assert!(status.success(), "{status}: {log}");
    assert!(
        told.elapsed() < Duration::from_secs(9),
        "{:?}",
        told.elapsed()
    );
    assert!(accepted.len() > 4, "the load came too late");
    assert!(log.trim_end().ends_with("ended"), "{log}");
    let heir = installation.serve().await;
    for id in accepted {
        let code = heir.get(&format!("/v1/phone-codes/{id}")).await.ok(200);
        assert_eq!(code["status"], "sent", "{code}");
    }
}

/// A caller that asks on a new connection each time, for as long as somebody listens. Gives how
/// many answers there were.
async fn call_until_refused(request: Request) -> usize {
    let mut answers = 0;
    loop {
        match request.clone().attempt().await {
            Ok(answer) => {
                answer.ok(200);
                answers += 1;
            }
            Err(refused) if refused.kind() == ErrorKind::ConnectionRefused => return answers,
            Err(cut) => panic!("cut after {answers} answers: {cut}"),
        }
    }
}

#[tokio::test]
async fn a_service_that_drains_serves_everybody_who_got_in() {
    let installation = unlimited().set("server.drain", "1s");
    let service = installation.serve().await;
    let request = service.get("/.well-known/jwks.json");
    let mut kept = service.connect().await;
    assert_eq!(
        kept.call(&request).await.unwrap().header("connection"),
        None
    );
    let callers: Vec<_> = (0..16)
        .map(|_| tokio::spawn(call_until_refused(request.clone())))
        .collect();
    service.terminate();
    let told = Instant::now();
    until("that it is ending", async || {
        let (status, ready) = service.readiness().await;
        (status == 503 && ready["status"] == "ending").then_some(())
    })
    .await;
    // It still serves, and asks who keeps a connection to come back elsewhere.
    let last = kept.call(&request).await.unwrap();
    last.ok(200);
    assert_eq!(last.header("connection"), Some("close"));
    assert!(kept.is_closed().await);
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
    assert!(
        told.elapsed() >= Duration::from_secs(1),
        "{:?}",
        told.elapsed()
    );
    let (status, log) = service.ended().await;
    assert!(status.success(), "{status}: {log}");
    assert!(log.contains("ending in 1s"), "{log}");
}

/// Each step is answered in time, and both together take longer than a caller waits.
const SLOW: &str = "
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_catalog.pg_sleep(1.1); RETURN NEW; END';
    CREATE TRIGGER slow BEFORE INSERT ON phone_auth.users EXECUTE FUNCTION slow();
    CREATE TRIGGER slow BEFORE INSERT ON phone_auth.sessions EXECUTE FUNCTION slow();";

/// Half a sign-in would spend a code for nothing.
#[tokio::test]
async fn a_service_told_to_end_finishes_what_its_caller_no_longer_waits_for() {
    let postgres = Postgres::start();
    let installation = with_test_numbers(1)
        .on(Store::Postgres)
        .set("postgres.url", postgres.url());
    let service = installation.serve().await;
    let asked = service.ask(&test_number(0)).await;
    psql(postgres.url(), SLOW);
    let body = json!({ "phone_code_id": asked["id"], "code": CODE });
    let sign_in = service.post("/v1/sessions").json(body.clone());
    let signing_in = tokio::spawn(sign_in.attempt());
    tokio::time::sleep(Duration::from_secs(1)).await;
    service.terminate();
    let late = signing_in.await.unwrap().unwrap();
    late.problem(503, "unavailable");
    let (status, log) = service.ended().await;
    assert!(status.success(), "{status}: {log}");
    assert!(!log.contains("panicked"), "{log}");
    let heir = installation.serve().await;
    let again = heir.post("/v1/sessions").json(body).await;
    again.problem(403, "code_gone");
}
