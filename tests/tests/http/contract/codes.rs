//! `/v1/phone-codes`: asking, looking, sending again.

use domain::ports::Clock;
use serde_json::json;
use std::time::Duration;
use tests_support::app::{Setup, Store, TestApp, digits_of, wrong};
use tests_support::{on_every_store, until};

const PHONE: &str = "+8615612340000";

on_every_store!(
    asking_is_answered_at_once_with_the_code_but_not_its_digits,
    a_known_and_an_unknown_number_get_the_same_answer,
    asking_makes_nobody_a_user,
    a_code_can_be_looked_at_until_it_is_forgotten,
    what_is_no_code_is_not_found,
    a_resend_waits_and_sends_the_same_digits,
    a_dead_code_is_not_sent_again,
    a_message_speaks_the_language_asked_for,
    a_message_holds_its_digits_once_and_last,
);

async fn asking_is_answered_at_once_with_the_code_but_not_its_digits(store: Store) {
    let app = TestApp::start(store).await;
    let asked = app.code("156 1234 0000").await;
    let now = app.clock.now();
    let expected = json!({
        "id": asked.id,
        "phone": "+86156****0000",
        "status": "queued",
        "code_length": 6,
        "expires_at": (now + Duration::from_secs(300)).to_string(),
        "resend_at": (now + Duration::from_secs(60)).to_string(),
        "attempts_remaining": 5,
    });
    assert_eq!(asked.body, expected);
    assert!(asked.id.starts_with("pc_"), "{}", asked.id);
    assert!(!asked.body.to_string().contains(&asked.digits));
}

async fn a_known_and_an_unknown_number_get_the_same_answer(store: Store) {
    let app = TestApp::start(store).await;
    app.sign_in(PHONE).await;
    app.clock.advance_secs(60);
    let known = app.ask(PHONE).await;
    let unknown = app.ask("+8615612340001").await;
    assert_eq!((known.status, unknown.status), (202, 202));
    let (mut known, mut unknown) = (known.json(), unknown.json());
    for body in [&mut known, &mut unknown] {
        body["id"] = json!("");
        body["phone"] = json!("");
    }
    assert_eq!(known, unknown);
}

async fn asking_makes_nobody_a_user(store: Store) {
    let app = TestApp::start(store).await;
    let asked = app.code(PHONE).await;
    assert!(!app.has_user(PHONE).await);
    app.enter(&asked.id, &wrong(&asked.digits))
        .await
        .problem(403, "code_incorrect");
    assert!(!app.has_user(PHONE).await);
    app.enter(&asked.id, &asked.digits).await.ok(201);
    assert!(app.has_user(PHONE).await);
}

async fn a_code_can_be_looked_at_until_it_is_forgotten(store: Store) {
    let app = TestApp::start(store).await;
    let asked = app.code(PHONE).await;
    assert_eq!(app.delivery(&asked.id).await, "sent");
    app.enter(&asked.id, &wrong(&asked.digits))
        .await
        .problem(403, "code_incorrect");
    let look = app.get(&format!("/v1/phone-codes/{}", asked.id));
    let mut expected = asked.body.clone();
    expected["status"] = json!("sent");
    expected["attempts_remaining"] = json!(4);
    assert_eq!(look.clone().await.ok(200), expected);
    app.clock.advance_secs(300);
    app.auth().sweep(1000).await.expect("a store that answers");
    if store.sweeps_codes() {
        look.await.problem(404, "not_found");
    }
}

async fn what_is_no_code_is_not_found(store: Store) {
    let app = TestApp::start(store).await;
    let never = format!("pc_{}", "0".repeat(32));
    for id in [never.as_str(), "pc_", "usr_00", "%00", "..", "pc_%0d%0a"] {
        let answer = app.get(&format!("/v1/phone-codes/{id}")).await;
        answer.problem(404, "not_found");
    }
}

async fn a_resend_waits_and_sends_the_same_digits(store: Store) {
    let app = TestApp::start(store).await;
    let asked = app.code(PHONE).await;
    let resend = app.post(&format!("/v1/phone-codes/{}/resend", asked.id));
    app.clock.advance_secs(59);
    let early = resend.clone().await.problem(429, "rate_limited");
    assert_eq!(early["retry_after"], 1);
    assert_eq!(early.get("scope"), None);
    for (sent, wait) in [(2, 120), (3, 300)] {
        app.clock.advance_secs(if sent == 2 { 1 } else { 120 });
        let again = resend.clone().await.ok(202);
        let next = app.clock.now() + Duration::from_secs(wait);
        assert_eq!(again["resend_at"], next.to_string());
        assert_eq!(again["expires_at"], asked.body["expires_at"]);
        let messages = until("the message", async || {
            Some(app.messages(PHONE)).filter(|texts| texts.len() == sent)
        });
        let newest = messages.await.pop().unwrap();
        assert_eq!(digits_of(&newest), asked.digits);
    }
    app.enter(&asked.id, &asked.digits).await.ok(201);
}

async fn a_dead_code_is_not_sent_again(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let used = app.code(PHONE).await;
    app.enter(&used.id, &used.digits).await.ok(201);
    app.clock.advance_secs(1);
    let expired = app.code(PHONE).await;
    app.clock.advance_secs(300);
    let exhausted = app.code(PHONE).await;
    for _ in 0..5 {
        app.enter(&exhausted.id, &wrong(&exhausted.digits)).await;
    }
    app.clock.advance_secs(60);
    let never = format!("pc_{}", "0".repeat(32));
    let sent = app.message_count();
    for id in [used.id, expired.id, exhausted.id, never, "nonsense".into()] {
        let answer = app.post(&format!("/v1/phone-codes/{id}/resend")).await;
        answer.problem(403, "code_gone");
    }
    assert_eq!(app.message_count(), sent);
}

async fn a_message_speaks_the_language_asked_for(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let said = async |locale: Option<&str>, accepted: &str| {
        app.clock.advance_secs(1);
        let mut body = json!({ "phone": PHONE });
        if let Some(locale) = locale {
            body["locale"] = json!(locale);
        }
        let before = app.messages(PHONE).len();
        let ask = app.post("/v1/phone-codes").json(body);
        ask.header("accept-language", accepted).await.ok(202);
        until("the message", async || {
            let texts = app.messages(PHONE);
            (texts.len() > before).then(|| texts.last().cloned())?
        })
        .await
    };
    for (locale, accepted, chinese) in [
        (Some("zh-CN"), "en", true),
        (Some("en-GB"), "zh", false),
        (Some("tlh"), "zh-TW;q=0.9, en", true),
        (None, "fr, zh;q=0.5", true),
        (None, "fr", false),
        (None, "", false),
    ] {
        let text = said(locale, accepted).await;
        let is_chinese = text.contains("登录验证码");
        assert_eq!(is_chinese, chinese, "{locale:?} {accepted}: {text}");
    }
}

async fn a_message_holds_its_digits_once_and_last(store: Store) {
    let app = Setup::on(store).set("code.length", "8").start().await;
    let asked = app.code(PHONE).await;
    assert_eq!(asked.body["code_length"], 8);
    let text = app.messages(PHONE).pop().unwrap();
    assert!(
        text.ends_with(&format!("\n@localhost #{}", asked.digits)),
        "{text}"
    );
    let long_runs = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|run| run.len() > 3);
    assert_eq!(long_runs.collect::<Vec<_>>(), [asked.digits.as_str()]);
    assert!(
        text.contains("phone-auth") && text.contains(" 5 min"),
        "{text}"
    );
}
