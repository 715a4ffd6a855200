//! Requests that are framed in another way than HTTP says.

use tests_support::app::Store;
use tests_support::http::Connection;
use tests_support::on_every_store;

use super::{PHONE, Target};

on_every_store!(
    a_request_of_two_lengths_is_refused,
    a_request_with_a_broken_head_is_refused,
    a_head_without_end_is_refused,
    what_follows_a_refused_request_is_not_another_one,
    a_body_that_nobody_reads_is_not_the_next_request,
    a_method_override_is_ignored,
);

fn body() -> String {
    format!("{{\"phone\":\"{PHONE}\"}}")
}

/// A request for a code with these headers, and what is sent as its body.
fn ask(headers: &str, body: &str) -> String {
    format!(
        "POST /v1/phone-codes HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{headers}\r\n{body}"
    )
}

async fn a_request_of_two_lengths_is_refused(store: Store) {
    let target = Target::start(store).await;
    let body = body();
    let length = body.len();
    let right = format!("content-length: {length}\r\n");
    let chunks = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    for (headers, body) in [
        (format!("{right}content-length: {}\r\n", length + 1), &body),
        (format!("content-length: 0\r\n{right}"), &body),
        (
            format!("content-length: {length}, {}\r\n", length + 1),
            &body,
        ),
        (format!("content-length: +{length}\r\n"), &body),
        (format!("content-length: -{length}\r\n"), &body),
        (format!("content-length: 0x{length:x}\r\n"), &body),
        (format!("content-length: {length}.0\r\n"), &body),
        ("content-length: 99999999999999999999999\r\n".into(), &body),
        (format!("{right}transfer-encoding: chunked\r\n"), &chunks),
        (format!("transfer-encoding: chunked\r\n{right}"), &chunks),
        ("transfer-encoding: chunked, identity\r\n".into(), &chunks),
        (
            "transfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n".into(),
            &chunks,
        ),
        ("transfer-encoding: xchunked\r\n".into(), &chunks),
        ("transfer-encoding: \x0bchunked\r\n".into(), &chunks),
        ("transfer-encoding: gzip, chunked\r\n".into(), &chunks),
    ] {
        target.refuses_bytes(ask(&headers, body)).await;
    }
    for chunks in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "2{}\r\n0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
    ] {
        let answer = target
            .refuses_bytes(ask("transfer-encoding: chunked\r\n", chunks))
            .await;
        assert_eq!(answer.status, 400);
    }
}

async fn a_request_with_a_broken_head_is_refused(store: Store) {
    let target = Target::start(store).await;
    let body = body();
    let length = format!("content-length: {}\r\n", body.len());
    for header in [
        "x-a: b\0c\r\n",
        "x-a: b\rc\r\n",
        "x-a : b\r\n",
        "x a: b\r\n",
        "x-a\r\n",
        ": b\r\n",
        "x-\u{e9}: b\r\n",
        "x-a: b\r\n folded\r\n",
    ] {
        target
            .refuses_bytes(ask(&format!("{header}{length}"), &body))
            .await;
    }
    for line in [
        "POST /v1/phone-codes HTTP/1.9",
        "POST /v1/phone-codes HTTP/3.0",
        "POST /v1/phone-codes http/1.1",
        "POST  HTTP/1.1",
        "POST /v1/phone codes HTTP/1.1",
        "POST /v1/\u{7}phone-codes HTTP/1.1",
        "P\u{e9}ST /v1/phone-codes HTTP/1.1",
        "POST /v1/phone-codes",
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03",
    ] {
        let request =
            format!("{line}\r\nhost: a\r\ncontent-type: application/json\r\n{length}\r\n{body}");
        target.refuses_bytes(request).await;
    }
}

async fn a_head_without_end_is_refused(store: Store) {
    let target = Target::start(store).await;
    let long = format!("x-a: {}\r\n", "b".repeat(200_000));
    let many = "x-a: b\r\n".repeat(5_000);
    let path = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(200_000));
    for request in [ask(&long, ""), ask(&many, ""), path] {
        target.refuses_bytes(request).await;
    }
}

async fn what_follows_a_refused_request_is_not_another_one(store: Store) {
    let target = Target::start(store).await;
    let body = body();
    let hidden = ask(&format!("content-length: {}\r\n", body.len()), &body);
    for headers in [
        "content-length: 0\r\ntransfer-encoding: chunked\r\n".to_owned(),
        format!("content-length: 0\r\ncontent-length: {}\r\n", hidden.len()),
        "transfer-encoding: identity, chunked, identity\r\n".to_owned(),
        "x-a : b\r\ncontent-length: 0\r\n".to_owned(),
    ] {
        let request = ask(&headers, &format!("0\r\n\r\n{hidden}"));
        let mut connection = Connection::open(target.app.address()).await.unwrap();
        connection.send(request.as_bytes()).await.unwrap();
        let answer = connection.answer().await.unwrap();
        assert!(
            (400..500).contains(&answer.status),
            "{headers}: {}",
            answer.status
        );
        assert!(connection.is_closed().await, "{headers}");
    }
    assert_eq!((target.stores.writes(), target.app.message_count()), (0, 0));
}

async fn a_body_that_nobody_reads_is_not_the_next_request(store: Store) {
    let target = Target::start(store).await;
    let body = body();
    let hidden = ask(&format!("content-length: {}\r\n", body.len()), &body);
    let length = hidden.len();
    for head in [
        "GET /v1/users/me HTTP/1.1\r\nhost: a",
        "GET /nowhere HTTP/1.1\r\nhost: a",
        "PUT /v1/phone-codes HTTP/1.1\r\nhost: a",
        "POST /v1/phone-codes HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain",
        "POST /v1/phone-codes HTTP/1.1\r\nhost: a\r\ncontent-encoding: gzip",
    ] {
        let mut connection = Connection::open(target.app.address()).await.unwrap();
        let request = format!("{head}\r\ncontent-length: {length}\r\n\r\n{hidden}");
        connection.send(request.as_bytes()).await.unwrap();
        let answer = connection.answer().await.unwrap();
        assert!(
            (400..500).contains(&answer.status),
            "{head}: {}",
            answer.status
        );
        // Either it closes, or the next answer is to the next request.
        let _ = connection
            .send(b"GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        if let Ok(next) = connection.answer().await {
            assert_eq!(next.status, 404, "{head}: {}", next.text());
        }
    }
    assert_eq!((target.stores.writes(), target.app.message_count()), (0, 0));
}

async fn a_method_override_is_ignored(store: Store) {
    let target = Target::start(store).await;
    let signed_in = target.app.sign_in(PHONE).await;
    for name in [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ] {
        let call = target
            .app
            .get("/v1/sessions/current")
            .bearer(&signed_in.access);
        call.header(name, "DELETE").await.ok(200);
    }
    let call = target.app.get("/v1/users/me").bearer(&signed_in.access);
    call.await.ok(200);
}
