//! The pages in a real browser: Chromium, headless.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is an assertion"
)]

mod chromium;

use chromium::{Browser, ENTER, ORIGIN, PHONE, Settings};
use domain::auth::Part;
use tests_support::app::{Setup, Store, TestApp, digits_of, wrong};
use tests_support::faults::{Fault, Faulty};
use tests_support::until;

const NUMBER: &str = "138 0013 8000";

async fn start(setup: Setup) -> TestApp {
    setup.set("server.public_origin", ORIGIN).start().await
}

async fn app() -> TestApp {
    start(Setup::on(Store::Memory)).await
}

/// The newest of so many messages to a number.
async fn digits(app: &TestApp, number: &str, messages: usize) -> String {
    let all = until("the message", async || {
        Some(app.messages(number)).filter(|all| all.len() == messages)
    });
    digits_of(&all.await[messages - 1])
}

/// Takes the browser to the code step, and gives the first code that was sent.
async fn ask_for_a_code(browser: &Browser, app: &TestApp, number: &str) -> String {
    browser.open("/login").await;
    browser.type_into("#phone", number).await;
    browser.click("form button").await;
    browser.arrive_at("/login?step=code").await;
    digits(app, number, 1).await
}

#[tokio::test]
async fn a_person_signs_in_by_typing_and_signs_out() {
    let app = app().await;
    let browser = Browser::start(&app, PHONE).await;
    browser.open("/").await;
    browser.arrive_at("/login").await;
    // Nothing is clicked: the fields have the focus, and the last digit sends the form.
    browser.type_into_focus(&format!("{NUMBER}{ENTER}")).await;
    browser.arrive_at("/login?step=code").await;
    assert!(browser.text(".lead").await.contains("+86138****8000"));
    browser
        .type_into_focus(&digits(&app, NUMBER, 1).await)
        .await;
    browser.arrive_at("/home").await;
    assert!(browser.text(".lead").await.contains("+8613800138000"));
    assert!(browser.text(".sessions").await.contains("Chrome · "));
    browser.click(".sessions button").await;
    browser.arrive_at("/login?notice=signed_out").await;
    browser.open("/home").await;
    browser.arrive_at("/login").await;
}

#[tokio::test]
async fn the_code_is_in_the_outbox_that_the_page_points_to() {
    let app = app().await;
    let browser = Browser::start(&app, PHONE).await;
    let code = ask_for_a_code(&browser, &app, NUMBER).await;
    let outbox = browser.see(".dev a").await.attr("href").await.unwrap();
    browser.open(&outbox.unwrap()).await;
    assert_eq!(browser.text(".messages li:first-child mark").await, code);
    assert!(
        browser
            .text(".messages li:first-child")
            .await
            .contains("+8613800138000")
    );
}

/// What the button says while it cannot be pressed.
const WAITING: &str = "const it = document.querySelector('.resend button'); return it.disabled ? it.textContent : null";

#[tokio::test]
async fn the_resend_counts_down_and_then_sends_the_same_code_again() {
    let app = start(Setup::on(Store::Memory).set("code.resend_after", "5s")).await;
    let browser = Browser::start(&app, PHONE).await;
    let code = ask_for_a_code(&browser, &app, NUMBER).await;
    browser.see(".resend button").await;
    let mut seen: Vec<u32> = Vec::new();
    until("the end of the wait", async || {
        let waiting = browser.run(WAITING).await;
        let Some(text) = waiting.as_str() else {
            return Some(());
        };
        let left = text.strip_prefix("Send it again in ").unwrap();
        seen.push(left.strip_suffix(" s").unwrap().parse().unwrap());
        None
    })
    .await;
    seen.dedup();
    assert!(
        seen.len() >= 2 && seen.is_sorted_by(|a, b| a > b) && seen[0] <= 5,
        "{seen:?}"
    );
    assert_eq!(browser.text(".resend button").await, "Send it again");
    app.clock.advance_secs(5);
    browser.click(".resend button").await;
    browser.arrive_at("/login?step=code&notice=code_sent").await;
    assert_eq!(
        browser.text("#notice[role=status]").await,
        "We sent the same code again."
    );
    assert_eq!(digits(&app, NUMBER, 2).await, code);
}

#[tokio::test]
async fn a_wrong_code_says_how_many_tries_are_left() {
    let app = app().await;
    let browser = Browser::start(&app, PHONE).await;
    let code = ask_for_a_code(&browser, &app, NUMBER).await;
    browser.type_into("#code", &wrong(&code)).await;
    browser
        .arrive_at("/login?step=code&notice=code_incorrect&n=4")
        .await;
    let notice = browser.text("#notice[role=alert]").await;
    assert_eq!(notice, "That code isn’t right. You have 4 tries left.");
    let field = browser.see("#code[aria-invalid=true]").await;
    assert_eq!(field.prop("value").await.unwrap().as_deref(), Some(""));
    browser.type_into_focus(&code).await;
    browser.arrive_at("/home").await;
}

#[tokio::test]
async fn an_expired_code_leads_back_to_the_phone_that_was_typed() {
    let app = app().await;
    let browser = Browser::start(&app, PHONE).await;
    let code = ask_for_a_code(&browser, &app, NUMBER).await;
    app.clock.advance_secs(300);
    browser.type_into("#code", &code).await;
    browser.arrive_at("/login?notice=code_gone").await;
    assert!(browser.text("#notice").await.contains("expired"));
    let phone = browser.see("#phone").await.prop("value").await.unwrap();
    assert_eq!(phone.as_deref(), Some(NUMBER));
}

#[tokio::test]
async fn a_code_is_pasted_and_typed_in_the_ways_people_do() {
    let app = app().await;
    let browser = Browser::start(&app, PHONE).await;
    let code = ask_for_a_code(&browser, &app, NUMBER).await;
    browser.see("#code").await;
    browser.run(
        "const data = new DataTransfer(); data.setData('text', 'code: 12-3');
         document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));",
    ).await;
    let field = browser.see("#code").await;
    assert_eq!(field.prop("value").await.unwrap().as_deref(), Some("123"));
    field.clear().await.unwrap();
    let full_width: String = code
        .chars()
        .map(|digit| char::from_u32(digit as u32 + 0xFEE0).unwrap())
        .collect();
    browser.type_into("#code", &full_width).await;
    browser.arrive_at("/home").await;
}

#[tokio::test]
async fn a_sign_in_needs_no_javascript() {
    let app = app().await;
    let plain = Settings {
        javascript: false,
        ..PHONE
    };
    let browser = Browser::start(&app, plain).await;
    browser.open("/login").await;
    browser.type_into("#phone", NUMBER).await;
    browser.press("form button").await;
    browser.arrive_at("/login?step=code").await;
    let code = digits(&app, NUMBER, 1).await;
    let note = "return document.querySelector('.resend noscript').innerText";
    assert_eq!(browser.run(note).await, "You can ask again in 60 s.");
    browser.press(".resend button").await;
    browser
        .arrive_at("/login?step=code&notice=rate_limited&n=60")
        .await;
    assert!(
        browser
            .text("#notice")
            .await
            .starts_with("Too many requests.")
    );
    browser.type_into("#code", &wrong(&code)).await;
    browser.press("form button").await;
    browser
        .arrive_at("/login?step=code&notice=code_incorrect&n=4")
        .await;
    browser.type_into("#code", &code).await;
    browser.press("form button").await;
    browser.arrive_at("/home").await;
    browser.press(".everywhere button").await;
    browser.arrive_at("/login?notice=signed_out").await;
}

#[tokio::test]
async fn trouble_on_our_side_costs_the_person_nothing() {
    let real = app().await;
    let faulty = Faulty::over(&real);
    let app = start(real.setup().parts(|parts| faulty.put_into(parts))).await;
    let browser = Browser::start(&app, PHONE).await;
    let code = ask_for_a_code(&browser, &app, NUMBER).await;
    faulty.fail(Part::Users, Fault::Down);
    browser.type_into("#code", &code).await;
    browser
        .arrive_at("/login?step=code&notice=unavailable")
        .await;
    assert!(browser.text("#notice").await.contains("try again shortly"));
    faulty.heal();
    browser.type_into_focus(&code).await;
    browser.arrive_at("/home").await;
    faulty.fail(Part::Sessions, Fault::Silent);
    browser.open("/home").await;
    assert_eq!(browser.text("h1").await, "Back in a moment");
    faulty.heal();
    browser.click("a.primary").await;
    browser.arrive_at("/home").await;
    assert!(browser.text(".lead").await.contains("+8613800138000"));
}

#[tokio::test]
async fn a_message_that_did_not_arrive_is_told() {
    let app = start(Setup::on(Store::Memory).set("sms.gateways.stub.fail", "bad_number")).await;
    let browser = Browser::start(&app, PHONE).await;
    browser.open("/login").await;
    browser.type_into("#phone", NUMBER).await;
    browser.click("form button").await;
    browser.arrive_at("/login?step=code").await;
    until("the notice", async || {
        browser.open("/login?step=code").await;
        let notice = "return document.getElementById('notice')?.textContent";
        let notice = browser.run(notice).await;
        notice.as_str()?.contains("couldn’t deliver").then_some(())
    })
    .await;
    assert!(
        browser
            .see(".resend button")
            .await
            .is_enabled()
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_return_address_leads_back_on_this_site_and_never_away() {
    let app = app().await;
    let pairs = [("//evil.example", "/home"), ("/dev/outbox", "/dev/outbox")];
    for (sent, (next, target)) in pairs.into_iter().enumerate() {
        let browser = Browser::start(&app, PHONE).await;
        browser.open(&format!("/login?next={next}")).await;
        browser.type_into("#phone", NUMBER).await;
        browser.click("form button").await;
        browser.arrive_at("/login?step=code").await;
        browser
            .type_into("#code", &digits(&app, NUMBER, sent + 1).await)
            .await;
        browser.arrive_at(target).await;
        app.clock.advance_secs(60);
    }
}

/// Finds what a person with a screen reader or a small phone would stumble over.
const FLAWS: &str = r#"
  const flaws = [];
  const all = (css) => [...document.querySelectorAll(css)];
  const named = (e) => e.getAttribute("aria-label") || e.textContent.trim();
  if (!document.documentElement.lang) flaws.push("the page has no language");
  if (all("h1").length !== 1) flaws.push("not exactly one h1");
  if (all("main").length !== 1) flaws.push("not exactly one main");
  for (const e of all("input:not([type=hidden])"))
    if (e.labels.length !== 1) flaws.push("no label: " + e.outerHTML);
  for (const e of all("button, a")) if (!named(e)) flaws.push("no name: " + e.outerHTML);
  for (const e of all("img")) if (!e.hasAttribute("alt")) flaws.push("no alt: " + e.outerHTML);
  for (const e of all("svg")) if (e.getAttribute("aria-hidden") !== "true") flaws.push("loud svg");
  const ids = all("[id]").map((e) => e.id);
  if (new Set(ids).size !== ids.length) flaws.push("repeated id");
  for (const e of all("[aria-describedby]"))
    for (const id of e.getAttribute("aria-describedby").split(" "))
      if (!document.getElementById(id)) flaws.push("described by nothing: " + id);
  for (const e of all("button, .field")) if (e.offsetHeight < 18) flaws.push("too small to hit: " + e.outerHTML);
  if (document.documentElement.scrollWidth > screen.width) flaws.push("scrolls sideways");
  if (getComputedStyle(document.body).display !== "grid") flaws.push("the style is missing");
  return flaws;
"#;

#[tokio::test]
async fn every_page_fits_a_small_phone_and_tells_a_screen_reader_what_is_what() {
    let app = app().await;
    for (language, lang, number) in [
        ("en", "en", "138 0013 8000"),
        ("zh-CN", "zh-Hans", "139 0013 9000"),
    ] {
        let small = Settings {
            language,
            viewport: (320, 568),
            ..PHONE
        };
        let browser = Browser::start(&app, small).await;
        let sound = async |path: &str| {
            browser.open(path).await;
            assert_eq!(
                browser.run(FLAWS).await,
                serde_json::json!([]),
                "{language} {path}"
            );
            assert_eq!(
                browser.run("return document.documentElement.lang").await,
                lang
            );
        };
        for path in ["/login", "/login?notice=phone_invalid", "/dev/outbox"] {
            sound(path).await;
        }
        let code = ask_for_a_code(&browser, &app, number).await;
        for path in [
            "/login?step=code",
            "/login?step=code&notice=code_incorrect&n=1",
            "/dev/outbox",
        ] {
            sound(path).await;
        }
        browser.open("/login?step=code").await;
        browser.type_into("#code", &code).await;
        browser.arrive_at("/home").await;
        sound("/home").await;
    }
}
