//! I9: whatever is down, an answer comes in time, and never says yes to what could not be checked.

use std::time::Duration;

use crate::history::{Call, History, Reply};

/// Two seconds, and as much again on a machine that does much else.
const IN_TIME: Duration = Duration::from_secs(4);

pub(super) fn check(history: &History, found: &mut Vec<String>) {
    for call in &history.calls {
        let Call { process, what, .. } = call;
        let took = call.end.saturating_sub(call.start);
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
            _ if took > IN_TIME => found.push(format!("I9: {what:?} took {took:?}")),
            _ => {}
        }
        if call.is_accepted() && is_without_a_store(history, call) {
            let at = call.start;
            found.push(format!(
                "I9: {what:?} at {at:?} was accepted without its store"
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

fn is_without_a_store(history: &History, call: &Call) -> bool {
    history.outages.iter().any(|outage| {
        (outage.stops)(&call.what) && call.start > outage.from && call.end < outage.to
    })
}
