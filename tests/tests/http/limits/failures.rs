//! Limits on wrong codes.

use tests_support::app::{Asked, Setup, Store, TestApp, wrong};
use tests_support::http::Answer;
use tests_support::on_every_store;

const PHONE: &str = "+8615612340000";
const OTHER: &str = "+8615612340001";
const DAY: u64 = 24 * 3600;

on_every_store!(
    a_phone_has_twenty_wrong_codes_a_day_across_its_codes,
    a_new_code_or_a_resend_does_not_widen_the_budget,
    a_success_clears_the_budget_of_its_phone,
    a_refused_guess_is_not_judged_and_costs_no_try,
    an_address_has_a_budget_across_phones,
    guesses_at_dead_codes_cost_the_phone_nothing,
    both_faces_spend_one_budget,
    a_right_code_spends_nothing,
);

fn setup(store: Store, per_phone: &str) -> Setup {
    let setup = Setup::on(store).unlimited();
    setup.set("limits.failures_per_phone", per_phone)
}

async fn guess_wrong(app: &TestApp, asked: &Asked) -> Answer {
    app.enter(&asked.id, &wrong(&asked.digits)).await
}

async fn fresh(app: &TestApp, phone: &str) -> Asked {
    app.clock.advance_secs(1);
    app.code(phone).await
}

async fn a_phone_has_twenty_wrong_codes_a_day_across_its_codes(store: Store) {
    let app = TestApp::start(store).await;
    for _ in 0..4 {
        let asked = app.code(PHONE).await;
        for _ in 0..5 {
            guess_wrong(&app, &asked)
                .await
                .problem(403, "code_incorrect");
        }
        app.clock.advance_secs(60);
    }
    let asked = app.code(PHONE).await;
    let limited = guess_wrong(&app, &asked).await.problem(429, "rate_limited");
    assert_eq!(limited["retry_after"], DAY - 240);
    assert_eq!(limited.get("scope"), None);
    let right = app.enter(&asked.id, &asked.digits).await;
    assert_eq!(right.problem(429, "rate_limited"), limited);
    app.sign_in(OTHER).await;
    app.clock.advance_secs(DAY - 240);
    app.sign_in(PHONE).await;
}

async fn a_new_code_or_a_resend_does_not_widen_the_budget(store: Store) {
    let app = setup(store, "3/24h").start().await;
    for _ in 0..3 {
        let asked = fresh(&app, PHONE).await;
        app.clock.advance_secs(1);
        app.post(&format!("/v1/phone-codes/{}/resend", asked.id))
            .await
            .ok(202);
        guess_wrong(&app, &asked)
            .await
            .problem(403, "code_incorrect");
    }
    let asked = fresh(&app, PHONE).await;
    app.enter(&asked.id, &asked.digits)
        .await
        .problem(429, "rate_limited");
}

async fn a_success_clears_the_budget_of_its_phone(store: Store) {
    let app = setup(store, "3/24h").start().await;
    for _ in 0..3 {
        let asked = fresh(&app, PHONE).await;
        for _ in 0..2 {
            guess_wrong(&app, &asked)
                .await
                .problem(403, "code_incorrect");
        }
        app.enter(&asked.id, &asked.digits).await.ok(201);
    }
}

async fn a_refused_guess_is_not_judged_and_costs_no_try(store: Store) {
    let app = setup(store, "2/1m").start().await;
    let asked = fresh(&app, PHONE).await;
    for _ in 0..2 {
        guess_wrong(&app, &asked)
            .await
            .problem(403, "code_incorrect");
    }
    for _ in 0..10 {
        guess_wrong(&app, &asked).await.problem(429, "rate_limited");
    }
    let look = app.get(&format!("/v1/phone-codes/{}", asked.id));
    assert_eq!(look.await.ok(200)["attempts_remaining"], 3);
    app.clock.advance_secs(60);
    app.enter(&asked.id, &asked.digits).await.ok(201);
}

async fn an_address_has_a_budget_across_phones(store: Store) {
    let app = setup(store, "100/1h")
        .set("limits.failures_per_address", "3/1h")
        .set("server.trusted_proxies", "127.0.0.1")
        .start()
        .await;
    for phone in [PHONE, OTHER, "+8615612340002"] {
        let asked = fresh(&app, phone).await;
        guess_wrong(&app, &asked)
            .await
            .problem(403, "code_incorrect");
    }
    let asked = fresh(&app, PHONE).await;
    let limited = app.enter(&asked.id, &asked.digits).await;
    let limited = limited.problem(429, "rate_limited");
    assert_eq!(limited["scope"], "failures_per_address");
    let elsewhere = app
        .enter(&asked.id, &asked.digits)
        .forwarded_for("203.0.113.7");
    elsewhere.await.ok(201);
    let asked = fresh(&app, PHONE).await;
    let still = app.enter(&asked.id, &asked.digits).await;
    still.problem(429, "rate_limited");
}

async fn guesses_at_dead_codes_cost_the_phone_nothing(store: Store) {
    let app = setup(store, "2/24h").start().await;
    let dead = fresh(&app, PHONE).await;
    app.enter(&dead.id, &dead.digits).await.ok(201);
    let never = format!("pc_{}", "0".repeat(32));
    for id in [dead.id.as_str(), &never, "nonsense"] {
        for _ in 0..5 {
            app.enter(id, "000000").await.problem(403, "code_gone");
        }
    }
    let asked = fresh(&app, PHONE).await;
    guess_wrong(&app, &asked)
        .await
        .problem(403, "code_incorrect");
    app.enter(&asked.id, &asked.digits).await.ok(201);
}

async fn both_faces_spend_one_budget(store: Store) {
    let app = setup(store, "2/24h").start().await;
    let asked = fresh(&app, PHONE).await;
    let short = |code: &str| {
        let body = serde_json::json!({ "phone": PHONE, "code": code });
        app.post("/auth/phone_code").json(body)
    };
    guess_wrong(&app, &asked)
        .await
        .problem(403, "code_incorrect");
    assert_eq!(short(&wrong(&asked.digits)).await.ok(200)["code"], 1003);
    assert_eq!(short(&asked.digits).await.ok(200)["code"], 1003);
    app.enter(&asked.id, &asked.digits)
        .await
        .problem(429, "rate_limited");
}

async fn a_right_code_spends_nothing(store: Store) {
    let app = setup(store, "1/24h")
        .set("limits.failures_per_address", "1/24h")
        .start()
        .await;
    for _ in 0..4 {
        let asked = fresh(&app, PHONE).await;
        app.enter(&asked.id, &asked.digits).await.ok(201);
    }
}
