//! What stands around a sign-in: who may send forms, signing out, what every page carries.

use std::time::Duration;

use actix_web::test::TestRequest;
use domain::auth::{AskCode, Credentials, Grant, SignIn};
use domain::message::Locale;
use domain::session::Caller;

use super::ASK;
use super::site::{ORIGIN, PHONE, Site, form_to};

#[actix_web::test]
async fn forms_of_other_origins_change_nothing() {
    let site = Site::new();
    let mut browser = site.browser().await;
    browser.sign_in(&site).await;
    for path in [
        "/login",
        "/login/resend",
        "/login/verify",
        "/logout",
        "/logout/everywhere",
        "/sessions/x/sign-out",
    ] {
        let foreign = form_to(path, ASK).insert_header(("origin", "https://evil.example"));
        let refused = browser.send(foreign).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.html.contains("http://localhost:8080"));
        assert_eq!(browser.send(form_to(path, ASK)).await.status, 403, "{path}");
    }
    assert_eq!(browser.get("/home").await.status, 200);
}

#[actix_web::test]
async fn signing_out_ends_this_session_another_one_or_all() {
    let site = Site::new();
    let (mut here, mut there) = (site.browser().await, site.browser().await);
    here.sign_in(&site).await;
    site.clock.pass(Duration::from_secs(60));
    there.sign_in(&site).await;
    let home = here.get("/home").await.html;
    let path = home
        .split('"')
        .find(|part| part.starts_with("/sessions/ses_"))
        .unwrap();
    assert_eq!(here.post(path, "").await.location, "/home");
    assert_eq!(there.get("/home").await.location, "/login");
    assert_eq!(here.get("/home").await.status, 200);
    assert_eq!(
        here.post(path, "").await.location,
        "/home",
        "it is over already"
    );

    site.clock.pass(Duration::from_secs(60));
    there.sign_in(&site).await;
    assert_eq!(
        here.post("/logout", "").await.location,
        "/login?notice=signed_out"
    );
    assert_eq!(here.get("/home").await.location, "/login");
    assert_eq!(there.get("/home").await.status, 200);

    site.clock.pass(Duration::from_secs(60));
    here.sign_in(&site).await;
    assert_eq!(
        there.post("/logout/everywhere", "").await.location,
        "/login?notice=signed_out"
    );
    assert_eq!(here.get("/home").await.location, "/login");
}

#[actix_web::test]
async fn a_session_cookie_is_refused_once_it_was_signed_out() {
    let site = Site::new();
    let mut browser = site.browser().await;
    browser.sign_in(&site).await;
    let mut copy = site.browser().await;
    copy.take_cookies_of(&browser);
    browser.post("/logout", "").await;
    assert_eq!(copy.get("/home").await.location, "/login");
}

#[actix_web::test]
async fn an_access_token_shows_the_home_page_in_either_header() {
    let site = Site::new();
    let mut browser = site.browser().await;
    let token = access_token(&site).await;
    let with = |name: &str, value: String| {
        TestRequest::get()
            .uri("/home")
            .insert_header((name.to_owned(), value))
    };
    assert_eq!(
        browser
            .send(with("authorization", format!("Bearer {token}")))
            .await
            .status,
        200
    );
    assert_eq!(browser.send(with("token", token.clone())).await.status, 200);
    assert_eq!(
        browser
            .send(with("token", format!("{token}x")))
            .await
            .location,
        "/login"
    );
}

async fn access_token(site: &Site) -> String {
    let auth = &site.state.auth;
    let caller = Caller::new([127, 0, 0, 1].into(), None);
    let ask = AskCode {
        phone: PHONE,
        locale: Locale::En,
        caller: &caller,
        idempotency_key: None,
    };
    let id = auth.ask_code(ask).await.unwrap().id.to_string();
    let code = site.newest_code().await;
    let attempt = SignIn {
        code: &code,
        caller: &caller,
        grant: Grant::Tokens,
    };
    match auth.sign_in(&id, attempt).await.unwrap().credentials {
        Credentials::Tokens(tokens) => tokens.access.expose().to_owned(),
        Credentials::Cookie(_) => unreachable!("tokens were asked for"),
    }
}

#[actix_web::test]
async fn a_form_is_small_and_urlencoded_and_has_its_fields() {
    let site = Site::new();
    let mut browser = site.browser().await;
    let ours = |form: &str| form_to("/login", form).insert_header(("origin", ORIGIN));
    let json = ours("{}").insert_header(("content-type", "application/json"));
    assert_eq!(browser.send(json).await.status, 415);
    let packed = ours(ASK).insert_header(("content-encoding", "gzip"));
    assert_eq!(browser.send(packed).await.status, 415);
    assert_eq!(
        browser
            .send(ours(&format!("phone={}", "1".repeat(4091))))
            .await
            .status,
        413
    );
    assert_eq!(
        browser
            .send(ours(&format!("phone={}", "1".repeat(4090))))
            .await
            .status,
        303
    );
    for bad in ["", "fone=1", "phone=1&phone=2"] {
        assert_eq!(browser.send(ours(bad)).await.status, 400, "{bad}");
    }
}

#[actix_web::test]
async fn every_page_forbids_whatever_is_not_ours_and_is_kept_by_nobody() {
    let site = Site::new();
    let mut browser = site.browser().await;
    for path in ["/login", "/dev/outbox"] {
        let page = browser.get(path).await;
        let policy = &page.headers["content-security-policy"];
        assert!(
            policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(page.headers["cache-control"], "no-store");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        for foreign in [
            "style=",
            "<style",
            "onclick",
            "javascript:",
            "https://",
            "http://",
        ] {
            assert!(!page.html.contains(foreign), "{path}: {foreign}");
        }
    }
    let html = browser.get("/login").await.html;
    let assets: Vec<_> = html
        .split('"')
        .filter(|part| part.starts_with("/assets/"))
        .collect();
    assert_eq!(assets.len(), 4, "{assets:?}");
    for path in assets {
        let asset = browser.get(path).await;
        assert_eq!(
            (asset.status, asset.headers["cache-control"].as_str()),
            (200, "public, max-age=31536000, immutable")
        );
    }
}

#[actix_web::test]
async fn a_language_chosen_by_hand_is_remembered() {
    let site = Site::new();
    let mut browser = site.browser().await;
    assert!(
        browser
            .get("/login")
            .await
            .html
            .contains("<html lang=\"en\">")
    );
    assert_eq!(
        browser.get("/language/zh?next=/login").await.location,
        "/login"
    );
    assert!(
        browser
            .get("/login")
            .await
            .html
            .contains("<html lang=\"zh-Hans\">")
    );
    assert_eq!(browser.get("/language/en?next=//evil").await.location, "/");
    assert!(
        browser
            .get("/login")
            .await
            .html
            .contains("<html lang=\"en\">")
    );
}

#[actix_web::test]
async fn the_outbox_shows_the_newest_message_first_to_this_machine_only() {
    let site = Site::new();
    let mut browser = site.browser().await;
    browser.post("/login", ASK).await;
    site.deliver().await;
    site.clock.pass(Duration::from_secs(60));
    browser.post("/login", "phone=13900139000").await;
    let code = site.newest_code().await;
    let page = browser.get("/dev/outbox").await.html;
    assert!(
        page.find("+8613900139000") < page.find("+8613800138000"),
        "{page}"
    );
    assert!(page.contains(&format!("<mark>{code}</mark>")));
    let one = browser.get("/dev/outbox?to=+8613800138000").await.html;
    assert!(one.contains("+8613800138000") && !one.contains("+8613900139000"));
    let json = |uri: &str| {
        TestRequest::get()
            .uri(uri)
            .insert_header(("accept", "application/json"))
    };
    let answer = browser.send(json("/dev/outbox?to=139+0013+9000")).await;
    let body: serde_json::Value = serde_json::from_str(&answer.html).unwrap();
    assert_eq!(body["messages"].as_array().unwrap().len(), 1);
    assert_eq!(body["messages"][0]["to"], "+8613900139000");
    assert_eq!(
        body["messages"][0]["text"]
            .as_str()
            .unwrap()
            .matches(&code)
            .count(),
        1
    );
    assert_eq!(body["messages"][0]["sent_at"], "2026-01-02T03:05:05Z");
    assert_eq!(browser.send(json("/dev/outbox?to=x")).await.status, 422);
    browser.move_to("203.0.113.9:50000");
    assert_eq!(browser.get("/dev/outbox").await.status, 404);
}
