//! `Idempotency-Key`: a call repeated because its answer was lost texts nobody twice.

use serde_json::json;
use tests_support::app::{Setup, Store, TestApp, digits_of, wrong};
use tests_support::{on_every_store, until};

const PHONE: &str = "+8615612340000";

on_every_store!(
    the_same_call_answers_the_same_and_sends_nothing,
    the_same_key_with_another_body_is_a_conflict,
    another_key_is_another_call,
    calls_with_one_key_at_once_send_one_message,
    a_key_can_be_used_again_when_its_code_is_over,
    a_key_that_is_no_key_is_malformed,
);

async fn the_same_call_answers_the_same_and_sends_nothing(store: Store) {
    let app = TestApp::start(store).await;
    let ask = app.ask(PHONE).header("idempotency-key", "k-1");
    let first = ask.clone().await.ok(202);
    let id = first["id"].as_str().unwrap();
    app.delivery(id).await;
    let digits = digits_of(&app.messages(PHONE)[0]);
    app.enter(id, &wrong(&digits))
        .await
        .problem(403, "code_incorrect");
    app.clock.advance_secs(10);
    assert_eq!(ask.clone().await.ok(202), first);
    // From another instance, and in another spelling of the number.
    let sibling = app.sibling().await;
    let respelled = sibling
        .ask("156 1234 0000")
        .header("idempotency-key", "k-1");
    assert_eq!(respelled.await.ok(202), first);
    assert_eq!(app.messages(PHONE).len(), 1);
    // Nothing was spent either: the next message may go out when the first one's wait is over.
    app.clock.advance_secs(50);
    app.ask(PHONE).await.ok(202);
}

async fn the_same_key_with_another_body_is_a_conflict(store: Store) {
    let app = TestApp::start(store).await;
    app.ask(PHONE)
        .header("idempotency-key", "k-1")
        .await
        .ok(202);
    let others = [
        json!({ "phone": "+8615612340001" }),
        json!({ "phone": PHONE, "locale": "zh" }),
    ];
    for body in others {
        let call = app.post("/v1/phone-codes").json(body);
        call.header("idempotency-key", "k-1")
            .await
            .problem(409, "idempotency_conflict");
    }
    app.ask("+8615612340001").await.ok(202);
}

async fn another_key_is_another_call(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let first = app
        .ask(PHONE)
        .header("idempotency-key", "k-1")
        .await
        .ok(202);
    app.clock.advance_secs(1);
    let second = app
        .ask(PHONE)
        .header("idempotency-key", "k-2")
        .await
        .ok(202);
    assert_ne!(first["id"], second["id"]);
}

async fn calls_with_one_key_at_once_send_one_message(store: Store) {
    let app = TestApp::start(store).await;
    let sibling = app.sibling().await;
    let calls = (0..40).map(|n| {
        let instance = if n % 2 == 0 { &app } else { &sibling };
        tokio::spawn(
            instance
                .ask(PHONE)
                .header("idempotency-key", "k-1")
                .attempt(),
        )
    });
    let mut ids = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap().unwrap();
        // Two instances may collide before the code is stored: then nothing was sent by one.
        if answer.status != 409 && answer.status != 429 {
            ids.push(answer.ok(202)["id"].clone());
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    app.delivery(ids[0].as_str().unwrap()).await;
    let sent = app.messages(PHONE).len() + sibling.messages(PHONE).len();
    assert_eq!(sent, 1);
}

async fn a_key_can_be_used_again_when_its_code_is_over(store: Store) {
    for swept in [false, true] {
        let app = TestApp::start(store).await;
        for messages in 1..=2 {
            let asked = app
                .ask(PHONE)
                .header("idempotency-key", "k-1")
                .await
                .ok(202);
            let texts = until("the message", async || {
                Some(app.messages(PHONE)).filter(|texts| texts.len() == messages)
            });
            let digits = digits_of(&texts.await[messages - 1]);
            let id = asked["id"].as_str().unwrap();
            app.enter(id, &digits).await.ok(201);
            app.clock.advance_secs(300);
            if swept {
                app.auth().sweep(1000).await.unwrap();
            }
        }
    }
}

async fn a_key_that_is_no_key_is_malformed(store: Store) {
    let app = TestApp::start(store).await;
    let long = "k".repeat(256);
    for key in ["", "a b", "ключ", &long] {
        let answer = app.ask(PHONE).header("idempotency-key", key).await;
        let problem = answer.problem(400, "malformed_request");
        assert_eq!(problem["field"], "idempotency-key");
    }
    let twice = app
        .ask(PHONE)
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    twice.await.problem(400, "malformed_request");
    assert_eq!(app.message_count(), 0);
}
