//! A client that does as little as a client can, so that the cores are the server's.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Result;

/// A GET as it goes over the wire.
pub(crate) fn get(path: &str, headers: &str) -> Vec<u8> {
    bodiless("GET", path, headers)
}

/// A DELETE as it goes over the wire.
pub(crate) fn delete(path: &str, headers: &str) -> Vec<u8> {
    bodiless("DELETE", path, headers)
}

fn bodiless(method: &str, path: &str, headers: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").into_bytes()
}

/// A POST of JSON as it goes over the wire.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One kept-alive connection.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What a server answered.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(4096),
        })
    }

    /// Sends a whole request and reads the whole answer.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let (head, end) = loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err("the server closed a connection in the middle of an answer".into());
            }
            if let Some(frame) = frame(&self.received)? {
                break frame;
            }
        };
        Ok(Answer {
            status: status(&self.received)?,
            body: &self.received[head..end],
        })
    }

    /// Sends a request and expects success: the body of the answer.
    pub(crate) async fn expect(&mut self, request: &[u8]) -> Result<&[u8]> {
        let answer = self.send(request).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        let line = request.split(|b| *b == b'\r').next().unwrap_or_default();
        let (line, body) = (
            String::from_utf8_lossy(line),
            String::from_utf8_lossy(answer.body),
        );
        Err(format!("{line} answered {}: {body}", answer.status).into())
    }
}

/// Where the body starts and ends, once all of it is there.
fn frame(received: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(head) = received
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .map(|i| i + 4)
    else {
        return Ok(None);
    };
    let end = head + content_length(&received[..head])?;
    Ok((received.len() >= end).then_some((head, end)))
}

fn content_length(head: &[u8]) -> Result<usize> {
    // No Content: it has no length either (RFC 9110 §8.6).
    if status(head)? == 204 {
        return Ok(0);
    }
    let mut lines = head.split(|b| *b == b'\n');
    let value = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(15)?;
        name.eq_ignore_ascii_case(b"content-length:")
            .then_some(value)
    });
    let value = value.ok_or("an answer without a content-length")?;
    Ok(std::str::from_utf8(value)?.trim().parse()?)
}

fn status(head: &[u8]) -> Result<u16> {
    let digits = head.get(9..12).ok_or("an answer without a status")?;
    Ok(std::str::from_utf8(digits)?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nx: y\r\n\r\n{}";

    #[test]
    fn an_answer_is_complete_only_with_the_last_byte_of_its_body() {
        for end in 0..ANSWER.len() {
            assert_eq!(frame(&ANSWER[..end]).unwrap(), None, "{end}");
        }
        let (head, end) = frame(ANSWER).unwrap().unwrap();
        assert_eq!(
            (&ANSWER[head..end], status(ANSWER).unwrap()),
            (&b"{}"[..], 201)
        );
    }

    #[test]
    fn an_answer_of_unknown_length_is_an_error_and_not_a_hang() {
        assert!(frame(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
