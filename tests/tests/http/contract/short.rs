//! `/auth/phone_code`: always 200, an envelope, no ids.

use serde_json::{Value, json};
use tests_support::app::{Setup, Store, TestApp, digits_of, wrong};
use tests_support::http::{Answer, Request};
use tests_support::{on_every_store, until};

const PHONE: &str = "+8615612340000";

on_every_store!(
    a_code_is_sent_by_get_and_by_post_and_signs_in,
    the_token_is_an_access_token_of_a_session_of_a_day,
    a_send_call_without_a_phone_is_params_err,
    a_phone_that_is_not_texted_is_illegal,
    a_limit_on_sending_is_too_frequent,
    a_sign_in_call_without_phone_or_code_is_a_fail,
    wrong_used_expired_and_exhausted_codes_are_an_auth_fail,
    any_live_code_of_the_phone_signs_in,
    both_faces_share_users_and_limits,
    the_whole_face_can_be_switched_off,
);

#[track_caller]
fn envelope(answer: &Answer, code: u16, msg: &str) -> Value {
    let body = answer.ok(200);
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["msg"], msg, "{body}");
    let members = body.as_object().unwrap().len();
    assert_eq!(
        members,
        if body["token"].is_null() { 2 } else { 3 },
        "{body}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    body
}

fn send(app: &TestApp, phone: &str) -> Request {
    app.post("/auth/phone_code/send")
        .json(json!({ "phone": phone }))
}

fn enter(app: &TestApp, phone: &str, code: &str) -> Request {
    let body = json!({ "phone": phone, "code": code });
    app.post("/auth/phone_code").json(body)
}

async fn digits(app: &TestApp, phone: &str, messages: usize) -> String {
    let texts = until("the message", async || {
        Some(app.messages(phone)).filter(|texts| texts.len() == messages)
    });
    digits_of(&texts.await[messages - 1])
}

async fn a_code_is_sent_by_get_and_by_post_and_signs_in(store: Store) {
    let app = TestApp::start(store).await;
    let by_get = app
        .get("/auth/phone_code")
        .json(json!({ "phone": "156 1234 0000" }));
    envelope(&by_get.await, 0, "success");
    let code = digits(&app, PHONE, 1).await;
    let signed_in = enter(&app, "15612340000", &code).await;
    let token = envelope(&signed_in, 0, "success")["token"].clone();
    let me = app
        .get("/v1/users/me")
        .bearer(token.as_str().unwrap())
        .await
        .ok(200);
    assert_eq!(me["phone"], PHONE);
    app.clock.advance_secs(60);
    envelope(&send(&app, PHONE).await, 0, "success");
    let code = digits(&app, PHONE, 2).await;
    envelope(&enter(&app, PHONE, &code).await, 0, "success");
}

async fn the_token_is_an_access_token_of_a_session_of_a_day(store: Store) {
    let app = TestApp::start(store).await;
    send(&app, PHONE).await;
    let code = digits(&app, PHONE, 1).await;
    let body = enter(&app, PHONE, &code).await.ok(200);
    let current = app
        .get("/v1/sessions/current")
        .bearer(body["token"].as_str().unwrap());
    app.clock.advance_secs(24 * 3600 - 1);
    current.clone().await.ok(200);
    app.clock.advance_secs(1);
    current.await.problem(401, "unauthenticated");
}

async fn a_send_call_without_a_phone_is_params_err(store: Store) {
    let app = TestApp::start(store).await;
    let bodies = [
        "",
        "null",
        "[]",
        "{}",
        "[\"15612340000\"]",
        "{\"phone\":\"\"}",
        "{\"phone\":null}",
        "{\"phone\":15612340000}",
        "{\"phone\":\"15612340000\",\"phone\":\"1\"}",
        "{\"phone\":",
        "\u{feff}{}",
    ];
    for body in bodies {
        for call in [
            app.get("/auth/phone_code"),
            app.post("/auth/phone_code/send"),
        ] {
            let answer = call.body("application/json", body).await;
            envelope(&answer, 100, "params err");
        }
    }
    envelope(&app.get("/auth/phone_code").await, 100, "params err");
    let form = app
        .post("/auth/phone_code/send")
        .body("text/plain", "{\"phone\":\"15612340000\"}");
    envelope(&form.await, 100, "params err");
    assert_eq!(app.message_count(), 0);
}

async fn a_phone_that_is_not_texted_is_illegal(store: Store) {
    let app = TestApp::start(store).await;
    for phone in ["1", "15612340000;ext=1", "+12025550123", "+861062781234"] {
        envelope(&send(&app, phone).await, 1000, "phone num illegal");
        envelope(
            &enter(&app, phone, "123456").await,
            1000,
            "phone num illegal",
        );
    }
    assert_eq!(app.message_count(), 0);
}

async fn a_limit_on_sending_is_too_frequent(store: Store) {
    let app = TestApp::start(store).await;
    envelope(&send(&app, PHONE).await, 0, "success");
    envelope(
        &send(&app, PHONE).await,
        1002,
        "phone code posted too frequently",
    );
}

async fn a_sign_in_call_without_phone_or_code_is_a_fail(store: Store) {
    let app = TestApp::start(store).await;
    for body in [
        "",
        "{}",
        "[]",
        "{\"phone\":\"15612340000\"}",
        "{\"code\":\"123456\"}",
        "{\"phone\":\"15612340000\",\"code\":\"\"}",
        "{\"phone\":\"15612340000\",\"code\":123456}",
    ] {
        let answer = app
            .post("/auth/phone_code")
            .body("application/json", body)
            .await;
        envelope(&answer, 1, "fail");
    }
}

async fn wrong_used_expired_and_exhausted_codes_are_an_auth_fail(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let refused = async |code: &str| {
        envelope(&enter(&app, PHONE, code).await, 1003, "auth fail");
    };
    refused("123456").await;
    let used = app.code(PHONE).await.digits;
    for code in [
        &wrong(&used),
        "12345",
        "1234567",
        "+12345",
        "１２３４５６",
        "abcdef",
    ] {
        refused(code).await;
    }
    envelope(&enter(&app, PHONE, &used).await, 0, "success");
    refused(&used).await;
    app.clock.advance_secs(1);
    let expired = app.code(PHONE).await.digits;
    app.clock.advance_secs(300);
    refused(&expired).await;
    let exhausted = app.code(PHONE).await.digits;
    for _ in 0..5 {
        refused(&wrong(&exhausted)).await;
    }
    refused(&exhausted).await;
}

async fn any_live_code_of_the_phone_signs_in(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let mut codes = Vec::new();
    for _ in 0..3 {
        app.clock.advance_secs(1);
        codes.push(app.code(PHONE).await.digits);
    }
    for code in codes {
        envelope(&enter(&app, PHONE, &code).await, 0, "success");
        envelope(&enter(&app, PHONE, &code).await, 1003, "auth fail");
    }
}

async fn both_faces_share_users_and_limits(store: Store) {
    let app = TestApp::start(store).await;
    let v1 = app.sign_in(PHONE).await;
    envelope(
        &send(&app, PHONE).await,
        1002,
        "phone code posted too frequently",
    );
    app.clock.advance_secs(60);
    envelope(&send(&app, PHONE).await, 0, "success");
    app.ask(PHONE).await.problem(429, "rate_limited");
    let code = digits(&app, PHONE, 2).await;
    let body = enter(&app, PHONE, &code).await.ok(200);
    let me = app
        .get("/v1/users/me")
        .bearer(body["token"].as_str().unwrap())
        .await
        .ok(200);
    assert_eq!(me["id"], v1.user.as_str());
}

async fn the_whole_face_can_be_switched_off(store: Store) {
    let app = Setup::on(store)
        .set("server.short_contract", "false")
        .start()
        .await;
    send(&app, PHONE).await.problem(404, "not_found");
    enter(&app, PHONE, "123456").await.problem(404, "not_found");
    app.get("/auth/phone_code").await.problem(404, "not_found");
    assert_eq!(app.message_count(), 0);
}
