//! How values of the domain lie in hashes, and what an error of the server means to the domain.

use std::str::FromStr;
use std::time::Duration;

use domain::ports::StoreError;
use domain::timestamp::Timestamp;
use redis::{ErrorKind, FromRedisValue, ParsingError, RedisError, Value};

/// How long a key stays when it is over: longer than a code lives (10 minutes at most, NIST SP
/// 800-63B-4 §3.1.3.2), and than clocks of processes are apart.
pub(crate) const GRACE: Duration = Duration::from_secs(15 * 60);

/// The scripts count in doubles, which are exact up to here: the year 287396.
const LAST: u64 = (1 << 53) - 1;

/// A moment as a field.
pub(crate) fn millis(at: Timestamp) -> u64 {
    at.as_millis().min(LAST)
}

/// A span as an argument.
pub(crate) fn millis_of(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).map_or(LAST, |millis| millis.min(LAST))
}

/// The fields of a hash by name; none, if there is no such key.
pub(crate) struct Row(Vec<(Vec<u8>, Vec<u8>)>);

impl FromRedisValue for Row {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        FromRedisValue::from_redis_value(value).map(Self)
    }
}

impl Row {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What `read` makes of the row, or `None` if there is no such key.
    pub(crate) fn read<T>(
        self,
        read: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        (!self.is_empty()).then(|| read(&self)).transpose()
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        let field = self.0.iter().find(|(field, _)| field == name.as_bytes());
        field.map(|(_, value)| value.as_slice())
    }

    pub(crate) fn bytes(&self, name: &str) -> Result<&[u8], StoreError> {
        sound(self.find(name), name)
    }

    pub(crate) fn array<const N: usize>(&self, name: &str) -> Result<[u8; N], StoreError> {
        sound(self.bytes(name)?.try_into().ok(), name)
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str, StoreError> {
        sound(str::from_utf8(self.bytes(name)?).ok(), name)
    }

    pub(crate) fn parse<T: FromStr>(&self, name: &str) -> Result<T, StoreError> {
        sound(self.text(name)?.parse().ok(), name)
    }

    pub(crate) fn moment(&self, name: &str) -> Result<Timestamp, StoreError> {
        self.parse(name).map(Timestamp::from_millis)
    }

    /// What `read` makes of a field that may be missing.
    pub(crate) fn maybe<'a, T>(
        &'a self,
        name: &str,
        read: impl FnOnce(&'a Self, &str) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.find(name).map(|_| read(self, name)).transpose()
    }
}

/// What was read, or an error that names the field this product would not have written so.
pub(crate) fn sound<T>(value: Option<T>, name: &str) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::corrupt(format!("the field {name} is missing or unreadable")))
}

/// What servers and their scripts say of a key that holds something else than expected. Servers
/// before 7.0 wrap it in words of their own, so the code in front of it does not tell.
const UNREADABLE: [&str; 4] = [
    "WRONGTYPE",
    "attempt to ",
    "bad argument ",
    "not an integer",
];

pub(crate) fn store_error(error: RedisError) -> StoreError {
    let text = error.to_string();
    let unreadable = UNREADABLE.iter().any(|words| text.contains(words));
    if unreadable || error.kind() == ErrorKind::UnexpectedReturnType {
        StoreError::corrupt(error)
    } else {
        StoreError::unavailable(error)
    }
}
