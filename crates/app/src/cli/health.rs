//! `phone-auth health`: is the service beside this process ready? Containers check health from
//! inside, where there is no curl.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::{Failure, Outcome};
use crate::config::Config;

/// Longer than the service takes to find that a store does not answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Prints what `/readyz` says; fails if that is not that the service is ready.
pub(super) fn run(config: &Config) -> Outcome {
    let address = from_inside(config.server.ops_bind);
    let answer = ask(address).map_err(|error| {
        Failure::Said(format!(
            "http://{address}/readyz does not answer ({error}): is the service running, with this \
             server.ops_bind?"
        ))
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) != Some("200") {
        return Err(Failure::Said(body.to_owned()));
    }
    Ok(writeln!(io::stdout(), "{body}")?)
}

/// Where a listener on every address is found from its own machine.
fn from_inside(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_asked_on_the_loopback() {
        for (bind, asked) in [
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "[::1]:9090"),
            ("10.0.0.1:9090", "10.0.0.1:9090"),
        ] {
            let asked: SocketAddr = asked.parse().unwrap();
            assert_eq!(from_inside(bind.parse().unwrap()), asked);
        }
    }
}
