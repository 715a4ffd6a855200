//! How a sign-in goes, as a browser without JavaScript sees it.

mod around;
mod site;

use std::time::Duration;

use self::site::{PHONE, Site};

const ASK: &str = "phone=138+0013+8000";

#[actix_web::test]
async fn a_phone_and_its_code_sign_in_and_the_session_cookie_shows_who() {
    let site = Site::new();
    let mut browser = site.browser().await;
    assert_eq!(browser.get("/").await.location, "/home");
    assert_eq!(browser.get("/home").await.location, "/login");
    let asked = browser.post("/login", ASK).await;
    assert_eq!(
        (asked.status, asked.location.as_str()),
        (303, "/login?step=code")
    );
    let page = browser.get("/login?step=code").await;
    assert!(page.html.contains("+86138****8000"), "{}", page.html);
    assert!(!page.html.contains(PHONE) && !page.html.contains("13800138000"));
    let code = site.newest_code().await;
    let signed_in = browser.post("/login/verify", &format!("code={code}")).await;
    assert_eq!(
        (signed_in.status, signed_in.location.as_str()),
        (303, "/home")
    );
    let cookie = signed_in
        .set_cookie
        .iter()
        .find(|c| c.starts_with("session="))
        .unwrap();
    assert!(
        cookie.contains("HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000"),
        "{cookie}"
    );
    let home = browser.get("/home").await;
    assert!(home.html.contains("+8613800138000"));
    assert_eq!(browser.get("/login").await.location, "/home");
}

#[actix_web::test]
async fn a_wrong_code_says_how_many_tries_are_left_until_there_are_none() {
    let site = Site::new();
    let mut browser = site.browser().await;
    browser.post("/login", ASK).await;
    let code = site.newest_code().await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for left in (1..=4).rev() {
        let answer = browser
            .post("/login/verify", &format!("code={wrong}"))
            .await;
        assert_eq!(
            answer.location,
            format!("/login?step=code&notice=code_incorrect&n={left}")
        );
    }
    let page = browser
        .get("/login?step=code&notice=code_incorrect&n=3")
        .await;
    assert!(
        page.html.contains("You have 3 tries left."),
        "{}",
        page.html
    );
    assert!(page.html.contains("aria-invalid=\"true\""));
    assert!(page.html.contains("<title>Error: "));
    let last = browser
        .post("/login/verify", &format!("code={wrong}"))
        .await;
    assert_eq!(last.location, "/login?notice=code_gone");
    let late = browser.post("/login/verify", &format!("code={code}")).await;
    assert_eq!(late.location, "/login");
}

#[actix_web::test]
async fn a_code_that_is_not_all_digits_costs_no_try() {
    let site = Site::new();
    let mut browser = site.browser().await;
    browser.post("/login", ASK).await;
    for odd in [
        "",
        "12345",
        "%2B12345",
        "1234567",
        "abcdef",
        "%EF%BC%91%EF%BC%92%EF%BC%93456",
    ] {
        let answer = browser.post("/login/verify", &format!("code={odd}")).await;
        assert_eq!(
            answer.location, "/login?step=code&notice=code_malformed",
            "{odd}"
        );
    }
    let code = site.newest_code().await;
    let spaced = format!("code={}+{}", &code[..3], &code[3..]);
    assert_eq!(
        browser.post("/login/verify", &spaced).await.location,
        "/home"
    );
}

#[actix_web::test]
async fn an_expired_code_leads_back_to_the_phone_which_is_still_there() {
    let site = Site::new();
    let mut browser = site.browser().await;
    browser.post("/login", ASK).await;
    let code = site.newest_code().await;
    site.clock.pass(Duration::from_secs(300));
    let answer = browser.post("/login/verify", &format!("code={code}")).await;
    assert_eq!(answer.location, "/login?notice=code_gone");
    let page = browser.get(&answer.location).await;
    assert!(page.html.contains("expired or was used up"));
    assert!(
        page.html.contains(&format!("value=\"{PHONE}\"")),
        "{}",
        page.html
    );
    assert_eq!(browser.get("/login?step=code").await.location, "/login");
}

#[actix_web::test]
async fn a_resend_repeats_the_digits_once_its_wait_is_over() {
    let site = Site::new();
    let mut browser = site.browser().await;
    browser.post("/login", ASK).await;
    let code = site.newest_code().await;
    assert!(
        browser
            .get("/login?step=code")
            .await
            .html
            .contains("data-wait=\"60\"")
    );
    site.clock.pass(Duration::from_millis(20_500));
    let early = browser.post("/login/resend", "").await;
    assert_eq!(early.location, "/login?step=code&notice=rate_limited&n=40");
    // Whoever goes back and asks for the same phone again is led on to the code that was sent.
    let again = browser.post("/login", ASK).await;
    assert_eq!(again.location, "/login?step=code&notice=rate_limited&n=40");
    site.clock.pass(Duration::from_secs(40));
    assert_eq!(
        browser.post("/login/resend", "").await.location,
        "/login?step=code&notice=code_sent"
    );
    assert_eq!(site.newest_code().await, code);
    assert_eq!(
        browser
            .post("/login/verify", &format!("code={code}"))
            .await
            .location,
        "/home"
    );
}

#[actix_web::test]
async fn a_wrong_phone_is_shown_again_as_it_was_typed_and_harmless() {
    let site = Site::new();
    let mut browser = site.browser().await;
    let invalid = browser.post("/login", "phone=%22%3E%3Cscript%3E1").await;
    assert_eq!(invalid.location, "/login?notice=phone_invalid");
    let page = browser.get(&invalid.location).await;
    assert!(
        page.html.contains("value=\"&#34;&#62;&#60;script&#62;1\""),
        "{}",
        page.html
    );
    let abroad = browser.post("/login", "phone=%2B12025550123").await;
    assert_eq!(abroad.location, "/login?notice=phone_not_allowed");
}

#[actix_web::test]
async fn a_return_address_is_followed_only_on_this_site() {
    let site = Site::new();
    for (next, target) in [
        ("/orders?a=1", "/orders?a=1"),
        ("//evil.example", "/home"),
        ("/\\evil.example", "/home"),
        ("https://evil.example", "/home"),
        ("/\t/evil.example", "/home"),
    ] {
        let mut browser = site.browser().await;
        let encoded: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let page = browser.get(&format!("/login?next={encoded}")).await;
        assert_eq!(
            page.html.contains("name=\"next\""),
            target != "/home",
            "{next:?}"
        );
        browser
            .post("/login", &format!("{ASK}&next={encoded}"))
            .await;
        let code = site.newest_code().await;
        let signed_in = browser.post("/login/verify", &format!("code={code}")).await;
        assert_eq!(signed_in.location, target, "{next:?}");
        site.clock.pass(Duration::from_secs(60));
    }
}
