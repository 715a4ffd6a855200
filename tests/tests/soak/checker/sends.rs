//! I6 and I7: every message comes to a known end, none goes out unrecorded, none beyond a limit.

use std::collections::HashMap;
use std::time::Duration;

use super::{Known, Span, between_losses, exceeded, grouped};
use crate::history::{Call, History, Id, Moment, Reply, What, is_texted};
use crate::parts::needs_codes;

/// From then on a message whose process is gone reads as failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long a message may be under way between its acceptance and the record of its end.
const UNDER_WAY: Duration = Duration::from_secs(3);

pub(super) fn check(history: &History, known: &Known<'_>, found: &mut Vec<String>) {
    let sends = accepted(history, known);
    come_to_an_end(history, &sends, found);
    are_all_asked_for(history, known, &sends, found);
    are_all_recorded(history, known, &sends, found);
    stay_within_limits(history, &sends, found);
}

/// A message that was promised.
struct Send<'a> {
    code: &'a Id,
    phone: &'a str,
    /// Of the calls that were told of it; under an idempotency key they may be several.
    span: Span,
    processes: Vec<usize>,
    key: Option<String>,
    calls: usize,
}

fn accepted<'a>(history: &'a History, known: &Known<'a>) -> Vec<Send<'a>> {
    let send = |code: &'a Id, calls: &[&Call]| Send {
        code,
        phone: known.phone_of(code),
        span: (
            calls
                .iter()
                .map(|call| call.start)
                .min()
                .unwrap_or_default(),
            calls.iter().map(|call| call.end).max().unwrap_or_default(),
        ),
        processes: calls.iter().map(|call| call.process).collect(),
        key: calls.iter().find_map(|call| match &call.what {
            What::Ask { key, .. } => key.clone(),
            _ => None,
        }),
        calls: calls.len(),
    };
    let asks = grouped(
        history
            .calls
            .iter()
            .filter_map(|call| match (&call.what, &call.reply) {
                (What::Ask { .. }, Reply::Code { id, .. }) => Some((id, call)),
                _ => None,
            }),
    );
    let mut sends: Vec<_> = asks.iter().map(|(code, calls)| send(code, calls)).collect();
    sends.extend(history.calls.iter().filter_map(|call| match &call.what {
        What::Resend { code } if call.is_accepted() => Some(send(code, &[call])),
        _ => None,
    }));
    sends
}

fn come_to_an_end(history: &History, sends: &[Send<'_>], found: &mut Vec<String>) {
    let mut last: HashMap<&Id, &Call> = HashMap::new();
    for call in &history.calls {
        if let What::Status { code } = &call.what {
            let newest = last.entry(code).or_insert(call);
            if call.start > newest.start {
                *newest = call;
            }
        }
    }
    for send in sends {
        let code = send.code;
        let Some(told) = last.get(code) else {
            found.push(format!("I6: nobody asked what became of {code}"));
            continue;
        };
        match &told.reply {
            Reply::Code { status, .. } if status == "queued" => {
                // It tells of the newest message of the code.
                let resent = resends(history, code).map(|call| call.end).max();
                let late =
                    told.start > resent.max(Some(send.span.1)).unwrap_or_default() + DEADLINE;
                let mut of_code = sends.iter().filter(|other| other.code == code);
                if late || !of_code.any(|send| may_be_stuck(history, send)) {
                    let after = told.start.saturating_sub(send.span.1);
                    found.push(format!("I6: {code} is still under way after {after:?}"));
                }
            }
            Reply::Code { .. } => {}
            _ if may_be_forgotten(history, send, told) => {}
            other => found.push(format!("I6: {code} came to no known end: {other:?}")),
        }
    }
}

fn resends<'a>(history: &'a History, of: &'a Id) -> impl Iterator<Item = &'a Call> {
    let is_it = move |call: &&Call| matches!(&call.what, What::Resend { code } if code == of);
    history.calls.iter().filter(is_it)
}

/// Whether its process died with it, or could not reach the codes to record its end, as others were
/// told there who needed codes, or a call of which nobody knows got no further than to keep the code,
/// or to count the message.
fn may_be_stuck(history: &History, send: &Send<'_>) -> bool {
    let earlier = history.calls.iter().filter(|call| call.is_unknown());
    let mut earlier = earlier.filter(|call| call.start <= send.span.1);
    let is_same = |call: &Call| matches!(&call.what, What::Ask { key, .. } if key.is_some() && *key == send.key);
    if earlier.any(is_same) || resends(history, send.code).any(Call::is_unknown) {
        return true;
    }
    let around = |from: Moment, to: Moment| send.span.0 <= to && send.span.1 + UNDER_WAY >= from;
    let died = history.absences.iter().filter(|absence| !absence.graceful);
    let mut died = died.filter(|absence| send.processes.contains(&absence.process));
    let mut outages = history.outages.iter().filter(|outage| outage.of_codes);
    let is_turned_away = |call: &&Call| {
        let is_unavailable = matches!(call.reply, Reply::Unavailable { .. });
        is_unavailable && needs_codes(&call.what) && send.processes.contains(&call.process)
    };
    let mut turned_away = history.calls.iter().filter(is_turned_away);
    died.any(|absence| around(absence.from, absence.from))
        || turned_away.any(|call| around(call.start, call.end))
        || outages.any(|outage| around(outage.from, outage.to))
}

fn may_be_forgotten(history: &History, send: &Send<'_>, told: &Call) -> bool {
    let lost = history.losses.iter().any(|loss| loss.to >= send.span.0);
    lost || told.start > send.span.0 + history.promises.lifetime
}

fn are_all_asked_for(
    history: &History,
    known: &Known<'_>,
    sends: &[Send<'_>],
    found: &mut Vec<String>,
) {
    let mut most: HashMap<&str, usize> = HashMap::new();
    for send in sends {
        // A code that was lost may be issued again under its key.
        let times = if history.losses.is_empty() {
            1
        } else {
            send.calls
        };
        *most.entry(send.phone).or_default() += times;
    }
    for call in history.calls.iter().filter(|call| call.is_unknown()) {
        let phone = match &call.what {
            What::Ask { phone, .. } => phone,
            What::Resend { code } => known.phone_of(code),
            _ => continue,
        };
        *most.entry(phone).or_default() += 1;
    }
    let mut arrived: HashMap<&str, usize> = HashMap::new();
    for message in &history.messages {
        *arrived.entry(&message.to).or_default() += 1;
    }
    for (phone, count) in arrived {
        let most = most.get(phone).copied().unwrap_or_default();
        if count > most {
            found.push(format!(
                "I6: {phone} got {count} messages, of {most} asked for"
            ));
        }
    }
}

fn are_all_recorded(
    history: &History,
    known: &Known<'_>,
    sends: &[Send<'_>],
    found: &mut Vec<String>,
) {
    let Some(rows) = &history.rows.sends else {
        return;
    };
    let end = history.calls.iter().map(|call| call.end).max();
    if end > Some(history.promises.lifetime) {
        // Codes that are over may be gone, and the records with them.
        return;
    }
    let mut promised: HashMap<&Id, usize> = HashMap::new();
    for send in sends {
        *promised.entry(send.code).or_default() += 1;
    }
    for (code, promised) in promised {
        let recorded = rows.get(code).copied().unwrap_or_default();
        if recorded < promised {
            found.push(format!(
                "I6: {promised} messages of {code}, {recorded} on record"
            ));
        }
    }
    let texted = rows
        .iter()
        .filter(|(code, _)| is_texted(known.phone_of(code)));
    let recorded: usize = texted.map(|(_, sends)| sends).sum();
    let arrived = history.messages.len();
    if arrived > recorded {
        found.push(format!(
            "I6: {arrived} messages arrived, {recorded} are on record"
        ));
    }
}

fn stay_within_limits(history: &History, sends: &[Send<'_>], found: &mut Vec<String>) {
    let texted: Vec<_> = sends.iter().filter(|send| is_texted(send.phone)).collect();
    let mut check = |whose: &str, spans: &[Span], limits| {
        for stretch in between_losses(spans, &history.losses) {
            if let Some(told) = exceeded(&stretch, limits) {
                found.push(format!("I7: messages to {whose}: {told}"));
            }
        }
    };
    let all: Vec<_> = texted.iter().map(|send| send.span).collect();
    check("anybody", &all, &history.promises.sends_overall);
    let mut of_phones: HashMap<&str, Vec<Span>> = HashMap::new();
    for send in texted {
        of_phones.entry(send.phone).or_default().push(send.span);
    }
    for (phone, spans) in of_phones {
        check(phone, &spans, &history.promises.sends_per_phone);
    }
}
