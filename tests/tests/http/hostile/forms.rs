//! Posts to the pages that no page of ours has sent, and addresses that lead away.

use tests_support::app::{Store, TestApp, digits_of};
use tests_support::http::{Answer, Request};
use tests_support::{on_every_store, until};

use super::{PHONE, Target};

on_every_store!(
    a_form_of_another_site_is_refused,
    a_form_of_another_form_is_refused,
    a_return_address_never_leads_away,
);

const HERE: &str = "http://localhost:8080";

fn form(app: &TestApp, path: &str, body: &str) -> Request {
    app.post(path)
        .body("application/x-www-form-urlencoded", body)
}

fn ours(app: &TestApp, path: &str, body: &str) -> Request {
    form(app, path, body).header("origin", HERE)
}

/// The cookies that an answer sets, as a browser gives them back.
fn cookies(answer: &Answer) -> String {
    let set = answer.header_values("set-cookie");
    let pairs = set.map(|cookie| cookie.split(';').next().unwrap_or_default());
    pairs.collect::<Vec<_>>().join("; ")
}

/// Signs in as a browser does, and gives the last answer: the one that leads on.
async fn sign_in_by_form(app: &TestApp, phone: &str, next: &str) -> Answer {
    let body = format!("phone={}&next={next}", phone.replace('+', "%2B"));
    let before = app.messages(phone).len();
    let asked = ours(app, "/login", &body).await;
    assert_eq!(asked.status, 303, "{}", asked.text());
    let text = until("the message", async || {
        let messages = app.messages(phone);
        (messages.len() > before).then(|| messages.last().cloned())?
    });
    let digits = digits_of(&text.await);
    let verify = ours(app, "/login/verify", &format!("code={digits}"));
    verify.header("cookie", &cookies(&asked)).await
}

async fn a_form_of_another_site_is_refused(store: Store) {
    let target = Target::start(store).await;
    let app = &target.app;
    let signed_in = sign_in_by_form(app, PHONE, "").await;
    let cookie = cookies(&signed_in);
    assert!(cookie.contains("session="), "{cookie}");
    let foreign: [&[(&str, &str)]; 9] = [
        &[],
        &[("origin", "null")],
        &[("origin", "https://evil.example")],
        &[("origin", "http://localhost:8080.evil.example")],
        &[("origin", "http://localhost")],
        &[("origin", "https://localhost:8080")],
        &[("origin", HERE), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("referer", "https://evil.example/http://localhost:8080/")],
    ];
    for headers in foreign {
        for (path, body) in [
            ("/login", "phone=15612340001"),
            ("/login/verify", "code=123456"),
            ("/login/resend", ""),
            ("/logout", ""),
            ("/logout/everywhere", ""),
            ("/sessions/ses_00/sign-out", ""),
        ] {
            let call = form(app, path, body).header("cookie", &cookie);
            let call = headers
                .iter()
                .fold(call, |call, (name, value)| call.header(name, value));
            let answer = target.refuses(call).await;
            assert_eq!(answer.status, 403, "{path} {headers:?}");
        }
    }
    let home = app.get("/home").header("cookie", &cookie).await;
    assert_eq!(home.status, 200, "still signed in");
}

async fn a_form_of_another_form_is_refused(store: Store) {
    let target = Target::start(store).await;
    for (media_type, body) in [
        ("application/json", "{\"phone\":\"15612340000\"}".to_owned()),
        ("text/plain", "phone=15612340000".to_owned()),
        ("multipart/form-data; boundary=x", "--x--".to_owned()),
        ("application/x-www-form-urlencoded", String::new()),
        ("application/x-www-form-urlencoded", "phone".to_owned()),
        (
            "application/x-www-form-urlencoded",
            "phone=%ff%fe".to_owned(),
        ),
        (
            "application/x-www-form-urlencoded",
            "phone=1&phone=2".to_owned(),
        ),
        (
            "application/x-www-form-urlencoded",
            format!("phone={}", "1".repeat(1 << 20)),
        ),
    ] {
        let call = target.app.post("/login").body(media_type, body.clone());
        let answer = call.header("origin", HERE).await;
        let refused = (400..500).contains(&answer.status);
        let turned_down = answer.status == 303
            && answer
                .header("location")
                .is_some_and(|to| to.contains("notice="));
        let shown: String = body.chars().take(40).collect();
        assert!(
            refused || turned_down,
            "{media_type} {shown}: {}",
            answer.status
        );
    }
    assert_eq!((target.stores.writes(), target.app.message_count()), (0, 0));
}

async fn a_return_address_never_leads_away(store: Store) {
    let target = Target::start(store).await;
    let app = &target.app;
    for next in [
        "//evil.example",
        "///evil.example",
        "/%5Cevil.example",
        "%5C/evil.example",
        "https://evil.example/",
        "https:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "/%09/evil.example",
        "/%0A/evil.example",
        "/%0D%0Aset-cookie:%20a=b",
        "%20//evil.example",
        "evil.example",
        "",
    ] {
        app.clock.advance_secs(1);
        let signed_in = sign_in_by_form(app, PHONE, next).await;
        assert_eq!(signed_in.status, 303, "{next}: {}", signed_in.text());
        assert_eq!(signed_in.header("location"), Some("/home"), "{next}");
        let page = app.get(&format!("/login?next={next}")).await;
        assert!(!page.text().contains("evil.example"), "{next}");
        let language = app.get(&format!("/language/en?next={next}")).await;
        assert_eq!(language.header("location"), Some("/"), "{next}");
    }
    let signed_in = sign_in_by_form(app, "+8615612340001", "/home%3Ftab=1").await;
    assert_eq!(signed_in.header("location"), Some("/home?tab=1"));
}
