//! What a phone's codes do, told again in the simplest way: lists of moments, no stores.

use std::collections::VecDeque;
use std::time::Duration;

use domain::auth::AuthError;
use domain::code::DeliveryStatus;
use domain::timestamp::Timestamp;

use crate::support::MINUTE;

pub const TRIES: u32 = 3;
pub const LIFETIME: Duration = MINUTE.saturating_mul(5);
pub const WAITS: [Duration; 2] = [MINUTE, MINUTE.saturating_mul(2)];
pub const SENDS: [(u32, Duration); 2] = [(1, MINUTE), (4, MINUTE.saturating_mul(20))];
pub const FAILURES: [(u32, Duration); 1] = [(5, MINUTE.saturating_mul(30))];

#[derive(Debug, PartialEq)]
pub enum Answer {
    Done,
    Gone,
    Incorrect(u32),
    Wait(Duration),
    Trouble,
}

impl<T> From<Result<T, AuthError>> for Answer {
    fn from(answer: Result<T, AuthError>) -> Self {
        match answer {
            Ok(_) => Self::Done,
            Err(AuthError::CodeGone) => Self::Gone,
            Err(AuthError::CodeIncorrect { remaining }) => Self::Incorrect(remaining.into()),
            Err(AuthError::RateLimited { retry_after, .. }) => Self::Wait(retry_after),
            Err(AuthError::Unavailable { .. }) => Self::Trouble,
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[derive(Debug, Clone)]
pub struct ModelCode {
    pub phone: usize,
    pub expires_at: Timestamp,
    pub guesses: u32,
    pub used: bool,
    sends: usize,
    status: DeliveryStatus,
    sent_at: Timestamp,
}

impl ModelCode {
    fn is_live(&self, now: Timestamp) -> bool {
        !self.used && now < self.expires_at && self.guesses < TRIES
    }

    pub fn status(&self, now: Timestamp) -> DeliveryStatus {
        let lost = now >= self.sent_at + MINUTE && self.status == DeliveryStatus::Queued;
        if lost {
            DeliveryStatus::Failed
        } else {
            self.status
        }
    }

    pub fn resend_at(&self, now: Timestamp) -> Timestamp {
        let wait = WAITS[(self.sends - 1).min(1)];
        let failed = self.status(now) == DeliveryStatus::Failed;
        self.sent_at + if failed { Duration::ZERO } else { wait }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Model {
    pub now: Timestamp,
    pub codes: Vec<ModelCode>,
    sends: [Vec<Timestamp>; 2],
    failures: [Vec<Timestamp>; 2],
    /// Code, which message of it, and when it was charged.
    queue: VecDeque<(usize, usize, Timestamp)>,
}

/// Until all windows have room for one more.
fn wait(
    windows: &[(u32, Duration)],
    past: &[Timestamp],
    more: usize,
    now: Timestamp,
) -> Option<Duration> {
    let wait = |&(count, period): &(u32, Duration)| {
        if more > count as usize {
            return Some(period);
        }
        let nth = (past.len() + more - 1).checked_sub(count as usize)?;
        let free = past[nth] + period;
        (free > now).then(|| free.since(now))
    };
    windows.iter().filter_map(wait).max()
}

impl Model {
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            ..Self::default()
        }
    }

    fn send(&mut self, code: usize) {
        let (now, sent) = (self.now, &mut self.codes[code]);
        sent.sends += 1;
        sent.status = DeliveryStatus::Queued;
        sent.sent_at = now;
        self.sends[sent.phone].push(now);
        self.queue.push_back((code, sent.sends, now));
    }

    pub fn ask(&mut self, phone: usize) -> Answer {
        if let Some(wait) = wait(&SENDS, &self.sends[phone], 1, self.now) {
            return Answer::Wait(wait);
        }
        self.codes.push(ModelCode {
            phone,
            expires_at: self.now + LIFETIME,
            guesses: 0,
            used: false,
            sends: 0,
            status: DeliveryStatus::Queued,
            sent_at: self.now,
        });
        self.send(self.codes.len() - 1);
        Answer::Done
    }

    pub fn resend(&mut self, code: usize) -> Answer {
        let (now, known) = (self.now, &self.codes[code]);
        if !known.is_live(now) {
            return Answer::Gone;
        }
        let resend_at = known.resend_at(now);
        if now < resend_at {
            return Answer::Wait(resend_at.since(now));
        }
        if let Some(wait) = wait(&SENDS, &self.sends[known.phone], 1, now) {
            return Answer::Wait(wait);
        }
        self.send(code);
        Answer::Done
    }

    pub fn deliver(&mut self, outcome: usize) {
        let Some((code, message, charged_at)) = self.queue.pop_front() else {
            return;
        };
        let known = &mut self.codes[code];
        let waited = self.now >= charged_at + Duration::from_secs(60);
        let expired = waited || self.now >= known.expires_at;
        if message == known.sends {
            let sent = !expired && outcome == 0;
            known.status = if sent {
                DeliveryStatus::Sent
            } else {
                DeliveryStatus::Failed
            };
        }
        let may_be_billed = outcome == 0 || outcome == 1;
        if expired || !may_be_billed {
            let past = &mut self.sends[known.phone];
            let charged = past.iter().position(|at| *at == charged_at).unwrap();
            past.remove(charged);
        }
    }

    /// A guess at these live codes of a phone, right for `right`.
    fn guess(&mut self, phone: usize, codes: &[usize], right: Option<usize>) -> Answer {
        if let Some(wait) = wait(&FAILURES, &self.failures[phone], codes.len(), self.now) {
            return Answer::Wait(wait);
        }
        for code in codes {
            self.codes[*code].guesses += 1;
        }
        if let Some(code) = right.filter(|code| codes.contains(code)) {
            self.codes[code].used = true;
            self.failures[phone].clear();
            return Answer::Done;
        }
        self.failures[phone].extend(codes.iter().map(|_| self.now));
        let left = codes.iter().map(|code| TRIES - self.codes[*code].guesses);
        Answer::Incorrect(left.max().unwrap())
    }

    pub fn guess_by_id(&mut self, code: usize, right: Option<usize>) -> Answer {
        if self.codes[code].is_live(self.now) {
            return self.guess(self.codes[code].phone, &[code], right);
        }
        self.codes[code].guesses += 1;
        Answer::Gone
    }

    pub fn guess_by_phone(&mut self, phone: usize, right: Option<usize>) -> Answer {
        let own = |code: &usize| self.codes[*code].phone == phone;
        let live = (0..self.codes.len()).filter(own);
        let live: Vec<_> = live.filter(|c| self.codes[*c].is_live(self.now)).collect();
        if live.is_empty() {
            return Answer::Gone;
        }
        self.guess(phone, &live, right)
    }
}
