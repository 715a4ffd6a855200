//! Peers that take their time.

use tokio::time::{Instant, interval, sleep};

use super::*;

#[actix_web::test]
async fn a_body_at_a_byte_a_second_is_given_up_after_five_seconds() {
    let (address, _server) = start();
    let sized = drip_body(address, "content-length: 100\r\n", b" ");
    let chunked = drip_body(address, "transfer-encoding: chunked\r\n", b"1\r\n \r\n");
    let ((sized, sized_took), (chunked, chunked_took)) = tokio::join!(sized, chunked);
    for answer in [sized, chunked] {
        assert_eq!(status(&answer), "408", "{answer}");
        assert!(answer.contains("malformed_request"), "{answer}");
    }
    let seconds = Duration::from_secs;
    assert!(
        sized_took > seconds(4) && sized_took < seconds(8),
        "{sized_took:?}"
    );
    // The rest of a chunked body may be the next request, and has a deadline as such.
    assert!(
        chunked_took > seconds(4) && chunked_took < seconds(13),
        "{chunked_took:?}"
    );
}

async fn drip_body(address: SocketAddr, framing: &str, drop: &[u8]) -> (String, Duration) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(post(framing, "").as_bytes())
        .await
        .unwrap();
    drip(&mut stream, b"", drop, Duration::from_secs(1)).await
}

#[actix_web::test]
async fn slow_headers_are_given_up_on_the_first_request_and_on_a_later_one() {
    let (address, _server) = start();
    let first = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        drip(
            &mut stream,
            b"GET /ping HTTP/1.1\r\nx: ",
            b"x",
            Duration::from_millis(100),
        )
        .await
    };
    let later = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        drip(
            &mut stream,
            b"GET /ping HTTP/1.1\r\nx: ",
            b"x",
            Duration::from_millis(100),
        )
        .await
    };
    let ((first, first_took), (later, later_took)) = tokio::join!(first, later);
    assert_eq!(status(&first), "408");
    assert!(later.contains("pong"), "{later}");
    for took in [first_took, later_took] {
        assert!(
            took > Duration::from_secs(4) && took < Duration::from_secs(8),
            "{took:?}"
        );
    }
}

#[actix_web::test]
async fn head_and_body_have_a_deadline_each_on_a_later_request_too() {
    let (address, _server) = start();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = "{\"word\":\"patience\"}";
    let head = format!("content-length: {}\r\nconnection: close\r\n", body.len());
    let later = post(&head, body);
    let (head, body) = later.split_at(later.len() - body.len());
    let (begun, rest) = head.split_at(20);
    let first = format!("GET /ping HTTP/1.1\r\nhost: x\r\n\r\n{begun}");
    stream.write_all(first.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(2500)).await;
    stream.write_all(rest.as_bytes()).await.unwrap();
    sleep(Duration::from_secs(4)).await;
    stream.write_all(body.as_bytes()).await.unwrap();
    let answer = hear(&mut stream).await;
    assert!(answer.ends_with("patience"), "{answer}");
}

/// Sends `drop` again and again until the server closes: what it said, and after how long.
async fn drip(
    stream: &mut TcpStream,
    start: &[u8],
    drop: &[u8],
    every: Duration,
) -> (String, Duration) {
    let started = Instant::now();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let dripping = async {
        let _ = writer.write_all(start).await;
        let mut drops = interval(every);
        while writer.write_all(drop).await.is_ok() {
            drops.tick().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = dripping => {},
        _ = reader.read_to_end(&mut answer) => {},
    }
    (String::from_utf8(answer).unwrap(), started.elapsed())
}
