//! The pages as a browser without JavaScript sees them.

use std::sync::Arc;

use async_trait::async_trait;
use domain::message::SmsMessage;
use domain::ports::{Receipt, SmsError, SmsSender};
use serde_json::json;
use tests_support::app::{Setup, Store, TestApp};
use tests_support::http::Answer;
use tests_support::on_every_store;

const PHONE: &str = "+8615612340000";

on_every_store!(
    the_start_leads_home_and_home_leads_to_the_login,
    home_knows_a_caller_by_cookie_bearer_or_token_header,
    the_session_cookie_is_out_of_reach_of_scripts_and_other_sites,
    a_page_allows_nothing_from_elsewhere,
    the_pages_speak_the_language_of_the_browser,
    the_outbox_shows_messages_newest_first,
    there_is_no_outbox_with_a_real_gateway,
);

#[track_caller]
fn leads_to(answer: &Answer, place: &str) {
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(answer.header("location"), Some(place));
}

async fn the_start_leads_home_and_home_leads_to_the_login(store: Store) {
    let app = TestApp::start(store).await;
    leads_to(&app.get("/").await, "/home");
    leads_to(&app.get("/home").await, "/login");
    for cookie in ["session=", "session=nonsense", "other=1"] {
        leads_to(&app.get("/home").header("cookie", cookie).await, "/login");
    }
    let login = app.get("/login").await;
    assert_eq!(login.status, 200);
    assert!(login.text().contains("name=\"phone\""));
}

/// Signs in by the forms and gives every cookie that the last answer sets.
async fn cookies(app: &TestApp, origin: &str) -> Vec<String> {
    let post = |path: &str, form: String| {
        let call = app.post(path).header("origin", origin);
        call.body("application/x-www-form-urlencoded", form)
    };
    let asked = post("/login", format!("phone={}", &PHONE[3..])).await;
    let under_way: Vec<_> = asked.header_values("set-cookie").collect();
    let under_way = under_way[0].split(';').next().unwrap();
    let messages = tests_support::until("the message", async || {
        Some(app.messages(PHONE)).filter(|texts| !texts.is_empty())
    });
    let digits = tests_support::app::digits_of(messages.await.last().unwrap());
    let verify = post("/login/verify", format!("code={digits}"));
    let verified = verify.header("cookie", under_way).await;
    leads_to(&verified, "/home");
    let set = verified.header_values("set-cookie");
    set.map(str::to_owned).collect()
}

async fn home_knows_a_caller_by_cookie_bearer_or_token_header(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let set = cookies(&app, "http://localhost:8080").await;
    let cookie = set[0].split(';').next().unwrap();
    app.clock.advance_secs(1);
    let access = app.sign_in(PHONE).await.access;
    let home = || app.get("/home");
    for call in [
        home().header("cookie", cookie),
        home().bearer(&access),
        home().header("token", &access),
    ] {
        let page = call.await;
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(page.text().contains(PHONE));
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
    // What a browser holds is no access token, and the other way round.
    let (_, value) = cookie.split_once('=').unwrap();
    app.get("/v1/users/me")
        .bearer(value)
        .await
        .problem(401, "unauthenticated");
    let swapped = home().header("cookie", &format!("session={access}"));
    leads_to(&swapped.await, "/login");
}

async fn the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(store: Store) {
    let origin = "https://login.example.com";
    for (origin, name, secure) in [
        ("http://localhost:8080", "session=", false),
        (origin, "__Host-session=", true),
    ] {
        let app = Setup::on(store)
            .set("server.public_origin", origin)
            .start()
            .await;
        let set = cookies(&app, origin).await;
        let session = set.iter().find(|cookie| cookie.starts_with(name)).unwrap();
        let parts: Vec<_> = session.split("; ").collect();
        for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(parts.contains(&part), "{session}");
        }
        assert_eq!(parts.contains(&"Secure"), secure, "{session}");
        assert!(!session.contains("Domain"), "{session}");
    }
}

async fn a_page_allows_nothing_from_elsewhere(store: Store) {
    let app = TestApp::start(store).await;
    for path in ["/login", "/dev/outbox", "/docs"] {
        let page = app.get(path).await;
        let policy = page.header("content-security-policy");
        let policy = policy.unwrap_or_else(|| panic!("{path} has no policy"));
        let source = policy.split(';').next().unwrap();
        assert!(
            ["default-src 'none'", "default-src 'self'"].contains(&source),
            "{path}: {policy}"
        );
        assert!(
            !policy.contains("unsafe-eval") && !policy.contains('*'),
            "{path}: {policy}"
        );
        let text = page.text();
        let elsewhere = ["src=\"http", "src=\"//", "url(http", "@import"];
        assert!(elsewhere.iter().all(|link| !text.contains(link)), "{path}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    }
}

async fn the_pages_speak_the_language_of_the_browser(store: Store) {
    let app = TestApp::start(store).await;
    for (accepted, lang) in [("zh-CN,zh;q=0.9", "zh-Hans"), ("en-GB", "en"), ("fr", "en")] {
        let page = app.get("/login").header("accept-language", accepted).await;
        assert!(
            page.text().contains(&format!("<html lang=\"{lang}\"")),
            "{accepted}"
        );
    }
}

async fn the_outbox_shows_messages_newest_first(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let first = app.code(PHONE).await;
    app.clock.advance_secs(1);
    let second = app.code("+8615612340001").await;
    let outbox = |path: &str| app.get(path).header("accept", "application/json");
    let all = outbox("/dev/outbox").await.ok(200);
    let all = all["messages"].as_array().unwrap().clone();
    assert_eq!(all.len(), 2);
    for (message, (to, asked)) in all.iter().zip([("+8615612340001", second), (PHONE, first)]) {
        assert_eq!(message["to"], to);
        let text = message["text"].as_str().unwrap();
        assert!(text.ends_with(&format!("#{}", asked.digits)), "{text}");
        assert!(message["sent_at"].as_str().unwrap().ends_with('Z'));
    }
    for spelling in ["%2B8615612340000", "+8615612340000", "15612340000"] {
        let one = outbox(&format!("/dev/outbox?to={spelling}")).await.ok(200);
        assert_eq!(one, json!({ "messages": [all[1]] }), "{spelling}");
    }
}

struct Post;

#[async_trait]
impl SmsSender for Post {
    async fn send(&self, _: &SmsMessage) -> Result<Receipt, SmsError> {
        Ok(Receipt {
            gateway: "post".into(),
            message_id: None,
        })
    }

    async fn health(&self) -> Result<(), SmsError> {
        Ok(())
    }
}

async fn there_is_no_outbox_with_a_real_gateway(store: Store) {
    let app = Setup::on(store)
        .parts(|parts| parts.sms(Arc::new(Post)))
        .start()
        .await;
    app.ask(PHONE).await.ok(202);
    let outbox = app
        .get("/dev/outbox")
        .header("accept", "application/json")
        .await;
    outbox.problem(404, "not_found");
    assert_eq!(app.get("/dev/outbox").await.status, 404);
}
