//! What becomes of messages, and what it costs when nobody takes them.

use std::sync::Arc;

use async_trait::async_trait;
use domain::message::SmsMessage;
use domain::ports::{Clock, Receipt, SmsError, SmsSender};
use serde_json::json;
use tests_support::app::{Setup, Store, TestApp};
use tests_support::on_every_store;
use tokio::sync::Semaphore;

const PHONE: &str = "+8615612340000";

on_every_store!(
    a_message_that_no_gateway_takes_has_failed_and_cost_nothing,
    a_number_that_the_gateway_refuses_costs_its_caller,
    a_message_of_unknown_fate_costs_as_if_it_was_sent,
    a_message_lost_with_its_process_counts_as_failed,
    a_gateway_that_panics_fails_its_message_only,
    a_full_queue_is_a_503_that_spends_nothing,
    a_test_number_reaches_no_gateway_and_waits_for_nothing,
    a_test_number_whose_day_is_over_is_a_number_like_any_other,
);

fn failing(store: Store, how: &str) -> Setup {
    Setup::on(store).set("sms.gateways.stub.fail", how)
}

async fn a_message_that_no_gateway_takes_has_failed_and_cost_nothing(store: Store) {
    for how in ["unavailable", "misconfigured", "slow_down"] {
        let app = failing(store, how)
            .set("limits.sends_per_phone", "1/1h")
            .set("limits.sends_per_address", "1/1h")
            .set("limits.sends_overall", "1/1h")
            .start()
            .await;
        for _ in 0..3 {
            let asked = app.ask(PHONE).await.ok(202);
            let id = asked["id"].as_str().unwrap();
            assert_eq!(app.delivery(id).await, "failed", "{how}");
            let code = app.get(&format!("/v1/phone-codes/{id}")).await.ok(200);
            assert_eq!(code["resend_at"], app.clock.now().to_string());
            app.post(&format!("/v1/phone-codes/{id}/resend"))
                .await
                .ok(202);
            assert_eq!(app.delivery(id).await, "failed", "{how}");
        }
        assert_eq!(app.message_count(), 0);
    }
}

async fn a_number_that_the_gateway_refuses_costs_its_caller(store: Store) {
    let app = failing(store, "bad_number")
        .set("limits.sends_per_phone", "1/1h")
        .set("limits.sends_per_address", "2/1h")
        .start()
        .await;
    for _ in 0..2 {
        let asked = app.ask(PHONE).await.ok(202);
        assert_eq!(app.delivery(asked["id"].as_str().unwrap()).await, "failed");
    }
    let limited = app.ask(PHONE).await.problem(429, "rate_limited");
    assert_eq!(limited["scope"], "sends_per_address");
}

async fn a_message_of_unknown_fate_costs_as_if_it_was_sent(store: Store) {
    let app = failing(store, "unknown").start().await;
    let asked = app.code(PHONE).await;
    assert_eq!(app.delivery(&asked.id).await, "failed");
    let limited = app.ask(PHONE).await.problem(429, "rate_limited");
    assert_eq!(limited["retry_after"], 60);
    app.enter(&asked.id, &asked.digits).await.ok(201);
}

/// A gateway that takes messages when the test lets it.
#[derive(Clone)]
struct Gated(Arc<Semaphore>);

impl Gated {
    fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    fn open(&self) {
        self.0.add_permits(1000);
    }
}

#[async_trait]
impl SmsSender for Gated {
    async fn send(&self, _: &SmsMessage) -> Result<Receipt, SmsError> {
        let open = self.0.acquire().await;
        open.map_err(|closed| SmsError::Unavailable(closed.into()))?
            .forget();
        Ok(Receipt {
            gateway: "gated".into(),
            message_id: None,
        })
    }

    async fn health(&self) -> Result<(), SmsError> {
        Ok(())
    }
}

fn gated(setup: Setup) -> (Setup, Gated) {
    let gate = Gated::closed();
    let sms = Arc::new(gate.clone());
    (setup.parts(|parts| parts.sms(sms)), gate)
}

async fn a_message_lost_with_its_process_counts_as_failed(store: Store) {
    let (setup, gate) = gated(Setup::on(store));
    let app = setup.start().await;
    let asked = app.ask(PHONE).await.ok(202);
    let look = app.get(&format!(
        "/v1/phone-codes/{}",
        asked["id"].as_str().unwrap()
    ));
    app.clock.advance_secs(59);
    assert_eq!(look.clone().await.ok(200)["status"], "queued");
    app.clock.advance_secs(1);
    let lost = look.await.ok(200);
    assert_eq!(lost["status"], "failed");
    gate.open();
}

struct Panicking;

#[async_trait]
impl SmsSender for Panicking {
    async fn send(&self, message: &SmsMessage) -> Result<Receipt, SmsError> {
        panic!("a gateway with a bug, at {message:?}");
    }

    async fn health(&self) -> Result<(), SmsError> {
        Ok(())
    }
}

async fn a_gateway_that_panics_fails_its_message_only(store: Store) {
    let setup = Setup::on(store).parts(|parts| parts.sms(Arc::new(Panicking)));
    let app = setup.set("sms.workers", "1").start().await;
    for phone in [PHONE, "+8615612340001"] {
        let asked = app.ask(phone).await.ok(202);
        assert_eq!(app.delivery(asked["id"].as_str().unwrap()).await, "failed");
    }
}

async fn a_full_queue_is_a_503_that_spends_nothing(store: Store) {
    let (setup, gate) = gated(Setup::on(store));
    let setup = setup.set("sms.workers", "1").set("sms.queue", "1");
    let app = setup.set("limits.sends_overall", "3/1h").start().await;
    let asked = app.ask(PHONE).await.ok(202);
    // One message is with the gateway as soon as its place in the queue is free again.
    let second = tests_support::until("a free place", async || {
        let answer = app.ask("+8615612340001").await;
        (answer.status == 202).then(|| answer.json())
    });
    let second = second.await;
    for _ in 0..3 {
        let full = app.ask("+8615612340002").await.problem(503, "unavailable");
        assert_eq!(full["retry_after"], 2);
    }
    let ready = tests_support::http::Request::new(app.ops(), "GET", "/readyz").await;
    assert_eq!(ready.ok(503)["queue"], "full");
    gate.open();
    for asked in [asked, second] {
        assert_eq!(app.delivery(asked["id"].as_str().unwrap()).await, "sent");
    }
    let third = app.ask("+8615612340002").await.ok(202);
    assert_eq!(app.delivery(third["id"].as_str().unwrap()).await, "sent");
    app.ask("+8615612340003").await.problem(429, "rate_limited");
}

fn with_test_number(store: Store, until: &str) -> Setup {
    Setup::on(store)
        .set("test_numbers.\"+8613800138000\".code", "424242")
        .set("test_numbers.\"+8613800138000\".until", until)
}

async fn a_test_number_reaches_no_gateway_and_waits_for_nothing(store: Store) {
    let app = with_test_number(store, "2027-01-01").start().await;
    let mut users = Vec::new();
    for _ in 0..12 {
        let asked = app.ask("138 0013 8000").await.ok(202);
        let id = asked["id"].as_str().unwrap();
        assert_eq!(app.delivery(id).await, "delivered");
        app.post(&format!("/v1/phone-codes/{id}/resend"))
            .await
            .ok(202);
        app.enter(id, "424243").await.problem(403, "code_incorrect");
        users.push(app.enter(id, "424242").await.ok(201)["user"]["id"].clone());
        app.enter(id, "424242").await.problem(403, "code_gone");
    }
    users.dedup();
    assert_eq!(users.len(), 1);
    assert_eq!(app.message_count(), 0);
    let short = json!({ "phone": "13800138000", "code": "424242" });
    app.ask("13800138000").await.ok(202);
    let signed_in = app.post("/auth/phone_code").json(short).await.ok(200);
    assert_eq!(signed_in["code"], 0, "{signed_in}");
}

async fn a_test_number_whose_day_is_over_is_a_number_like_any_other(store: Store) {
    let app: TestApp = with_test_number(store, "2026-01-03").start().await;
    let asked = app.ask("13800138000").await.ok(202);
    app.clock.advance_secs(24 * 3600);
    app.enter(asked["id"].as_str().unwrap(), "424242")
        .await
        .problem(403, "code_gone");
    let asked = app.code("13800138000").await;
    if asked.digits != "424242" {
        app.enter(&asked.id, "424242")
            .await
            .problem(403, "code_incorrect");
    }
    app.enter(&asked.id, &asked.digits).await.ok(201);
}
