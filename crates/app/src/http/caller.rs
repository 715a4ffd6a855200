//! Who is calling: the address that limits count, behind whatever proxies vouch for it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

/// The networks whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Believes the proxies in these networks. None is the safe default.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address that `request` came from. `Forwarded` is never believed: proxies pass it on
    /// unread, so whoever calls can write it.
    pub(crate) fn caller(&self, request: &HttpRequest) -> IpAddr {
        // A socket without a peer shares one address, so that limits still count it.
        let peer = request
            .peer_addr()
            .map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
        self.resolve(peer, request.headers())
    }

    /// Walks the chain from the right, the end our own proxies wrote, to the first address that
    /// is not a trusted proxy. A caller controls only what stands left of that. A link that is
    /// not an address vouches for nobody, so the peer itself is counted.
    fn resolve(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let lines: Vec<_> = headers.get_all("x-forwarded-for").collect();
        let mut caller = peer;
        for line in lines.into_iter().rev() {
            for link in line.as_bytes().rsplit(|byte| *byte == b',') {
                match parse_link(link) {
                    None => return peer,
                    Some(address) if self.trusts(address) => caller = address,
                    Some(address) => return address,
                }
            }
        }
        caller
    }
}

/// An address as proxies write it: bare, in brackets, or either with a port.
fn parse_link(link: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(link).ok()?.trim_matches([' ', '\t']);
    let bracketed = || {
        text.strip_prefix('[')?
            .strip_suffix(']')?
            .parse()
            .ok()
            .map(IpAddr::V6)
    };
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let address = text.parse().ok().or_else(bracketed).or_else(with_port)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn resolve(peer: &str, chain: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "2001:db8:ffff::/48"].map(|net| net.parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.append(
            HeaderName::from_static("forwarded"),
            HeaderValue::from_static("for=192.0.2.66"),
        );
        for line in chain {
            let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            headers.append(HeaderName::from_static("x-forwarded-for"), value);
        }
        let peer = peer.parse().unwrap();
        TrustedProxies::new(trusted.to_vec())
            .resolve(peer, &headers)
            .to_string()
    }

    #[test]
    fn a_header_is_believed_only_from_a_trusted_peer() {
        assert_eq!(resolve("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(resolve("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            resolve("::ffff:10.0.0.1", &["198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(
            resolve("2001:db8:ffff::1", &["198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(resolve("::ffff:203.0.113.9", &[]), "203.0.113.9");
        assert_eq!(resolve("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn the_chain_is_walked_from_the_right_to_the_first_address_nobody_vouches_for() {
        let cases: [(&[&str], &str); 7] = [
            (&["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
            (
                &["6.6.6.6, 198.51.100.1, 10.0.0.2, 10.0.0.3"],
                "198.51.100.1",
            ),
            (&["6.6.6.6", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
            (
                &["6.6.6.6, 198.51.100.1", "10.0.0.2,10.0.0.3"],
                "198.51.100.1",
            ),
            (&["garbage, 198.51.100.1"], "198.51.100.1"),
            (&["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
            (&["10.0.0.9", "10.0.0.2"], "10.0.0.9"),
        ];
        for (chain, caller) in cases {
            assert_eq!(resolve("10.0.0.1", chain), caller, "{chain:?}");
        }
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_read() {
        let cases = [
            ("198.51.100.1:4711", "198.51.100.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
            ("[::ffff:198.51.100.1]:80", "198.51.100.1"),
            ("\t198.51.100.1 ", "198.51.100.1"),
            ("::ffff:10.0.0.7", "10.0.0.7"),
        ];
        for (link, caller) in cases {
            assert_eq!(resolve("10.0.0.1", &[link]), caller, "{link}");
        }
    }

    #[test]
    fn a_link_that_is_no_address_counts_as_the_peer() {
        let links = [
            "",
            ",",
            " , ",
            "unknown",
            "_hidden",
            "_gazonk:80",
            "198.51.100.1,",
            "198.51.100.256",
            "198.51.100.01",
            "198.51.100.1:port",
            "198.51.100.1:99999",
            "[198.51.100.1]",
            "2001:db8::1%eth0",
            "[2001:db8::1",
            "2001:db8::1]",
            "localhost",
            "for=198.51.100.1",
            "\"198.51.100.1\"",
            "198.51.100.1 198.51.100.2",
            "١٩٨.51.100.1",
            "0x0a.0.0.1",
        ];
        for link in links {
            assert_eq!(resolve("10.0.0.1", &[link]), "10.0.0.1", "{link:?}");
            let behind = format!("{link}, 10.0.0.2");
            assert_eq!(resolve("10.0.0.1", &[&behind]), "10.0.0.1", "{behind:?}");
        }
    }
}
