//! Everything that clients do, right and wrong, with a canary in every place that it could leave from.

use serde_json::json;
use tests_support::app::{SignedIn, wrong};
use tests_support::http::Answer;
use tests_support::process::Service;

use super::{Canaries, NATIONAL, OTHER_PHONE, PHONE};

/// See the module; gives the answers that went wrong.
pub(super) async fn a_whole_life(service: &Service, canaries: &mut Canaries) -> Vec<Answer> {
    let mut errors = Vec::new();
    let asked = service.ask("+86 156 9876 5432").await;
    let id = asked["id"].as_str().unwrap();
    let digits = service.digits(PHONE, 1).await;
    canaries.add("the code", &digits);
    let enter = |code: &str| {
        let body = json!({ "phone_code_id": id, "code": code });
        service.post("/v1/sessions").json(body)
    };
    errors.push(
        service
            .post("/v1/phone-codes")
            .json(json!({ "phone": "156-9876-5432" }))
            .await,
    );
    errors.push(service.post(&format!("/v1/phone-codes/{id}/resend")).await);
    errors.push(enter(&wrong(&digits)).await);
    errors.push(enter(&format!("{digits}0")).await);
    let signed_in = SignedIn::from(enter(&digits).await.ok(201));
    errors.push(enter(&digits).await);
    canaries.add_token("an access token", &signed_in.access);
    canaries.add_token("a refresh token", &signed_in.refresh);
    for path in [
        "/v1/users/me",
        "/v1/sessions",
        "/v1/sessions/current",
        "/home",
    ] {
        let answer = service.get(path).bearer(&signed_in.access).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    let refresh = |token: &str| {
        let body = json!({ "refresh_token": token });
        service.post("/v1/sessions/refresh").json(body)
    };
    let renewed = SignedIn::from(refresh(&signed_in.refresh).await.ok(200));
    canaries.add_token("a second access token", &renewed.access);
    canaries.add_token("a second refresh token", &renewed.refresh);
    errors.push(refresh(&signed_in.refresh).await);
    errors.push(service.get("/v1/users/me").bearer(&renewed.access).await);
    errors.extend(misplaced(service, &digits, &renewed).await);
    in_a_browser(service, canaries).await;
    errors
}

/// A sign-in over the pages, whose cookies hold secrets too.
async fn in_a_browser(service: &Service, canaries: &mut Canaries) {
    let post = |path: &str, form: &str, cookie: &str| {
        let call = service.post(path).header("cookie", cookie);
        let call = call.header("origin", "http://localhost:8080");
        call.body("application/x-www-form-urlencoded", form)
    };
    let asked = post("/login", &format!("phone={}", &OTHER_PHONE[3..]), "").await;
    let digits = service.digits(OTHER_PHONE, 1).await;
    canaries.add("the code of the pages", &digits);
    let cookie = |answer: &Answer, name: &str| {
        let set = answer.header_values("set-cookie");
        let found = set.filter_map(|cookie| cookie.split(';').next());
        found
            .filter(|pair| pair.starts_with(name))
            .collect::<String>()
    };
    let under_way = cookie(&asked, "sign-in=");
    canaries.add("a cookie under way", &under_way["sign-in=".len()..]);
    post(
        "/login/verify",
        &format!("code={}", wrong(&digits)),
        &under_way,
    )
    .await;
    let verified = post("/login/verify", &format!("code={digits}"), &under_way).await;
    let session = cookie(&verified, "session=");
    canaries.add_token("a session cookie", &session["session=".len()..]);
    let home = service.get("/home").header("cookie", &session).await;
    assert!(home.text().contains(OTHER_PHONE), "{}", home.text());
    post("/logout", "", &session).await;
}

/// The same secrets where they do not belong.
async fn misplaced(service: &Service, digits: &str, tokens: &SignedIn) -> Vec<Answer> {
    let post = |body: String| service.post("/v1/sessions").body("application/json", body);
    let calls = [
        service.get(&format!("/v1/phone-codes/{PHONE}")),
        service.get(&format!("/v1/phone-codes?phone={NATIONAL}&code={digits}")),
        service.get(&format!("/{NATIONAL}/{}", tokens.access)),
        service
            .delete(&format!("/v1/sessions/{}", tokens.refresh))
            .bearer(&tokens.refresh),
        service
            .get("/v1/users/me")
            .header("authorization", &format!("Basic {}", tokens.access)),
        service
            .get("/v1/users/me")
            .header("x-request-id", &format!("{PHONE} {digits}")),
        post(format!("{{\"{NATIONAL}\":\"{digits}\"}}")),
        post(format!(
            "{{\"phone_code_id\":\"{NATIONAL}\",\"code\":{digits}}}"
        )),
        post(format!(
            "{{\"phone_code_id\":\"{PHONE}\",\"code\":\"{digits}\"}}"
        )),
        post(format!("{NATIONAL}{digits}{}", tokens.access)),
        service
            .post("/auth/phone_code")
            .json(json!({ "phone": PHONE, "code": digits })),
        service
            .post("/auth/phone_code/send")
            .json(json!({ "phone": NATIONAL })),
    ];
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await);
    }
    answers
}
