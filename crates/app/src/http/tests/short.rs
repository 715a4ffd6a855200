use serde_json::json;

use super::*;

const SEND: &str = "/auth/phone_code/send";
const SIGN_IN: &str = "/auth/phone_code";

fn envelope(code: u16, msg: &str) -> (u16, Value) {
    (200, json!({"code": code, "msg": msg}))
}

fn outcome(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.json())
}

#[actix_web::test]
async fn two_calls_sign_in_and_the_token_opens_a_real_session() {
    let world = world(|_| {}).await;
    let by_get = TestRequest::get()
        .uri(SIGN_IN)
        .set_json(json!({"phone": PHONE}));
    assert_eq!(outcome(&world.send(by_get).await), envelope(0, "success"));
    let by_post = world
        .post(SEND, &json!({"phone": "0086 138-0013-8000"}))
        .await;
    assert_eq!(outcome(&by_post), envelope(0, "success"));

    let wrong = world
        .post(SIGN_IN, &json!({"phone": PHONE, "code": WRONG}))
        .await;
    assert_eq!(outcome(&wrong), envelope(1003, "auth fail"));
    let right = world
        .post(SIGN_IN, &json!({"phone": "13800138000", "code": CODE}))
        .await;
    let answer = right.json();
    assert_eq!(
        (&answer["code"], &answer["msg"]),
        (&json!(0), &json!("success"))
    );
    let token = answer["token"].as_str().unwrap();
    let me = world.with_token("GET", "/v1/users/me", token).await;
    assert_eq!((me.status, &me.json()["phone"]), (200, &json!(PHONE)));
    let session = world
        .with_token("GET", "/v1/sessions/current", token)
        .await
        .json();
    let moment = |name: &str| Timestamp::parse_rfc3339(session[name].as_str().unwrap()).unwrap();
    let day = Duration::from_secs(86_400);
    assert_eq!(moment("expires_at").since(moment("created_at")), day);
}

#[actix_web::test]
async fn a_send_call_without_an_object_with_a_phone_has_params_err() {
    let world = world(|_| {}).await;
    let bodies = [
        json!({}),
        json!([]),
        json!([PHONE]),
        json!({"phone": ""}),
        json!({"phone": null}),
        json!({"phone": 13_800_138_000_u64}),
        json!("x"),
        json!({"phone": PHONE, "more": 1}),
    ];
    for body in bodies {
        let answer = world.post(SEND, &body).await;
        assert_eq!(outcome(&answer), envelope(100, "params err"), "{body}");
    }
    assert_eq!(
        outcome(&world.get(SIGN_IN).await),
        envelope(100, "params err")
    );
    let form = TestRequest::post().uri(SEND).set_form([("phone", PHONE)]);
    assert_eq!(
        outcome(&world.send(form).await),
        envelope(100, "params err")
    );
}

#[actix_web::test]
async fn a_sign_in_call_without_phone_or_code_fails() {
    let world = world(|_| {}).await;
    let bodies = [
        json!({}),
        json!([]),
        json!({"phone": PHONE}),
        json!({"code": CODE}),
        json!({"phone": "", "code": CODE}),
        json!({"phone": PHONE, "code": ""}),
        json!({"phone": PHONE, "code": 424_242}),
    ];
    for body in bodies {
        assert_eq!(
            outcome(&world.post(SIGN_IN, &body).await),
            envelope(1, "fail"),
            "{body}"
        );
    }
}

#[actix_web::test]
async fn a_phone_that_is_not_texted_is_illegal_in_both_calls() {
    let world = world(|_| {}).await;
    for phone in ["12", "x", "+12025550123", "13800138000;ext=1"] {
        let send = world.post(SEND, &json!({"phone": phone})).await;
        assert_eq!(
            outcome(&send),
            envelope(1000, "phone num illegal"),
            "{phone}"
        );
        let sign_in = world
            .post(SIGN_IN, &json!({"phone": phone, "code": CODE}))
            .await;
        assert_eq!(
            outcome(&sign_in),
            envelope(1000, "phone num illegal"),
            "{phone}"
        );
    }
}

#[actix_web::test]
async fn a_code_that_does_not_sign_in_is_auth_fail_whatever_is_wrong_with_it() {
    let world = world(|_| {}).await;
    for code in [WRONG, "1", "abcdef", "+12345", "１２３４５６"] {
        let answer = world
            .post(SIGN_IN, &json!({"phone": PHONE, "code": code}))
            .await;
        assert_eq!(outcome(&answer), envelope(1003, "auth fail"), "{code}");
    }
}

#[actix_web::test]
async fn a_limit_on_sending_is_too_frequent() {
    let world = world(|_| {}).await;
    for _ in 0..20 {
        assert_eq!(
            outcome(&world.post(SEND, &json!({"phone": PHONE})).await),
            envelope(0, "success")
        );
    }
    let limited = world.post(SEND, &json!({"phone": PHONE})).await;
    assert_eq!(
        outcome(&limited),
        envelope(1002, "phone code posted too frequently")
    );
}
