//! A moment, as the whole product counts it.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970-01-01T00:00:00Z. Eight bytes, ordered, copied.
///
/// Additions and subtractions saturate: a moment never wraps around.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The moment `secs` seconds after the Unix epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Reads an RFC 3339 date and time, or `None` if it is not one or lies before 1970.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let millis = moment.unix_timestamp_nanos().div_euclid(1_000_000);
        u64::try_from(millis).ok().map(Self)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        let millis = u64::try_from(rhs.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        let millis = u64::try_from(rhs.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(millis))
    }
}

/// 9999-12-31T23:59:59Z: RFC 3339 has no later second.
const LAST_SECOND: i64 = 253_402_300_799;

/// RFC 3339 in UTC to the second: `2026-01-02T03:04:05Z`. A later moment than RFC 3339 has is shown
/// as its last.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = i64::try_from(self.as_secs()).unwrap_or(LAST_SECOND);
        let t =
            OffsetDateTime::from_unix_timestamp(secs.min(LAST_SECOND)).map_err(|_| fmt::Error)?;
        let (date, time) = (t.date(), t.time());
        // By hand, because every answer holds some of them and the formatter is ten times slower.
        let mut text = *b"0000-00-00T00:00:00Z";
        let mut put = |at: usize, number: u8| {
            text[at] = b'0' + number / 10;
            text[at + 1] = b'0' + number % 10;
        };
        let year = date.year().unsigned_abs();
        put(0, (year / 100 % 100) as u8);
        put(2, (year % 100) as u8);
        put(5, date.month().into());
        put(8, date.day());
        put(11, time.hour());
        put(14, time.minute());
        put(17, time.second());
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_utc_to_the_second() {
        let t = Timestamp::from_millis(1_767_323_045_678);
        assert_eq!(t.to_string(), "2026-01-02T03:04:05Z");
        assert_eq!(
            Timestamp::parse_rfc3339("2026-01-02T11:04:05.678+08:00"),
            Some(t)
        );
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let end = Timestamp::from_millis(u64::MAX);
        assert_eq!(end + Duration::from_secs(1), end);
        assert_eq!(
            Timestamp::default() - Duration::from_secs(1),
            Timestamp::default()
        );
        assert_eq!(
            Timestamp::from_secs(1).since(Timestamp::from_secs(2)),
            Duration::ZERO
        );
    }
}
