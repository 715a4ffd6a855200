//! Bodies of another form than the contract's.

use serde_json::json;
use tests_support::app::Store;
use tests_support::on_every_store;

use super::{PHONE, Target};

on_every_store!(
    a_body_of_another_form_is_refused_by_every_route,
    a_body_that_is_too_large_is_refused_unread,
    an_encoded_body_is_refused,
    an_echo_tells_no_secret,
);

/// A right body for each route that takes one.
fn right_bodies() -> [(&'static str, &'static str, String); 5] {
    let id = format!("pc_{}", "0".repeat(32));
    [
        (
            "/v1/phone-codes",
            "phone",
            json!({ "phone": PHONE }).to_string(),
        ),
        (
            "/v1/sessions",
            "code",
            json!({ "phone_code_id": id, "code": "123456" }).to_string(),
        ),
        (
            "/v1/sessions/refresh",
            "refresh_token",
            json!({ "refresh_token": "t" }).to_string(),
        ),
        (
            "/auth/phone_code/send",
            "phone",
            json!({ "phone": PHONE }).to_string(),
        ),
        (
            "/auth/phone_code",
            "code",
            json!({ "phone": PHONE, "code": "123456" }).to_string(),
        ),
    ]
}

/// What no field is.
const ODD_VALUES: [&str; 18] = [
    "null",
    "true",
    "1",
    "123456",
    "-0",
    "1e400",
    "NaN",
    "[]",
    "{}",
    "[\"123456\"]",
    "{\"$ne\":null}",
    "\"\\u0000\"",
    "\"123456\\u0000\"",
    "\"123456\\r\\n\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"123456\0\"",
    "\"123456\r\n\"",
];

/// The body with its members, and with one of them put in another way.
fn hostile(body: &str, field: &str) -> Vec<Vec<u8>> {
    let inside = &body[1..body.len() - 1];
    let others = inside
        .split(',')
        .filter(|member| !member.starts_with(&format!("\"{field}\"")))
        .collect::<Vec<_>>()
        .join(",");
    let with = |value: &str| {
        let comma = if others.is_empty() { "" } else { "," };
        format!("{{{others}{comma}\"{field}\":{value}}}").into_bytes()
    };
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(200), close.repeat(200));
    let mut bodies: Vec<Vec<u8>> = [
        String::new(),
        " ".into(),
        "null".into(),
        "1".into(),
        "\"text\"".into(),
        "[]".into(),
        format!("[{body}]"),
        format!("[{inside}]").replace("\":", "\","),
        "{}".into(),
        "{".into(),
        body[..body.len() - 1].to_owned(),
        format!("{body}{body}"),
        format!("{body},"),
        format!("{body}\0"),
        format!("\u{feff}{body}"),
        format!("/**/{body}"),
        body.replace('"', "'"),
        format!("{{{inside},}}"),
        format!("{{{inside},{inside}}}"),
        format!("{{{inside},\"extra\":1}}"),
        format!("{{{inside},\"\":1}}"),
        format!("{{{inside},\"__proto__\":{{}}}}"),
        deep("[", "]"),
        deep("{\"a\":", "}"),
    ]
    .map(String::into_bytes)
    .into();
    bodies.extend(ODD_VALUES.map(with));
    bodies.push(with(&deep("[", "]")));
    bodies.push([b"{\"".as_slice(), field.as_bytes(), b"\":\"\xff\xfe\"}"].concat());
    bodies.push([b"{\"".as_slice(), field.as_bytes(), b"\":\"\xed\xa0\x80\"}"].concat());
    bodies
}

async fn a_body_of_another_form_is_refused_by_every_route(store: Store) {
    let target = Target::start(store).await;
    for (path, field, body) in right_bodies() {
        for bytes in hostile(&body, field) {
            let call = target
                .app
                .post(path)
                .body("application/json", bytes.clone());
            if !path.starts_with("/auth") {
                let answer = target.refuses(call).await;
                answer.problem(400, "malformed_request");
                continue;
            }
            // The short contract answers 200 whatever happens.
            let writes = target.stores.writes();
            let envelope = call.await.ok(200);
            let expected = if path.ends_with("send") { 100 } else { 1 };
            let shown = String::from_utf8_lossy(&bytes);
            assert_eq!(envelope["code"], expected, "{path} {shown}");
            assert_eq!(target.stores.writes(), writes, "{path} {shown}");
        }
    }
    assert_eq!(target.app.message_count(), 0);
}

async fn a_body_that_is_too_large_is_refused_unread(store: Store) {
    let target = Target::start(store).await;
    for (path, field, _) in &right_bodies()[..3] {
        for length in [4096, 65_536, 1 << 20] {
            let body = json!({ *field: "1".repeat(length) });
            let answer = target.refuses(target.app.post(path).json(body)).await;
            answer.problem(413, "malformed_request");
        }
    }
    let head = "POST /v1/phone-codes HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let unsent = format!("{head}content-length: 1099511627776\r\n\r\n{{");
    target
        .refuses_bytes(&unsent)
        .await
        .problem(413, "malformed_request");
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(4096));
    let chunked = format!(
        "{head}transfer-encoding: chunked\r\n\r\n{}",
        chunk.repeat(300)
    );
    target
        .refuses_bytes(&chunked)
        .await
        .problem(413, "malformed_request");
}

async fn an_encoded_body_is_refused(store: Store) {
    let target = Target::start(store).await;
    for (path, _, body) in &right_bodies()[..3] {
        for encoding in [
            "gzip", "br", "deflate", "zstd", "identity", "gzip, br", "x", "",
        ] {
            let call = target.app.post(path).body("application/json", body.clone());
            let answer = target
                .refuses(call.header("content-encoding", encoding))
                .await;
            let problem = answer.problem(415, "malformed_request");
            assert_eq!(problem["field"], "content-encoding");
        }
    }
}

async fn an_echo_tells_no_secret(store: Store) {
    let target = Target::start(store).await;
    let canary = "15698765432";
    let bodies = [
        format!("{{\"phone\":\"{canary}\""),
        format!("{{\"phone\":{canary}}}"),
        format!("{{\"{canary}\":\"{PHONE}\"}}"),
        format!("{{\"phone\":\"{PHONE}\",\"{canary}\":1}}"),
        format!("{{\"phone\":\"{PHONE}\",\"locale\":{canary}}}"),
        canary.to_owned(),
    ];
    for body in bodies {
        for path in ["/v1/phone-codes", "/v1/sessions", "/v1/sessions/refresh"] {
            let call = target.app.post(path).body("application/json", body.clone());
            let answer = target.refuses(call).await;
            assert!(!answer.text().contains(canary), "{}", answer.text());
        }
    }
    let invalid = target
        .app
        .ask("+15698765432")
        .header("x-request-id", canary);
    let text = target.refuses(invalid).await.text();
    assert!(!text.contains(canary), "{text}");
}
