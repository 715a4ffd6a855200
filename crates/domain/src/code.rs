//! Codes: the secret digits, and the code that was issued for a phone.

use std::fmt;
use std::time::Duration;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::id::PhoneCodeId;
use crate::message::Locale;
use crate::timestamp::Timestamp;
use crate::vault::{KeyId, SealedPhone};

/// How many digits a code has: 6 to 10 (NIST SP 800-63B-4 §3.1.3.2: at least 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeLength(u8);

impl CodeLength {
    /// A length of 6 to 10 digits, or `None`.
    pub const fn new(digits: u8) -> Option<Self> {
        if digits >= 6 && digits <= 10 {
            Some(Self(digits))
        } else {
            None
        }
    }

    /// The number of digits.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// The secret digits. Hidden in debug output, zeroized on drop, compared in constant time.
#[derive(Clone, Zeroize)]
#[zeroize(drop)]
pub struct Code {
    digits: [u8; 10],
    length: u8,
}

impl Code {
    /// Reads exactly `length` ASCII digits, or `None`.
    pub fn parse(text: &str, length: CodeLength) -> Option<Self> {
        let bytes = text.as_bytes();
        let well_formed =
            bytes.len() == usize::from(length.get()) && bytes.iter().all(u8::is_ascii_digit);
        well_formed.then(|| {
            let mut digits = [0; 10];
            digits[..bytes.len()].copy_from_slice(bytes);
            Self {
                digits,
                length: length.get(),
            }
        })
    }

    /// The decimal digits of `number`, its low `length` ones, with leading zeros.
    pub(crate) fn from_number(number: u128, length: CodeLength) -> Self {
        let mut digits = [0; 10];
        let mut rest = number;
        for digit in digits[..usize::from(length.get())].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Self {
            digits,
            length: length.get(),
        }
    }

    /// The digits, for the message that carries them and for nothing else.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.digits[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        (self.digits.ct_eq(&other.digits) & self.length.ct_eq(&other.length)).into()
    }
}

impl Eq for Code {}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(hidden)")
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryStatus {
    /// Waiting for a worker, or with one.
    Queued,
    /// A gateway took it.
    Sent,
    /// A gateway says that it arrived.
    Delivered,
    /// Nobody took it, or it did not arrive.
    Failed,
}

impl DeliveryStatus {
    const ALL: [Self; 4] = [Self::Queued, Self::Sent, Self::Delivered, Self::Failed];

    /// The status of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// `queued`, `sent`, `delivered` or `failed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// The latest message of a code, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Which message of this code it is: 1 for the first, 2 for the first resend.
    pub send: u8,
    /// What became of it.
    pub status: DeliveryStatus,
    /// When it was queued.
    pub queued_at: Timestamp,
}

impl Delivery {
    /// How long a message may be under way before it counts as failed: the process that held it
    /// is gone. Longer than every gateway's deadline together.
    pub const DEADLINE: Duration = Duration::from_secs(60);

    /// The first message of a code.
    pub const fn first(now: Timestamp) -> Self {
        Self {
            send: 1,
            status: DeliveryStatus::Queued,
            queued_at: now,
        }
    }

    /// The message after this one, or `None` after 255.
    pub fn next(self, now: Timestamp) -> Option<Self> {
        let send = self.send.checked_add(1)?;
        Some(Self {
            send,
            status: DeliveryStatus::Queued,
            queued_at: now,
        })
    }

    /// The same message with another outcome.
    pub const fn with(self, status: DeliveryStatus) -> Self {
        Self { status, ..self }
    }

    /// Whether a store that holds `self` takes `newer` in its place: a later message always, and
    /// of the same message only a later stage. `queued` → `sent` → `delivered`, and `failed`
    /// after any but `delivered`.
    pub fn yields_to(&self, newer: &Self) -> bool {
        use DeliveryStatus::{Delivered, Failed, Queued, Sent};
        if newer.send != self.send {
            return newer.send > self.send;
        }
        match newer.status {
            Queued => false,
            Sent => self.status == Queued,
            Failed => matches!(self.status, Queued | Sent),
            Delivered => self.status != Delivered,
        }
    }

    /// The outcomes of the same message that yield to this one.
    pub fn supersedes(&self) -> impl Iterator<Item = DeliveryStatus> {
        let statuses = DeliveryStatus::ALL.into_iter();
        statuses.filter(|status| self.with(*status).yields_to(self))
    }

    /// The outcome as of `now`: what has been under way longer than [`Self::DEADLINE`] failed.
    pub fn status_at(&self, now: Timestamp) -> DeliveryStatus {
        let lost = self.status == DeliveryStatus::Queued && now >= self.queued_at + Self::DEADLINE;
        if lost {
            DeliveryStatus::Failed
        } else {
            self.status
        }
    }
}

/// A code that was issued for a phone. It holds no digits: [`Vault::digits`] derives them.
///
/// [`Vault::digits`]: crate::vault::Vault::digits
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneCode {
    /// Names it. The digits are valid under this id only.
    pub id: PhoneCodeId,
    /// The phone it was issued for.
    pub phone: SealedPhone,
    /// The generation of keys that gives its digits.
    pub key: KeyId,
    /// Random; goes into the digits with the id.
    pub salt: [u8; 16],
    /// How many digits it has.
    pub length: CodeLength,
    /// The language it was asked in.
    pub locale: Locale,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// From this moment on it is not accepted.
    pub expires_at: Timestamp,
    /// How many guesses are judged.
    pub tries: u8,
    /// How many guesses were counted so far.
    pub attempts: u8,
    /// Whether it has signed somebody in.
    pub consumed: bool,
    /// Its latest message.
    pub delivery: Delivery,
}

/// What the domain says of a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The right digits, in time.
    Correct,
    /// Wrong digits; so many tries are left.
    Incorrect {
        /// Tries left.
        remaining: u8,
    },
    /// Expired, used or exhausted: no guess is judged any more.
    Gone,
}

impl PhoneCode {
    /// Judges a guess whose attempt is already counted in `self.attempts`.
    pub fn judge(&self, guess: &Code, digits: &Code, now: Timestamp) -> Verdict {
        if self.is_over(now) {
            return Verdict::Gone;
        }
        if guess == digits {
            return Verdict::Correct;
        }
        Verdict::Incorrect {
            remaining: self.tries - self.attempts,
        }
    }

    /// Whether a guess whose attempt is already counted in `self.attempts` is not judged any more:
    /// the code is used, expired or exhausted.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.consumed || now >= self.expires_at || self.attempts > self.tries
    }

    /// Whether a guess made at `now` could still be judged.
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.consumed && now < self.expires_at && self.attempts < self.tries
    }

    /// Tries left.
    pub fn attempts_remaining(&self) -> u8 {
        self.tries.saturating_sub(self.attempts)
    }

    /// When the same digits may be sent again: at once if the last message failed, else after
    /// the wait that belongs to that message.
    pub fn resend_at(&self, waits: &ResendWaits, now: Timestamp) -> Timestamp {
        match self.delivery.status_at(now) {
            DeliveryStatus::Failed => self.delivery.queued_at,
            _ => self.delivery.queued_at + waits.after(self.delivery.send),
        }
    }
}

/// How long to wait before the first, second, … resend of a code; the last repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResendWaits(Vec<Duration>);

impl ResendWaits {
    /// At least one wait, or `None`.
    pub fn new(waits: Vec<Duration>) -> Option<Self> {
        (!waits.is_empty()).then_some(Self(waits))
    }

    /// The wait after the `send`th message, counted from 1.
    pub fn after(&self, send: u8) -> Duration {
        let step = usize::from(send.saturating_sub(1)).min(self.0.len() - 1);
        self.0[step]
    }
}
