//! Requests that never quite arrive.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tests_support::app::Store;
use tests_support::http::Connection;
use tests_support::on_every_store;

use super::{PHONE, Target};

on_every_store!(a_request_that_drips_is_cut_off_and_leaves_nothing);

/// Five seconds for a body or a head, one to end, and what a busy machine adds.
const AT_MOST: Duration = Duration::from_secs(9);

/// Sends a start at once and the rest at a byte a second, and says how the server ended it.
async fn drip(target: &Target, start: String, rest: &str) -> Option<u16> {
    let mut connection = Connection::open(target.app.address()).await.unwrap();
    connection.send(start.as_bytes()).await.unwrap();
    let started = Instant::now();
    let answer = connection.answer_to_drops(rest.as_bytes()).await;
    let status = answer.ok().map(|answer| answer.status);
    assert!(
        started.elapsed() < AT_MOST,
        "{start}: {:?}",
        started.elapsed()
    );
    status
}

async fn a_request_that_drips_is_cut_off_and_leaves_nothing(store: Store) {
    let target = Target::start(store).await;
    let head = "POST /v1/phone-codes HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let body = format!("{{\"phone\":\"{PHONE}\"}}");
    let length = body.len();
    let (first, rest) = body.split_at(10);
    let spaces = " ".repeat(100);
    let slow = [
        (
            format!("{head}content-length: {length}\r\n\r\n{first}"),
            rest,
            Some(408),
        ),
        (
            format!("{head}content-length: {length}\r\n\r\n"),
            &spaces,
            Some(408),
        ),
        (
            format!("{head}transfer-encoding: chunked\r\n\r\nfff\r\n"),
            &spaces,
            Some(408),
        ),
        (head.to_owned(), "x-a: b\r\n", Some(408)),
        ("PO".to_owned(), "ST", Some(408)),
    ];
    let cut = slow.map(|(start, rest, status)| {
        let target = &target;
        async move { assert_eq!(drip(target, start.clone(), rest).await, status, "{start}") }
    });
    // A second request on a connection gets no more time than the first.
    let later = async {
        let first = target.app.get("/nowhere");
        let mut connection = Connection::open(target.app.address()).await.unwrap();
        connection
            .call(&first)
            .await
            .unwrap()
            .problem(404, "not_found");
        connection.send(head.as_bytes()).await.unwrap();
        let started = Instant::now();
        assert!(connection.is_closed().await);
        assert!(started.elapsed() < AT_MOST, "{:?}", started.elapsed());
    };
    tokio::join!(join_all(cut), later);
    assert_eq!((target.stores.writes(), target.app.message_count()), (0, 0));
    // Nobody was kept from signing in meanwhile, and nobody is now.
    target.app.sign_in(PHONE).await;
}
