//! Limits on messages.

use std::future::IntoFuture;

use futures_util::future::join_all;
use serde_json::Value;
use tests_support::app::{Setup, Store, TestApp};
use tests_support::http::Answer;
use tests_support::on_every_store;

const PHONE: &str = "+8615612340000";
/// Differs from [`PHONE`] in its last four digits only.
const NEIGHBOUR: &str = "+8615612340001";
const FAR: &str = "+8613900001111";

on_every_store!(
    two_messages_to_a_phone_are_a_minute_apart,
    a_phone_gets_so_many_messages_in_an_hour_and_in_a_day,
    a_resend_counts_as_a_message,
    numbers_that_differ_in_their_last_digits_share_a_limit,
    a_country_has_a_limit,
    all_messages_together_have_a_limit,
    all_messages_together_have_a_budget_in_money,
    a_refused_call_spends_nothing_of_the_other_limits,
    the_sends_of_all_instances_stay_within_a_limit,
);

/// The wait that a limit tells, which tells nothing of what it counts.
#[track_caller]
fn limited(answer: &Answer) -> u64 {
    let problem = answer.problem(429, "rate_limited");
    assert_eq!(problem.get("scope"), None);
    problem["retry_after"].as_u64().unwrap()
}

fn limits(store: Store, rows: &[(&str, &str)]) -> Setup {
    let setup = Setup::on(store).unlimited();
    let key = |name| format!("limits.{name}");
    rows.iter()
        .fold(setup, |setup, (name, value)| setup.set(&key(name), value))
}

async fn two_messages_to_a_phone_are_a_minute_apart(store: Store) {
    let app = TestApp::start(store).await;
    app.ask(PHONE).await.ok(202);
    assert_eq!(limited(&app.ask(PHONE).await), 60);
    app.clock.advance_secs(59);
    assert_eq!(limited(&app.ask("156-1234-0000").await), 1);
    app.ask(NEIGHBOUR).await.ok(202);
    app.clock.advance_secs(1);
    app.ask(PHONE).await.ok(202);
}

async fn a_phone_gets_so_many_messages_in_an_hour_and_in_a_day(store: Store) {
    let app = TestApp::start(store).await;
    for _ in 0..5 {
        app.code(PHONE).await;
        app.clock.advance_secs(60);
    }
    assert_eq!(limited(&app.ask(PHONE).await), 3600 - 300);
    app.clock.advance_secs(3300);
    for _ in 0..5 {
        app.code(PHONE).await;
        app.clock.advance_secs(3600);
    }
    let asked_since = 3600 + 5 * 3600;
    assert_eq!(limited(&app.ask(PHONE).await), 24 * 3600 - asked_since);
    app.clock.advance_secs(24 * 3600 - asked_since);
    app.ask(PHONE).await.ok(202);
}

async fn a_resend_counts_as_a_message(store: Store) {
    let app = limits(store, &[("sends_per_phone", "2/1h")]).start().await;
    let asked = app.code(PHONE).await;
    let resend = format!("/v1/phone-codes/{}/resend", asked.id);
    app.clock.advance_secs(60);
    app.post(&resend).await.ok(202);
    assert_eq!(app.delivery(&asked.id).await, "sent");
    app.clock.advance_secs(120);
    assert_eq!(limited(&app.post(&resend).await), 3600 - 180);
    assert_eq!(limited(&app.ask(PHONE).await), 3600 - 180);
}

async fn numbers_that_differ_in_their_last_digits_share_a_limit(store: Store) {
    let app = limits(store, &[("sends_per_prefix", "2/1h")]).start().await;
    app.code(PHONE).await;
    app.code("+8615612349999").await;
    assert_eq!(limited(&app.ask(NEIGHBOUR).await), 3600);
    app.code("+8615612350000").await;
    app.clock.advance_secs(3600);
    app.ask(NEIGHBOUR).await.ok(202);
}

async fn a_country_has_a_limit(store: Store) {
    let setup = limits(store, &[("sends_per_country", "2/24h")]);
    let app = setup.set("phone.allowed_countries", "CN,SG").start().await;
    app.ask(PHONE).await.ok(202);
    app.ask(FAR).await.ok(202);
    assert_eq!(limited(&app.ask(NEIGHBOUR).await), 24 * 3600);
    app.ask("+6591234567").await.ok(202);
}

async fn all_messages_together_have_a_limit(store: Store) {
    let setup = limits(store, &[("sends_overall", "2/1h")]);
    let app = setup.set("phone.allowed_countries", "CN,SG").start().await;
    app.ask(PHONE).await.ok(202);
    app.ask("+6591234567").await.ok(202);
    assert_eq!(limited(&app.ask(FAR).await), 3600);
}

async fn all_messages_together_have_a_budget_in_money(store: Store) {
    let setup = limits(store, &[("spend_overall", "0.1/24h")]);
    let app = setup
        .set("phone.allowed_countries", "CN,SG")
        .set("sms.prices.CN", "0.045")
        .set("sms.prices.SG", "0.01")
        .start()
        .await;
    app.ask(PHONE).await.ok(202);
    app.ask(NEIGHBOUR).await.ok(202);
    // A large limit is counted in slots of a sixtieth of its window.
    let (day, slot) = (24 * 3600, 24 * 60);
    assert!((day..=day + slot).contains(&limited(&app.ask(FAR).await)));
    app.ask("+6591234567").await.ok(202);
    limited(&app.ask("+6591234568").await);
}

async fn a_refused_call_spends_nothing_of_the_other_limits(store: Store) {
    let app = Setup::on(store)
        .set("limits.sends_overall", "2/1h")
        .start()
        .await;
    app.ask(PHONE).await.ok(202);
    for _ in 0..5 {
        assert_eq!(limited(&app.ask(PHONE).await), 60);
    }
    app.ask(FAR).await.ok(202);
    assert_eq!(limited(&app.ask(NEIGHBOUR).await), 3600);
}

async fn the_sends_of_all_instances_stay_within_a_limit(store: Store) {
    let first = limits(store, &[("sends_overall", "10/1h")]).start().await;
    let instances = [first.sibling().await, first.sibling().await, first];
    let asks = (0..120).map(|n: usize| {
        let phone = format!("+86156{:08}", n * 10_000);
        instances[n % 3].ask(&phone).into_future()
    });
    let answers: Vec<Answer> = join_all(asks).await;
    let ids = answers.iter().filter(|answer| answer.status == 202);
    let ids: Vec<Value> = ids.map(|answer| answer.json()["id"].clone()).collect();
    let refused = answers.iter().filter(|answer| answer.status == 429);
    assert_eq!((ids.len(), refused.count()), (10, 110));
    for id in ids {
        let status = instances[0].delivery(id.as_str().unwrap()).await;
        assert_eq!(status, "sent");
    }
    let sent = instances.iter().map(TestApp::message_count);
    assert_eq!(sent.sum::<usize>(), 10);
}
