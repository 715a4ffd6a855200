//! What every route shares, and the routes that are not about anybody.

use serde_json::json;
use tests_support::app::{Setup, Store, TestApp};
use tests_support::http::Request;
use tests_support::on_every_store;

const PHONE: &str = "+8615612340000";

on_every_store!(
    a_wrong_method_is_told_the_right_ones,
    an_unknown_path_is_not_found,
    a_body_that_is_not_json_is_unsupported,
    a_body_over_4_kib_is_too_large,
    a_malformed_body_names_the_field,
    every_answer_carries_a_request_id,
    health_readiness_and_metrics_are_on_their_own_listener,
    the_documentation_is_served_and_can_be_switched_off,
);

async fn a_wrong_method_is_told_the_right_ones(store: Store) {
    let app = TestApp::start(store).await;
    for (path, allowed) in [
        ("/v1/phone-codes", &["POST"][..]),
        ("/v1/phone-codes/pc_1", &["GET"]),
        ("/v1/phone-codes/pc_1/resend", &["POST"]),
        ("/v1/sessions", &["GET", "POST", "DELETE"]),
        ("/v1/sessions/refresh", &["POST"]),
        ("/v1/sessions/current", &["GET", "DELETE"]),
        ("/v1/sessions/ses_1", &["DELETE"]),
        ("/v1/users/me", &["GET"]),
        ("/.well-known/jwks.json", &["GET"]),
        ("/auth/phone_code", &["GET", "POST"]),
        ("/auth/phone_code/send", &["POST"]),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
            let answer = Request::new(app.address(), method, path).await;
            if allowed.contains(&method) {
                assert_ne!(answer.status, 405, "{method} {path}");
                continue;
            }
            answer.problem(405, "method_not_allowed");
            let told = answer
                .header("allow")
                .unwrap_or_else(|| panic!("no Allow for {path}"));
            let mut told: Vec<_> = told.split(", ").collect();
            let mut expected = allowed.to_vec();
            told.sort_unstable();
            expected.sort_unstable();
            assert_eq!(told, expected, "{method} {path}");
        }
    }
}

async fn an_unknown_path_is_not_found(store: Store) {
    let app = TestApp::start(store).await;
    for path in [
        "/v1",
        "/v1/",
        "/v1/phone-codes/",
        "/v2/sessions",
        "/auth",
        "/healthz",
        "/metrics",
    ] {
        app.get(path).await.problem(404, "not_found");
    }
}

async fn a_body_that_is_not_json_is_unsupported(store: Store) {
    let app = TestApp::start(store).await;
    let body = json!({ "phone": PHONE }).to_string();
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "",
    ] {
        let answer = app
            .post("/v1/phone-codes")
            .body(media_type, body.clone())
            .await;
        let problem = answer.problem(415, "malformed_request");
        assert_eq!(problem["field"], "content-type");
    }
    let typed = app
        .post("/v1/phone-codes")
        .body("application/json; charset=utf-8", body);
    typed.await.ok(202);
}

async fn a_body_over_4_kib_is_too_large(store: Store) {
    let app = TestApp::start(store).await;
    let padded = |len: usize| {
        let body = json!({ "phone": PHONE }).to_string();
        format!("{body}{}", " ".repeat(len - body.len()))
    };
    let post = |len| {
        app.post("/v1/phone-codes")
            .body("application/json", padded(len))
    };
    post(4097).await.problem(413, "malformed_request");
    assert_eq!(app.message_count(), 0);
    post(4096).await.ok(202);
}

async fn a_malformed_body_names_the_field(store: Store) {
    let app = TestApp::start(store).await;
    for (path, body, field) in [
        ("/v1/phone-codes", json!({}), "phone"),
        (
            "/v1/phone-codes",
            json!({ "phone": 15_612_340_000_u64 }),
            "phone",
        ),
        (
            "/v1/phone-codes",
            json!({ "phone": PHONE, "locale": 1 }),
            "locale",
        ),
        (
            "/v1/phone-codes",
            json!({ "phone": PHONE, "phones": "" }),
            "phones",
        ),
        ("/v1/sessions", json!({ "code": "123456" }), "phone_code_id"),
        ("/v1/sessions", json!({ "phone_code_id": "pc_1" }), "code"),
        (
            "/v1/sessions",
            json!({ "phone_code_id": "pc_1", "code": "12345" }),
            "code",
        ),
        (
            "/v1/sessions",
            json!({ "phone_code_id": "pc_1", "code": 123_456 }),
            "code",
        ),
        ("/v1/sessions/refresh", json!({}), "refresh_token"),
        (
            "/v1/sessions/refresh",
            json!({ "refresh_token": null }),
            "refresh_token",
        ),
    ] {
        let problem = app
            .post(path)
            .json(body.clone())
            .await
            .problem(400, "malformed_request");
        assert_eq!(problem["field"], field, "{path} {body}");
    }
}

async fn every_answer_carries_a_request_id(store: Store) {
    let app = TestApp::start(store).await;
    let mut seen = Vec::new();
    for call in [
        app.ask(PHONE),
        app.ask(PHONE),
        app.get("/nowhere"),
        app.get("/v1/users/me"),
    ] {
        let answer = call.clone().await;
        seen.push(answer.header("x-request-id").unwrap().to_owned());
        let named = call.clone().header("x-request-id", "trace.7_A-b").await;
        assert_eq!(named.header("x-request-id"), Some("trace.7_A-b"));
        for bad in ["", "a b", "<script>", "é", &"x".repeat(129)] {
            let answer = call.clone().header("x-request-id", bad).await;
            let id = answer.header("x-request-id").unwrap();
            assert!(!id.is_empty() && id != bad, "{bad:?}");
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

async fn health_readiness_and_metrics_are_on_their_own_listener(store: Store) {
    let app = TestApp::start(store).await;
    let ops = |path| Request::new(app.ops(), "GET", path);
    assert_eq!(ops("/healthz").await.text(), "ok\n");
    let mut ready = ops("/readyz").await.ok(200);
    let stores = ready["stores"].take();
    let up = json!({
        "status": "ready", "codes": "up", "rate_limits": "up", "sessions": "up", "users": "up",
        "queue": "up", "stores": null, "lost": [],
    });
    assert_eq!(ready, up);
    let users_at = stores["users"].as_str().unwrap();
    assert!(users_at.starts_with(store.of_users()), "{users_at}");
    assert!(!users_at.contains('@'), "{users_at}");
    app.sign_in(PHONE).await;
    let metrics = ops("/metrics").await;
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    for line in [
        "phone_auth_sign_ins_total ",
        "phone_auth_messages_queued_total{country=\"CN\"} ",
        "phone_auth_http_requests_total{route=\"/v1/sessions\",method=\"POST\",status=\"201\"} ",
    ] {
        assert!(metrics.text().contains(line), "{line}\n{}", metrics.text());
    }
    ops("/v1/phone-codes").await.problem(404, "not_found");
    app.get("/readyz").await.problem(404, "not_found");
}

async fn the_documentation_is_served_and_can_be_switched_off(store: Store) {
    let app = TestApp::start(store).await;
    let openapi = app.get("/openapi.json").await.ok(200);
    assert!(openapi["paths"]["/v1/phone-codes"]["post"].is_object());
    let page = app.get("/docs").await;
    assert!((200..400).contains(&page.status), "{}", page.status);
    let app = Setup::on(store).set("server.docs", "false").start().await;
    for path in ["/openapi.json", "/docs"] {
        app.get(path).await.problem(404, "not_found");
    }
}
