//! Judges a history: what may never happen, whatever broke meanwhile.
//!
//! Only what is sure is held against the service. A call happened somewhere between its start and
//! its end. One without an answer, or with a 503, may have happened or not, and may still happen.

mod answers;
mod codes;
mod people;
mod sends;
mod sessions;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use crate::history::{Call, History, Id, Limit, Loss, Moment, Reply, What};

/// What is wrong with a history, each beginning with the name of what it breaks.
pub(crate) fn complaints(history: &History) -> Vec<String> {
    let known = Known::of(history);
    let mut found = Vec::new();
    codes::check(history, &known, &mut found);
    people::check(history, &known, &mut found);
    sessions::check(history, &known, &mut found);
    sends::check(history, &known, &mut found);
    answers::check(history, &mut found);
    found.retain(|told| !told.get(..2).is_some_and(|name| history.gives_up(name)));
    found
}

/// How long what was asked for may go on after its caller was told 503, or nothing.
const LINGERING: Duration = Duration::from_secs(15);

/// Who is who.
struct Known<'a> {
    /// The phone of each code.
    phones: HashMap<&'a Id, &'a str>,
    /// The code of each session, and the sign-in that was answered with it.
    sessions: HashMap<&'a Id, (&'a Id, &'a Call)>,
    /// The user of each session.
    users: HashMap<&'a Id, &'a Id>,
}

impl<'a> Known<'a> {
    fn of(history: &'a History) -> Self {
        let mut known = Self {
            phones: HashMap::new(),
            sessions: HashMap::new(),
            users: HashMap::new(),
        };
        for call in &history.calls {
            match (&call.what, &call.reply) {
                (What::Ask { phone, .. }, Reply::Code { id, .. }) => {
                    known.phones.insert(id, phone);
                }
                (What::Enter { code, .. }, Reply::Tokens { session, user }) => {
                    known.sessions.insert(session, (code, call));
                    known.users.insert(session, user);
                }
                _ => {}
            }
        }
        known
    }

    fn phone_of(&self, code: &Id) -> &'a str {
        self.phones.get(code).copied().unwrap_or("an unknown phone")
    }
}

/// Calls by something they have in common.
fn grouped<'a, K: Eq + std::hash::Hash>(
    calls: impl IntoIterator<Item = (K, &'a Call)>,
) -> HashMap<K, Vec<&'a Call>> {
    let mut groups: HashMap<K, Vec<&Call>> = HashMap::new();
    for (key, call) in calls {
        groups.entry(key).or_default().push(call);
    }
    groups
}

/// When something happened: not before, and not after.
type Span = (Moment, Moment);

/// The spans between losses, each stretch by itself; those that a loss touches are nobody's.
fn between_losses(spans: &[Span], losses: &[Loss]) -> Vec<Vec<Span>> {
    let mut stretches = HashMap::<usize, Vec<Span>>::new();
    for span in spans {
        let over = losses.iter().filter(|loss| loss.to < span.0).count();
        let ahead = losses.iter().filter(|loss| span.1 < loss.from).count();
        if over + ahead == losses.len() {
            stretches.entry(over).or_default().push(*span);
        }
    }
    stretches.into_values().collect()
}

/// The most that surely happened within one window.
fn most_within(spans: &[Span], window: Duration) -> usize {
    let within = |start: Moment| {
        let inside = spans
            .iter()
            .filter(|(from, to)| *from >= start && *to < start + window);
        inside.count()
    };
    spans
        .iter()
        .map(|(from, _)| within(*from))
        .max()
        .unwrap_or(0)
}

fn exceeded(spans: &[Span], limits: &[Limit]) -> Option<String> {
    limits.iter().find_map(|(count, window)| {
        let most = most_within(spans, *window);
        (most > *count).then(|| format!("{most} in {window:?}, where {count} are allowed"))
    })
}

fn span(call: &Call) -> Span {
    (call.start, call.end)
}
