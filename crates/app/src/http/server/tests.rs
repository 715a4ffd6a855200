//! Hostile HTTP over real sockets.

mod slow;

use std::net::SocketAddr;

use actix_web::dev::ServerHandle;
use actix_web::{HttpResponse, web};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::http::body::JsonBody;
use crate::http::observe::resource;
use crate::http::problem::Problem;
use crate::system::SystemEntropy;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    word: String,
}

async fn echo(body: JsonBody<Word>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().body(body.0.word))
}

fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/echo").route(web::post().to(echo)))
        .service(resource("/ping").route(web::get().to(|| async { "pong" })))
        .service(resource("/down").route(
            web::get().to(|| async { HttpResponse::InternalServerError().body("secret detail") }),
        ));
}

fn start() -> (SocketAddr, ServerHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let settings = ServerSettings {
        workers: 1,
        max_connections: 64,
        shutdown_timeout: 1,
    };
    let server = serve(listener, settings, Arc::new(SystemEntropy), routes).unwrap();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    (address, handle)
}

/// Everything the server says to `bytes` until it closes.
async fn say(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_ref()).await.unwrap();
    hear(&mut stream).await
}

async fn hear(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end as good as any.
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer))
        .await
        .expect("the server has to close");
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or("none")
}

fn post(headers: &str, body: &str) -> String {
    format!(
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}\r\n{body}"
    )
}

#[actix_web::test]
async fn framing_that_two_servers_could_read_differently_is_refused() {
    let (address, _server) = start();
    let body = "{\"word\":\"hi\"}";
    let len = body.len();
    let chunked = format!("{len:x}\r\n{body}\r\n0\r\n\r\n");
    let ambiguous = [
        post(
            &format!("content-length: {len}\r\ncontent-length: {len}\r\n"),
            body,
        ),
        post(
            &format!("content-length: {len}\r\ncontent-length: 1\r\n"),
            body,
        ),
        post(&format!("content-length: {len}, {len}\r\n"), body),
        post(&format!("content-length: +{len}\r\n"), body),
        post(&format!("content-length : {len}\r\n"), body),
        post("content-length: -1\r\n", body),
        post("content-length: 99999999999999999999\r\n", body),
        post(
            &format!("content-length: {len}\r\ntransfer-encoding: chunked\r\n"),
            &chunked,
        ),
        post(
            &format!("transfer-encoding: chunked\r\ncontent-length: {len}\r\n"),
            &chunked,
        ),
        post(
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            &chunked,
        ),
        post("transfer-encoding: gzip, chunked\r\n", &chunked),
        post("transfer-encoding: xchunked\r\n", &chunked),
        post("transfer-encoding: identity\r\n", &chunked),
        post("x: a\r\n folded: b\r\n", ""),
        post("host: y\r\n", ""),
        post("x\0y: a\r\n", ""),
        "GET /ping HTTP/1.1\r\n\r\n".to_owned(),
        "GET  /ping HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET /ping HTTP/9.9\r\nhost: x\r\n\r\n".to_owned(),
        format!("POST /echo HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n{chunked}"),
    ];
    for request in ambiguous {
        let answer = say(address, &request).await;
        assert_eq!(status(&answer), "400", "{request:?}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{request:?}: {answer}"
        );
    }
}

#[actix_web::test]
async fn broken_chunks_are_refused() {
    let (address, _server) = start();
    let chunks = [
        "zz\r\n{}\r\n0\r\n\r\n",
        "5\r\n{\"wor",
        "ffffffffffffffffff\r\n",
        "2\r\n{}XX0\r\n\r\n",
    ];
    for chunks in chunks {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = post(
            "transfer-encoding: chunked\r\nconnection: close\r\n",
            chunks,
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = hear(&mut stream).await;
        assert!(
            ["400", "none"].contains(&status(&answer)),
            "{chunks:?}: {answer}"
        );
    }
}

#[actix_web::test]
async fn pipelined_requests_are_answered_in_order_and_an_unread_body_is_no_request() {
    let (address, _server) = start();
    let body = "{\"word\":\"first\"}";
    let first = post(&format!("content-length: {}\r\n", body.len()), body);
    let last = "GET /ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = say(address, format!("{first}{last}")).await;
    let (first_at, last_at) = (answer.find("first"), answer.find("pong"));
    assert!(first_at.is_some() && first_at < last_at, "{answer}");

    // The body of a request that is refused by its head holds something like a request.
    let smuggled = "GET /ping HTTP/1.1\r\nhost: x\r\n\r\n";
    let head = format!(
        "content-encoding: gzip\r\ncontent-length: {}\r\n",
        smuggled.len()
    );
    let answer = say(address, post(&head, smuggled) + last).await;
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
    assert!(answer.matches("pong").count() <= 1, "{answer}");
}

#[actix_web::test]
async fn a_head_without_end_is_refused() {
    let (address, _server) = start();
    let huge = format!(
        "GET /ping HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "x".repeat(140_000)
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close before it has read all of it.
    let _ = stream.write_all(huge.as_bytes()).await;
    let answer = hear(&mut stream).await;
    assert!(["431", "none"].contains(&status(&answer)), "{answer}");
    let many = format!(
        "GET /ping HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x: y\r\n".repeat(200)
    );
    assert_eq!(status(&say(address, many).await), "431");
}

#[actix_web::test]
async fn errors_of_the_framework_are_problems_too_and_tell_nothing() {
    let (address, _server) = start();
    let cases = [
        ("GET /nothing", "404", "not_found"),
        ("DELETE /echo", "405", "method_not_allowed"),
        ("BREW /echo", "405", "method_not_allowed"),
        ("GET /%ff", "404", "not_found"),
        ("GET //ping", "404", "not_found"),
        ("GET /down", "500", "unavailable"),
    ];
    for (line, expected, code) in cases {
        let answer = say(
            address,
            format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
        )
        .await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert!(
            answer.contains("content-type: application/problem+json"),
            "{answer}"
        );
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
        assert!(!answer.contains("secret"), "{answer}");
        let allow = answer.lines().find(|line| line.starts_with("allow:"));
        assert_eq!(
            allow,
            (expected == "405").then_some("allow: POST"),
            "{answer}"
        );
    }
}

#[actix_web::test]
async fn every_answer_carries_a_request_id_and_is_not_stored() {
    let (address, _server) = start();
    let ask = |id: &str| format!("GET /ping HTTP/1.1\r\nhost: x\r\n{id}connection: close\r\n\r\n");
    let id = |answer: &str| {
        let mut lines = answer
            .lines()
            .filter_map(|line| line.strip_prefix("x-request-id: "));
        lines.next().unwrap().to_owned()
    };
    let answer = say(address, ask("x-request-id: caller-1.A_b\r\n")).await;
    assert_eq!(id(&answer), "caller-1.A_b");
    assert!(
        answer.contains("cache-control: no-store") && answer.contains("nosniff"),
        "{answer}"
    );
    let first = id(&say(address, ask("x-request-id: not well formed\r\n")).await);
    let second = id(&say(address, ask("")).await);
    assert!(
        first != second && first.len() > 16 && !first.contains(' '),
        "{first} {second}"
    );
}

#[actix_web::test]
async fn a_server_that_is_told_to_stop_finishes_what_it_has_begun() {
    let (address, server) = start();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = "{\"word\":\"done\"}";
    let request = post(&format!("content-length: {}\r\n", body.len()), body);
    let (begun, rest) = request.split_at(request.len() - 1);
    stream.write_all(begun.as_bytes()).await.unwrap();
    // The server has it in hand once it answers others that came later.
    say(
        address,
        "GET /ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    let stopping = actix_web::rt::spawn(server.stop(true));
    stream.write_all(rest.as_bytes()).await.unwrap();
    let answer = hear(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"),
        "{answer}"
    );
    stopping.await.unwrap();
}
