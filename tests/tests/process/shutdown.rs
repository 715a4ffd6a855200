//! I6: SIGTERM under load drops no accepted message.

use std::time::{Duration, Instant};

use serde_json::json;
use tests_support::{lift_file_limit, until};

use super::unlimited;

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
