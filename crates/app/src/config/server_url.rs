//! URLs of servers, whose credentials nobody is shown.

use std::fmt;
use std::net::IpAddr;

use super::entry::Secret;

/// `redis://USER:PASSWORD@HOST:6379`. Its debug output hides the credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(Secret);

impl ServerUrl {
    /// Reads a URL of one of these schemes with a host or a path after it. A password belongs
    /// before the @, where it can be hidden, with special characters percent-encoded: else it would
    /// end there, and what is left of it be taken for a host.
    pub(super) fn parse(text: &str, schemes: &[&str]) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let sound = schemes.contains(&scheme)
            && !rest[authority.len()..].contains(['@', '#'])
            && !rest.is_empty()
            && !text.contains("password=")
            && !text.contains(char::is_whitespace);
        sound.then(|| Self(Secret::new(text.to_owned())))
    }

    /// The whole URL, for the adapter.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The parts before and after the @.
    fn parts(&self) -> (&str, &str) {
        let rest = self.expose().split_once("://").map_or("", |(_, rest)| rest);
        rest.rsplit_once('@').unwrap_or(("", rest))
    }

    /// The server and what is asked for on it: `HOST:6379/0`.
    pub fn server(&self) -> &str {
        let (_, server) = self.parts();
        server.split('?').next().unwrap_or_default()
    }

    /// Whether a password stands in it.
    pub fn has_password(&self) -> bool {
        let (credentials, _) = self.parts();
        credentials
            .split_once(':')
            .is_some_and(|(_, password)| !password.is_empty())
    }

    /// Whether nobody in between can listen to Redis.
    pub fn is_over_tls(&self) -> bool {
        self.expose().starts_with("rediss:")
    }

    /// Whether the server is on this machine.
    pub fn is_loopback(&self) -> bool {
        let authority = self.parts().1.split(['/', '?']).next().unwrap_or_default();
        let host = match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        let address = host.parse::<IpAddr>();
        host.is_empty() || host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
    }
}

/// `redis://(hidden)@HOST:6379`
impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_credentials(self.expose()))
    }
}

/// A URL that somebody wrote, sound or not, as it may be shown.
pub(super) fn without_credentials(text: &str) -> String {
    let hidden = || "(hidden)".to_owned();
    let Some((scheme, rest)) = text.split_once("://") else {
        return hidden();
    };
    if rest.contains("password=") {
        return hidden();
    }
    match rest.rsplit_once('@') {
        Some((_, server)) => format!("{scheme}://(hidden)@{server}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ServerUrl {
        ServerUrl::parse(text, &["redis", "rediss"]).expect(text)
    }

    #[test]
    fn no_spelling_of_a_password_is_shown() {
        for text in [
            "redis://:hunter2@h:1/0",
            "redis://u:hunter2@h:1/0",
            "redis://hunter2@h:1/0",
            "redis://u:a@hunter2@h:1/0",
        ] {
            assert_eq!(without_credentials(text), "redis://(hidden)@h:1/0");
            assert_eq!(format!("{:?}", url(text)), "redis://(hidden)@h:1/0");
            assert_eq!(url(text).server(), "h:1/0");
        }
        for text in [
            "redis://u:a/hunter2@h:1/0",
            "redis://u:a?hunter2@h:1/0",
            "redis://u:a#hunter2@h:1/0",
            "redis://hunter2?a@h:1/0",
        ] {
            assert_eq!(without_credentials(text), "redis://(hidden)@h:1/0");
            assert_eq!(ServerUrl::parse(text, &["redis"]), None, "{text}");
        }
        for text in [
            "hunter2",
            "host=h password=hunter2",
            "redis://h/0?password=hunter2",
        ] {
            assert_eq!(without_credentials(text), "(hidden)", "{text}");
        }
        assert_eq!(
            without_credentials("redis://h:1/0?a=b"),
            "redis://h:1/0?a=b"
        );
    }

    #[test]
    fn a_server_on_this_machine_and_a_password_are_known_when_seen() {
        for text in [
            "redis://localhost",
            "redis://127.0.0.1:1/0",
            "redis://[::1]:1",
            "redis:///run/r",
        ] {
            assert!(
                url(text).is_loopback() && !url(text).has_password(),
                "{text}"
            );
        }
        for text in [
            "rediss://:p@redis:1/0",
            "redis://u:p@10.0.0.1",
            "redis://u:p@localhost.evil",
        ] {
            assert!(
                !url(text).is_loopback() && url(text).has_password(),
                "{text}"
            );
        }
        assert!(!url("redis://user@h").has_password());
        assert!(!url("redis://user:@h").has_password());
    }

    #[test]
    fn a_url_has_a_known_scheme_and_something_after_it() {
        for text in [
            "",
            "h:1",
            "redis://",
            "http://h",
            "redis:/h",
            "redis:// h",
            "redis://h?password=p",
            "redis://h:1/0#insecure",
            "redis://h:1/0?at=@localhost",
        ] {
            assert_eq!(ServerUrl::parse(text, &["redis"]), None, "{text}");
        }
    }
}
