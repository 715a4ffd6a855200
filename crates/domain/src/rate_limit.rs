//! Limits: how often something may happen in rolling windows.
//!
//! The arithmetic is here, once, as plain values; a store only keeps [`Counter`]s and applies
//! [`Counter::admit`] and [`Counter::record`] to several of them in one atomic step.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::timestamp::Timestamp;

/// A limit of at most this many is counted to the millisecond; a larger one in slots of a
/// sixtieth of its shortest window, so that a counter stays small.
const EXACT_UP_TO: u32 = 64;

/// How many slots the shortest window of a large limit has.
const SLOTS: u64 = 60;

/// The longest window of a large limit is at most so many times the shortest: it bounds a
/// counter to 6,000 slots.
const MAX_WINDOW_RATIO: u64 = 100;

/// What a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Scope {
    /// Messages to one phone.
    SendsPerPhone = 1,
    /// Messages asked for from one IPv4 address or IPv6 /64.
    SendsPerAddress = 2,
    /// Messages asked for from one IPv6 /48.
    SendsPerNetwork = 3,
    /// Messages to numbers that differ in their last four digits only.
    SendsPerPrefix = 4,
    /// Messages to one country.
    SendsPerCountry = 5,
    /// All messages.
    SendsOverall = 6,
    /// The money that all messages cost.
    SpendOverall = 7,
    /// Wrong codes for one phone, across codes.
    FailuresPerPhone = 8,
    /// Wrong codes from one IPv4 address or IPv6 /64.
    FailuresPerAddress = 9,
}

impl Scope {
    /// The name of its limit in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendsPerPhone => "sends_per_phone",
            Self::SendsPerAddress => "sends_per_address",
            Self::SendsPerNetwork => "sends_per_network",
            Self::SendsPerPrefix => "sends_per_prefix",
            Self::SendsPerCountry => "sends_per_country",
            Self::SendsOverall => "sends_overall",
            Self::SpendOverall => "spend_overall",
            Self::FailuresPerPhone => "failures_per_phone",
            Self::FailuresPerAddress => "failures_per_address",
        }
    }

    /// Whether it counts the caller's own address, so that the caller may be told of it.
    pub const fn is_callers_own(self) -> bool {
        matches!(
            self,
            Self::SendsPerAddress | Self::SendsPerNetwork | Self::FailuresPerAddress
        )
    }
}

/// What a counter is kept under: a keyed digest of scope and subject, meaningless by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey([u8; 16]);

impl CounterKey {
    /// The key as a store keeps it.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key as a store keeps it.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for CounterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CounterKey({})",
            data_encoding::HEXLOWER.encode(&self.0[..4])
        )
    }
}

/// At most `count` in any `period`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many.
    pub count: u32,
    /// In how long, rolling.
    pub period: Duration,
}

/// Why windows do not make a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A window with a count of zero or a period below a millisecond, or no window.
    #[error("a limit needs windows with a count and a period above zero")]
    Empty,
    /// A limit above 64 whose longest window is more than 100 times its shortest.
    #[error("the longest window is more than 100 times the shortest")]
    TooFarApart,
}

/// Windows that all have to admit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    windows: Box<[Window]>,
    slot_ms: u64,
    longest_ms: u64,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Limit {
    /// A limit of one or more windows.
    ///
    /// # Errors
    /// [`LimitError`].
    pub fn new(windows: Vec<Window>) -> Result<Self, LimitError> {
        let periods = || windows.iter().map(|w| millis(w.period));
        let (Some(shortest), Some(longest)) = (periods().min(), periods().max()) else {
            return Err(LimitError::Empty);
        };
        if shortest == 0 || windows.iter().any(|w| w.count == 0) {
            return Err(LimitError::Empty);
        }
        let exact = windows.iter().all(|w| w.count <= EXACT_UP_TO);
        if !exact && longest / shortest > MAX_WINDOW_RATIO {
            return Err(LimitError::TooFarApart);
        }
        let slot_ms = if exact { 1 } else { (shortest / SLOTS).max(1) };
        Ok(Self {
            windows: windows.into(),
            slot_ms,
            longest_ms: longest,
        })
    }

    /// The windows.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Length of a slot in milliseconds: hits of one slot are counted as one entry, at its end.
    pub const fn slot_ms(&self) -> u64 {
        self.slot_ms
    }

    /// Rounded up, so that a hit is counted for its whole window and at most a slot longer.
    pub fn slot_of(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(
            at.as_millis()
                .div_ceil(self.slot_ms)
                .saturating_mul(self.slot_ms),
        )
    }
}

/// Something that counts against a limit.
#[derive(Debug, Clone)]
pub struct Charge {
    /// What it counts, for the answer.
    pub scope: Scope,
    /// Where it is counted.
    pub key: CounterKey,
    /// What it must stay within.
    pub limit: Arc<Limit>,
    /// How much it counts: 1, or an amount of money in thousandths.
    pub cost: u32,
}

/// The answer to charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// All of them are counted.
    Granted,
    /// None of them is counted.
    Denied {
        /// The limit to wait for: of those that refused, the one with the longest wait.
        scope: Scope,
        /// How long until it would admit.
        retry_after: Duration,
    },
}

/// So many at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hit {
    at: Timestamp,
    count: u32,
}

/// What a store remembers of one counter: when it was hit, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counter {
    hits: Vec<Hit>,
}

impl Counter {
    /// Whether a charge fits at `now`; else how long until it would. Changes nothing.
    ///
    /// # Errors
    /// The time to wait, above zero.
    pub fn admit(&self, charge: &Charge, now: Timestamp) -> Result<(), Duration> {
        let wait = charge
            .limit
            .windows
            .iter()
            .filter_map(|window| self.wait_for(*window, charge.cost, now))
            .max();
        wait.map_or(Ok(()), Err)
    }

    fn wait_for(&self, window: Window, cost: u32, now: Timestamp) -> Option<Duration> {
        if cost > window.count {
            return Some(window.period);
        }
        let room = u64::from(window.count - cost);
        let mut counted = 0;
        // From the newest back: the first hit that does not fit has to leave the window.
        for hit in self.hits.iter().rev() {
            let leaves = hit.at + window.period;
            if leaves <= now {
                return None;
            }
            counted += u64::from(hit.count);
            if counted > room {
                return Some(leaves.since(now));
            }
        }
        None
    }

    /// Counts a charge and forgets what no window looks at any more.
    pub fn record(&mut self, charge: &Charge, now: Timestamp) {
        let limit = &charge.limit;
        let longest = Duration::from_millis(limit.longest_ms);
        self.hits.retain(|hit| hit.at + longest > now);
        let at = limit.slot_of(now);
        match self.hits.binary_search_by_key(&at, |hit| hit.at) {
            Ok(i) => self.hits[i].count = self.hits[i].count.saturating_add(charge.cost),
            Err(i) => {
                if self.hits.len() == self.hits.capacity() {
                    // Most counters have one hit: a pending code costs the bytes it needs.
                    self.hits.reserve_exact(self.hits.len().max(1));
                }
                self.hits.insert(
                    i,
                    Hit {
                        at,
                        count: charge.cost,
                    },
                );
            }
        }
    }

    /// Takes back a charge that was counted at `at`. What has left the counter stays gone.
    pub fn give_back(&mut self, charge: &Charge, at: Timestamp) {
        let at = charge.limit.slot_of(at);
        if let Ok(i) = self.hits.binary_search_by_key(&at, |hit| hit.at) {
            let left = self.hits[i].count.saturating_sub(charge.cost);
            self.hits[i].count = left;
            if left == 0 {
                self.hits.remove(i);
            }
        }
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// When a store may forget the counter of that limit.
    pub fn expires_at(&self, limit: &Limit) -> Timestamp {
        let last = self
            .hits
            .last()
            .map_or_else(Timestamp::default, |hit| hit.at);
        last + Duration::from_millis(limit.longest_ms)
    }

    /// The counter as a store keeps it: 12 bytes for each slot that was hit.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.hits.len() * 12);
        for hit in &self.hits {
            bytes.extend_from_slice(&hit.at.as_millis().to_be_bytes());
            bytes.extend_from_slice(&hit.count.to_be_bytes());
        }
        bytes
    }

    /// Reads what [`Counter::to_bytes`] wrote, or `None`.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<12>();
        let hits: Vec<Hit> = chunks
            .iter()
            .map(|chunk| {
                let (at, count) = chunk.split_first_chunk::<8>()?;
                let at = Timestamp::from_millis(u64::from_be_bytes(*at));
                let count = u32::from_be_bytes(count.try_into().ok()?);
                Some(Hit { at, count })
            })
            .collect::<Option<_>>()?;
        let ordered = hits.windows(2).all(|pair| pair[0].at < pair[1].at);
        (rest.is_empty() && ordered).then_some(Self { hits })
    }
}
