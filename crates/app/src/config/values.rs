//! Readings of single values.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use actix_web::http::Uri;
use domain::rate_limit::Window;
use domain::timestamp::Timestamp;
use ipnet::IpNet;

/// An hour and a day, and the longest window of a limit.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
const LONGEST_WINDOW: Duration = Duration::from_secs(31 * 24 * 3600);

/// No other run of that many digits stands in a message than the code's, so that nothing else is
/// taken for it: the shortest code has six.
const SHORTEST_CODE: usize = 6;

/// Where browsers find the service: `https://login.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    url: String,
    host: String,
}

impl Origin {
    /// Reads an origin the way browsers write it: scheme, host, a port that is not the scheme's
    /// own, in lower case, and nothing after it.
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        let own_port = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let host = authority.host();
        let spelled = match authority.port_u16() {
            Some(port) if port == own_port => return None,
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        };
        (text == spelled.to_ascii_lowercase()).then(|| Self {
            url: text.to_owned(),
            host: host.to_owned(),
        })
    }

    /// `https://login.example.com`
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// `login.example.com`
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether browsers reach it over TLS.
    pub fn is_https(&self) -> bool {
        self.url.starts_with("https:")
    }
}

/// Whether a text could be mistaken for a code.
pub(super) fn looks_like_a_code(text: &str) -> bool {
    text.split(|c: char| !c.is_numeric())
        .any(|run| run.chars().count() >= SHORTEST_CODE)
}

/// A range of addresses, or one address; not everybody's.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse::<IpNet>()
        .ok()
        .or_else(single)
        .filter(|net| net.prefix_len() > 0)
}

/// The windows of a limit: `5/1h, 10/24h`. Counts are multiplied by `unit`; in thousandths they
/// may have decimals.
pub(super) fn windows(text: &str, unit: u32) -> Option<Vec<Window>> {
    text.split(',')
        .map(|window| {
            let (count, period) = window.trim().split_once('/')?;
            let count = match unit {
                1 => count.trim().parse().ok()?,
                _ => thousandths(count.trim())?,
            };
            let period = humantime::parse_duration(period.trim()).ok()?;
            let sane = count > 0 && (SECOND..=LONGEST_WINDOW).contains(&period);
            sane.then_some(Window { count, period })
        })
        .collect()
}

/// An amount of money, rounded up to thousandths: what is spent is never counted too low.
pub(super) fn thousandths(text: &str) -> Option<u32> {
    let amount: f64 = text.parse().ok()?;
    let sane: RangeInclusive<f64> = 0.0..=1_000_000.0;
    // To millionths first: 0.057 is 57 thousandths, though its binary fraction is a bit more.
    sane.contains(&amount)
        .then(|| ((amount * 1e6).round() as u64).div_ceil(1000) as u32)
}

/// A day, from its start in UTC, or a moment.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let start_of_day = || Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z"));
    Timestamp::parse_rfc3339(text).or_else(start_of_day)
}

/// `"a", "b" or "c"`
pub(super) fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.map(|word| format!("{word:?}")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// A duration such as `90s`, `5m` or `1h 30m`, within bounds.
pub(super) fn duration(text: &str, bounds: &RangeInclusive<Duration>) -> Option<Duration> {
    humantime::parse_duration(text)
        .ok()
        .filter(|duration| bounds.contains(duration))
}

/// `from 1s to 30d`
pub(super) fn within(bounds: &RangeInclusive<Duration>) -> String {
    let show = |bound: &Duration| {
        humantime::format_duration(*bound)
            .to_string()
            .replace("days", "d")
    };
    format!("from {} to {}", show(bounds.start()), show(bounds.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_spelled_as_browsers_spell_it() {
        for (text, host) in [
            ("https://login.example.com", "login.example.com"),
            ("http://localhost:8080", "localhost"),
            ("http://[::1]:8080", "[::1]"),
        ] {
            assert_eq!(Origin::parse(text).expect(text).host(), host);
        }
        for text in [
            "",
            "login.example.com",
            "ftp://login.example.com",
            "https://Login.example.com",
            "https://login.example.com/",
            "https://login.example.com/path",
            "https://login.example.com?query",
            "https://login.example.com:443",
            "http://login.example.com:80",
            "https://login.example.com:",
            "https://login.example.com:08443",
            "https://login.example.com:99999",
            "https://user@login.example.com",
            "https://",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }

    #[test]
    fn money_is_rounded_up_to_thousandths() {
        for (text, amount) in [
            ("0.045", 45),
            ("0.057", 57),
            ("0.0571", 58),
            ("50", 50_000),
            ("0", 0),
        ] {
            assert_eq!(thousandths(text), Some(amount), "{text}");
        }
        for text in ["", "-1", "NaN", "inf", "1000001", "1,5"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
