//! What clients of PostgreSQL and Redis say, read off the wire.
//!
//! A call is one round trip: up to a `Sync` or a `Query` with PostgreSQL, one command with Redis.

use crate::Result;

/// Whose language it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Postgres,
    Redis,
}

/// One round trip.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Call {
    /// A statement, or the name of a command.
    pub(crate) text: String,
    pub(crate) arguments: Vec<Argument>,
}

/// A value of a call, as it went over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Argument {
    /// PostgreSQL's number of its type; 0 with Redis, and where the client did not say.
    pub(crate) kind: u32,
    /// `None` for NULL.
    pub(crate) value: Option<Vec<u8>>,
}

/// Reads what one connection sends.
pub(crate) struct Reader {
    protocol: Protocol,
    unread: Vec<u8>,
    /// Whether PostgreSQL's start-up message, which has no type, is over.
    started: bool,
    call: Call,
}

impl Reader {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            unread: Vec::new(),
            started: false,
            call: Call::default(),
        }
    }

    /// The calls that these bytes complete.
    ///
    /// # Errors
    /// They are not of the protocol.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<Vec<Call>> {
        self.unread.extend_from_slice(bytes);
        let unread = std::mem::take(&mut self.unread);
        let (mut calls, mut rest) = (Vec::new(), Bytes(&unread));
        loop {
            let before = rest;
            let next = match self.protocol {
                Protocol::Postgres => self.message(&mut rest),
                Protocol::Redis => command(&mut rest).map(Some),
            };
            match next {
                Ok(call) => calls.extend(call),
                Err(Stop::Incomplete) => {
                    self.unread = before.0.to_vec();
                    break Ok(calls);
                }
                Err(Stop::Foreign) => {
                    break Err(format!("not {:?}'s protocol", self.protocol).into());
                }
            }
        }
    }

    /// One message of PostgreSQL's protocol, and the call that it ends.
    fn message(&mut self, bytes: &mut Bytes<'_>) -> Read<Option<Call>> {
        const START: u32 = 196_608;
        let kind = if self.started { bytes.u8()? } else { 0 };
        let length = bytes.u32()?.checked_sub(4).ok_or(Stop::Foreign)?;
        let mut body = Bytes(bytes.take(length as usize)?);
        match kind {
            // Also a question for TLS, which comes before.
            0 => self.started = complete(body.u32())? == START,
            b'P' => {
                complete(body.text())?;
                self.call.text = complete(body.text())?;
                let kinds = (0..complete(body.u16())?).map(|_| {
                    let kind = complete(body.u32())?;
                    Ok(Argument { kind, value: None })
                });
                self.call.arguments = kinds.collect::<Read<_>>()?;
            }
            b'B' => complete(self.bind(&mut body))?,
            b'Q' => {
                self.call = Call {
                    text: complete(body.text())?,
                    arguments: Vec::new(),
                };
                return Ok(Some(std::mem::take(&mut self.call)));
            }
            b'S' => return Ok(Some(std::mem::take(&mut self.call))),
            _ => {}
        }
        Ok(None)
    }

    fn bind(&mut self, body: &mut Bytes<'_>) -> Read<()> {
        body.text()?;
        body.text()?;
        let formats = body.u16()?;
        body.take(2 * usize::from(formats))?;
        for i in 0..usize::from(body.u16()?) {
            let length = body.u32()?;
            let value = match length {
                u32::MAX => None,
                length => Some(body.take(length as usize)?.to_vec()),
            };
            match self.call.arguments.get_mut(i) {
                Some(argument) => argument.value = value,
                None => self.call.arguments.push(Argument { kind: 0, value }),
            }
        }
        Ok(())
    }
}

/// A command of Redis: `*3`, and of each word its length and itself, each in a line.
fn command(bytes: &mut Bytes<'_>) -> Read<Call> {
    let words = bytes.count(b'*')?;
    let mut words = (0..words).map(|_| {
        let length = bytes.count(b'$')?;
        let word = bytes.take(length)?;
        bytes.take(2)?;
        Ok(word.to_vec())
    });
    let name = words.next().ok_or(Stop::Foreign)??;
    let text = String::from_utf8(name).map_err(|_| Stop::Foreign)?;
    let argument = |word: Read<Vec<u8>>| {
        let value = Some(word?);
        Ok(Argument { kind: 0, value })
    };
    let arguments = words.map(argument).collect::<Read<_>>()?;
    Ok(Call { text, arguments })
}

/// Why there is no more to read.
#[derive(Debug)]
pub(crate) enum Stop {
    Incomplete,
    Foreign,
}

pub(crate) type Read<T> = std::result::Result<T, Stop>;

/// Of a message that is there as a whole: what it lacks, it will never have.
fn complete<T>(read: Read<T>) -> Read<T> {
    read.map_err(|_| Stop::Foreign)
}

/// What is left to read.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Stop::Incomplete)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Stop::Incomplete)
    }

    fn u8(&mut self) -> Read<u8> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Read<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Read<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Up to a zero byte.
    fn text(&mut self) -> Read<String> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let text = self.take(end.ok_or(Stop::Incomplete)?)?.to_vec();
        self.take(1)?;
        String::from_utf8(text).map_err(|_| Stop::Foreign)
    }

    /// A line with a number after a mark.
    fn count(&mut self, mark: u8) -> Read<usize> {
        let end = self.0.iter().position(|byte| *byte == b'\n');
        let line = self.take(end.ok_or(Stop::Incomplete)? + 1)?;
        let digits = line.strip_prefix(&[mark]).ok_or(Stop::Foreign)?;
        let digits = str::from_utf8(digits).map_err(|_| Stop::Foreign)?;
        digits.trim_end().parse().map_err(|_| Stop::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of PostgreSQL's protocol.
    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        let typed = (kind != 0).then_some(kind);
        typed
            .into_iter()
            .chain(length.to_be_bytes())
            .chain(body.iter().copied())
            .collect()
    }

    fn argument(kind: u32, value: Option<&[u8]>) -> Argument {
        Argument {
            kind,
            value: value.map(<[u8]>::to_vec),
        }
    }

    /// Whatever way the bytes are cut, the calls are the same.
    fn calls(protocol: Protocol, sent: &[u8]) -> Vec<Call> {
        let whole = Reader::new(protocol).read(sent).unwrap();
        for cut in 0..sent.len() {
            let mut reader = Reader::new(protocol);
            let mut parts = reader.read(&sent[..cut]).unwrap();
            parts.extend(reader.read(&sent[cut..]).unwrap());
            assert_eq!(parts, whole, "{cut}");
        }
        whole
    }

    #[test]
    fn a_statement_of_postgres_is_read_with_its_parameters() {
        let sent = [
            message(0, b"\x00\x03\x00\x00user\0me\0\0"),
            message(b'p', b"secret\0"),
            message(b'P', b"\0SELECT $1, $2\0\x00\x02\0\0\0\x11\0\0\0\x14"),
            message(
                b'B',
                b"\0\0\x00\x01\x00\x01\x00\x02\0\0\0\x02ab\xff\xff\xff\xff\0\0",
            ),
            message(b'E', b"\0\0\0\0\0"),
            message(b'S', b""),
            message(b'Q', b"BEGIN\0"),
        ];
        let select = Call {
            text: "SELECT $1, $2".into(),
            arguments: vec![argument(17, Some(b"ab")), argument(20, None)],
        };
        let begin = Call {
            text: "BEGIN".into(),
            arguments: Vec::new(),
        };
        assert_eq!(calls(Protocol::Postgres, &sent.concat()), [select, begin]);
    }

    #[test]
    fn a_command_of_redis_is_read_with_its_arguments() {
        let sent = b"*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n";
        let ping = Call {
            text: "PING".into(),
            arguments: Vec::new(),
        };
        let set = Call {
            text: "SET".into(),
            arguments: vec![argument(0, Some(b"k")), argument(0, Some(b"\r\n"))],
        };
        assert_eq!(calls(Protocol::Redis, sent), [ping, set]);
    }

    #[test]
    fn another_protocol_is_an_error() {
        assert!(
            Reader::new(Protocol::Redis)
                .read(b"GET / HTTP/1.1\r\n")
                .is_err()
        );
        let mut reader = Reader::new(Protocol::Postgres);
        assert!(reader.read(&[0, 0, 0, 3, 0]).is_err());
    }
}
