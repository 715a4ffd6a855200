//! What happened, as told by those it happened to.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::Value;
use tests_support::http::Answer;

/// Time since the world began.
pub(crate) type Moment = Duration;

/// An id as answers show it: `pc_…`, `ses_…`, `usr_…`.
pub(crate) type Id = String;

/// What a call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A code, asked for under an idempotency key or without one.
    Ask { phone: String, key: Option<String> },
    /// The same digits again.
    Resend { code: Id },
    /// What became of a code.
    Status { code: Id },
    /// A guess at a code.
    Enter { code: Id, right: bool },
    /// Whether a session lives.
    Check { session: Id },
    /// The live sessions of a session's user.
    List { session: Id },
    /// New tokens for a refresh token.
    Refresh { session: Id, token: String },
    /// The end of a session.
    SignOut { session: Id },
    /// The end of all sessions of a session's user.
    SignOutEverywhere { session: Id },
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A code, and what became of its message.
    Code { id: Id, status: String },
    /// Tokens of a session.
    Tokens { session: Id, user: Id },
    /// The live sessions.
    Sessions(Vec<Id>),
    /// Yes, and no more than that.
    Done,
    /// A 4xx with its code.
    Refused { status: u16, code: String },
    /// A 503, with a `Retry-After` or without.
    Unavailable { retry_after: bool },
    /// An answer that no client should get.
    Odd(String),
    /// No answer: whatever was asked for has happened, or has not, or still will.
    Nothing(String),
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) process: usize,
    pub(crate) what: What,
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    pub(crate) reply: Reply,
}

/// A message that somebody found in an outbox.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Message {
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) sent_at: String,
}

/// A call that needs no store. On a machine that does much else it takes its time, too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pulse {
    pub(crate) start: Moment,
    pub(crate) end: Moment,
}

/// A process that could not be called.
#[derive(Debug, Clone)]
pub(crate) struct Absence {
    pub(crate) process: usize,
    pub(crate) from: Moment,
    /// `None` until it is back.
    pub(crate) to: Option<Moment>,
    /// Told to end, so that it owes an answer to whom it let in, and a message to whom it promised.
    pub(crate) graceful: bool,
}

/// A time in which a store did not answer, or not always.
#[derive(Debug, Clone)]
pub(crate) struct Outage {
    /// What needs it so much that none of it may have been accepted.
    pub(crate) stops: fn(&What) -> bool,
    /// Whether a guess that needs it may not have been judged, either.
    pub(crate) stops_guesses: bool,
    /// Whether what became of a message may not be on record.
    pub(crate) of_codes: bool,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
}

/// A time in which codes and limits may have been lost, as their store does not promise to keep them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss {
    pub(crate) from: Moment,
    pub(crate) to: Moment,
}

/// At most so many in so long.
pub(crate) type Limit = (usize, Duration);

/// What the configuration promises.
#[derive(Debug, Clone)]
pub(crate) struct Promises {
    pub(crate) tries: usize,
    pub(crate) lifetime: Duration,
    pub(crate) failures_per_phone: Limit,
    pub(crate) sends_per_phone: Vec<Limit>,
    pub(crate) sends_overall: Vec<Limit>,
}

/// A row of the table of sessions.
#[derive(Debug, Clone)]
pub(crate) struct SessionRow {
    pub(crate) id: Id,
    pub(crate) user: Id,
    pub(crate) code: Id,
    pub(crate) revoked: bool,
}

/// What the database holds at the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    /// The users, and the blind index of each one's phone.
    pub(crate) users: Vec<(Id, String)>,
    pub(crate) sessions: Vec<SessionRow>,
    /// How many messages are on record for each code, where codes are in the database.
    pub(crate) sends: Option<HashMap<Id, usize>>,
}

/// Everything there is to judge by.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) promises: Promises,
    pub(crate) calls: Vec<Call>,
    pub(crate) messages: Vec<Message>,
    pub(crate) pulses: Vec<Pulse>,
    pub(crate) absences: Vec<Absence>,
    pub(crate) outages: Vec<Outage>,
    pub(crate) losses: Vec<Loss>,
    /// The invariants that its stores do not promise when they lose something.
    pub(crate) given_up: &'static [&'static str],
    pub(crate) rows: Rows,
}

impl Reply {
    /// What an answer says.
    pub(crate) fn of(answer: &Answer) -> Self {
        let odd = || Self::Odd(format!("{} {}", answer.status, answer.text()));
        let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
            return if answer.status == 204 {
                Self::Done
            } else {
                odd()
            };
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match answer.status {
            200..=299 if body["access_token"].is_string() => Self::Tokens {
                session: text(&body["session"]["id"]),
                user: text(&body["user"]["id"]),
            },
            200..=299 if body["status"].is_string() => Self::Code {
                id: text(&body["id"]),
                status: text(&body["status"]),
            },
            200..=299 => match body["sessions"].as_array() {
                Some(all) => Self::Sessions(all.iter().map(|one| text(&one["id"])).collect()),
                None => Self::Done,
            },
            status @ 400..=499 if body["code"].is_string() => Self::Refused {
                status,
                code: text(&body["code"]),
            },
            503 => Self::Unavailable {
                retry_after: answer.header("retry-after").is_some(),
            },
            _ => odd(),
        }
    }
}

impl Call {
    /// Whether it was over when the other began.
    pub(crate) fn precedes(&self, other: &Self) -> bool {
        self.end < other.start
    }

    /// Whether it did what it was for.
    pub(crate) fn is_accepted(&self) -> bool {
        use Reply::{Code, Done, Sessions, Tokens};
        matches!(self.reply, Code { .. } | Tokens { .. } | Sessions(_) | Done)
    }

    /// Whether it signed somebody in.
    pub(crate) fn opens_a_session(&self) -> bool {
        matches!(
            (&self.what, &self.reply),
            (What::Enter { .. }, Reply::Tokens { .. })
        )
    }

    /// Whether it may have done, now or later, what it was for, and nobody knows.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(
            self.reply,
            Reply::Unavailable { .. } | Reply::Nothing(_) | Reply::Odd(_)
        )
    }

    /// Whether it was refused with that code.
    pub(crate) fn is_refused(&self, with: &str) -> bool {
        matches!(&self.reply, Reply::Refused { code, .. } if code == with)
    }

    /// The session that its caller is in.
    pub(crate) fn session(&self) -> Option<&Id> {
        match &self.what {
            What::Check { session }
            | What::List { session }
            | What::Refresh { session, .. }
            | What::SignOut { session }
            | What::SignOutEverywhere { session } => Some(session),
            _ => None,
        }
    }
}

impl History {
    /// How long an answer took, while that call was under way, that needs no store.
    pub(crate) fn slowness(&self, call: &Call) -> Duration {
        let meanwhile = |pulse: &&Pulse| pulse.start <= call.end && call.start <= pulse.end;
        let meanwhile = self.pulses.iter().filter(meanwhile);
        let took = meanwhile.map(|pulse| pulse.end.saturating_sub(pulse.start));
        took.max().unwrap_or_default()
    }

    /// Whether its stores do not promise that.
    pub(crate) fn gives_up(&self, invariant: &str) -> bool {
        self.given_up.contains(&invariant)
    }

    /// How much there was of what.
    pub(crate) fn summary(&self) -> String {
        let name = |value: String| {
            value
                .split([' ', '('])
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let mut counts = BTreeMap::<String, usize>::new();
        for call in &self.calls {
            let reply = match &call.reply {
                Reply::Refused { code, .. } => code.clone(),
                other => name(format!("{other:?}")),
            };
            let kind = format!("{} {reply}", name(format!("{:?}", call.what)));
            *counts.entry(kind).or_default() += 1;
        }
        let took = |call: &&Call| call.end.saturating_sub(call.start);
        let slowest = self.calls.iter().max_by_key(took);
        let counts = counts
            .iter()
            .map(|(kind, count)| format!("{count:>6} {kind}\n"));
        let (calls, messages) = (self.calls.len(), self.messages.len());
        let counts: String = counts.collect();
        format!("{calls} calls, {messages} messages, slowest: {slowest:?}\n{counts}")
    }
}

/// Numbers with a fixed code, to which no message goes.
pub(crate) fn test_number(n: usize) -> String {
    format!("+861380013{n:04}")
}

/// Whether a message goes to that number.
pub(crate) fn is_texted(phone: &str) -> bool {
    !phone.starts_with("+861380013")
}
