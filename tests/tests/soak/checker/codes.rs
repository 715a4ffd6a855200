//! I1, I2 and I4: a code signs in once, in time, and after few guesses.

use std::collections::HashMap;

use super::{Known, between_losses, exceeded, grouped, span};
use crate::history::{Call, History, Id, Loss, Reply, What};

pub(super) fn check(history: &History, known: &Known<'_>, found: &mut Vec<String>) {
    let guesses = history.calls.iter().filter_map(|call| match &call.what {
        What::Enter { code, .. } => Some((code, call)),
        _ => None,
    });
    let guesses = grouped(guesses);
    let lifetimes = expiries(history);
    for (code, calls) in &guesses {
        once(code, calls, found);
        in_time(code, calls, &lifetimes, history, found);
        few_guesses(code, calls, history, found);
        not_spent_by_trouble(code, calls, &lifetimes, history, found);
    }
    one_session_each(history, found);
    few_failures(&guesses, known, history, found);
}

fn is_judged_wrong(call: &Call) -> bool {
    call.is_refused("code_incorrect")
}

fn once(code: &Id, calls: &[&Call], found: &mut Vec<String>) {
    let entered = calls.iter().filter(|call| call.opens_a_session()).count();
    if entered > 1 {
        found.push(format!("I1: {code} signed in {entered} times"));
    }
}

fn one_session_each(history: &History, found: &mut Vec<String>) {
    let mut sessions = HashMap::new();
    for row in &history.rows.sessions {
        if let Some(other) = sessions.insert(&row.code, &row.id) {
            let (code, one) = (&row.code, &row.id);
            found.push(format!("I1: {code} has the sessions {one} and {other}"));
        }
    }
}

/// When each code was first known to be issued.
fn expiries(history: &History) -> HashMap<&Id, &Call> {
    let mut issued: HashMap<&Id, &Call> = HashMap::new();
    for call in &history.calls {
        if let (What::Ask { .. }, Reply::Code { id, .. }) = (&call.what, &call.reply) {
            let first = issued.entry(id).or_insert(call);
            if call.end < first.end {
                *first = call;
            }
        }
    }
    issued
}

fn in_time(
    code: &Id,
    calls: &[&Call],
    issued: &HashMap<&Id, &Call>,
    history: &History,
    found: &mut Vec<String>,
) {
    for call in calls.iter().filter(|call| call.opens_a_session()) {
        if matches!(call.what, What::Enter { right: false, .. }) {
            found.push(format!(
                "I4: {code} signed in with digits that are not its own"
            ));
        }
        let Some(ask) = issued.get(code) else {
            found.push(format!("I4: {code} signed in and was never issued"));
            continue;
        };
        if call.start > ask.end + history.promises.lifetime {
            let late = call.start - ask.end;
            found.push(format!("I4: {code} signed in {late:?} after it was issued"));
        }
    }
}

/// A code that was lost with its store counts anew, if it comes back at all; the phone's failures
/// do not.
fn few_guesses(code: &Id, calls: &[&Call], history: &History, found: &mut Vec<String>) {
    let judged = calls
        .iter()
        .filter(|call| is_judged_wrong(call) || call.opens_a_session());
    let judged: Vec<_> = judged.map(|call| span(call)).collect();
    let tries = history.promises.tries;
    for stretch in between_losses(&judged, &history.losses) {
        if stretch.len() > tries {
            let count = stretch.len();
            found.push(format!(
                "I2: {count} guesses of {code} were judged, of {tries}"
            ));
        }
    }
}

/// Trouble spends no code: one that lives, has tries left and opened no session is no reason to send
/// anybody away.
fn not_spent_by_trouble(
    code: &Id,
    calls: &[&Call],
    issued: &HashMap<&Id, &Call>,
    history: &History,
    found: &mut Vec<String>,
) {
    let has_session = history.rows.sessions.iter().any(|row| row.code == *code);
    let Some(ask) = issued.get(code).filter(|_| !has_session) else {
        return;
    };
    let refused = calls.iter().filter(|call| {
        let tries = calls.iter().filter(|other| other.start <= call.end).count();
        let lives = call.end < ask.start + history.promises.lifetime;
        // A session that is lost leaves no row to tell who used the code.
        let session_lost = history.gives_up("I8");
        let lost = |loss: &Loss| ask.start <= loss.to && (loss.from <= call.end || session_lost);
        let is_kept = !history.losses.iter().any(lost);
        call.is_refused("code_gone") && tries <= history.promises.tries && lives && is_kept
    });
    if let Some(call) = refused.min_by_key(|call| call.start) {
        let at = call.start;
        found.push(format!(
            "I9: {code} was gone at {at:?}, and nobody had used it"
        ));
    }
}

/// Only of phones that nobody tried to sign in with: a success clears the count.
fn few_failures(
    guesses: &HashMap<&Id, Vec<&Call>>,
    known: &Known<'_>,
    history: &History,
    found: &mut Vec<String>,
) {
    let all = guesses.iter().flat_map(|(code, calls)| {
        let phone = known.phone_of(code);
        calls.iter().map(move |call| (phone, *call))
    });
    for (phone, calls) in grouped(all) {
        let is_right = |call: &&Call| matches!(call.what, What::Enter { right: true, .. });
        if calls.iter().any(is_right) {
            continue;
        }
        let failures = calls.iter().filter(|call| is_judged_wrong(call));
        let failures: Vec<_> = failures.map(|call| span(call)).collect();
        if let Some(told) = exceeded(&failures, &[history.promises.failures_per_phone]) {
            found.push(format!("I2: wrong guesses for {phone}: {told}"));
        }
    }
}
