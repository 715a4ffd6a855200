//! I9: whatever is down, an answer comes in time, and never says yes to what could not be checked.

use std::time::Duration;

use crate::history::{Call, History, Reply};

/// Two seconds, and the way there and back.
const IN_TIME: Duration = Duration::from_millis(2500);

/// Whoever takes longer for what needs no store has no excuse: so nobody may wait for a Redis that
/// stalls for five seconds.
const SLOWEST: Duration = Duration::from_millis(1200);

pub(super) fn check(history: &History, found: &mut Vec<String>) {
    for call in &history.calls {
        let Call { process, what, .. } = call;
        let took = call.end.saturating_sub(call.start);
        let in_time = IN_TIME + 2 * history.slowness(call).min(SLOWEST);
        match &call.reply {
            Reply::Odd(text) => found.push(format!("I9: {what:?} got {text}")),
            Reply::Unavailable { retry_after: false } => {
                found.push(format!("I9: {what:?} got a 503 without Retry-After"));
            }
            Reply::Nothing(error) if !is_excused(history, call) => {
                let at = call.start;
                found.push(format!(
                    "I9: process {process} did not answer {what:?} at {at:?}: {error}"
                ));
            }
            Reply::Nothing(_) => {}
            _ if took > in_time => found.push(format!("I9: {what:?} took {took:?}")),
            _ => {}
        }
        if is_answered_without_a_store(history, call) {
            let (at, reply) = (call.start, &call.reply);
            found.push(format!(
                "I9: {what:?} at {at:?} got {reply:?} without its store"
            ));
        }
    }
}

/// Nobody answers who is dead; who was told to end answers those who had called before.
fn is_excused(history: &History, call: &Call) -> bool {
    history.absences.iter().any(|absence| {
        let gone = absence.process == call.process
            && call.end >= absence.from
            && absence.to.is_none_or(|back| call.start <= back);
        gone && (!absence.graceful || call.start >= absence.from)
    })
}

/// A guess that is told wrong is an answer, too: without the store that counts them, there is no end
/// of guesses.
fn is_answered_without_a_store(history: &History, call: &Call) -> bool {
    history.outages.iter().any(|outage| {
        let is_told_wrong = outage.stops_guesses && call.is_refused("code_incorrect");
        let is_during = call.start > outage.from && call.end < outage.to;
        (call.is_accepted() || is_told_wrong) && (outage.stops)(&call.what) && is_during
    })
}
