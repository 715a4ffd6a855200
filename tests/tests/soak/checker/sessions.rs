//! I5 and I8: a session ends for everybody at once, for good, and not by itself.

use std::collections::{HashMap, HashSet};

use super::{Known, LINGERING, grouped};
use crate::history::{Call, History, Id, Moment, Reply, What};

pub(super) fn check(history: &History, known: &Known<'_>, found: &mut Vec<String>) {
    let calls = history.calls.iter();
    let of_sessions = grouped(calls.filter_map(|call| Some((call.session()?, call))));
    let of_users = grouped(history.calls.iter().filter_map(|call| match &call.what {
        What::SignOutEverywhere { session } => Some((*known.users.get(session)?, call)),
        _ => None,
    }));
    let rows = history.rows.sessions.iter();
    let kept_as_live: HashSet<_> = rows.filter(|row| !row.revoked).map(|row| &row.id).collect();
    for (session, calls) in &of_sessions {
        let Some((_, opened)) = known.sessions.get(session) else {
            continue;
        };
        let everywhere = known.users.get(session).and_then(|user| of_users.get(user));
        let story = Story {
            session,
            opened,
            calls,
            everywhere: everywhere.map_or(&[], Vec::as_slice),
        };
        story.ends_for_good(found);
        story.does_not_end_by_itself(found);
        story.lists_itself(found);
        if story.over().is_some() && kept_as_live.contains(session) {
            found.push(format!("I8: {session} was over and is kept as live"));
        }
    }
    refreshes_once(history, found);
    lists_what_lives(history, known, &of_sessions, found);
}

/// All that was done with a session.
struct Story<'a> {
    session: &'a Id,
    opened: &'a Call,
    calls: &'a [&'a Call],
    /// The sign-outs of its user.
    everywhere: &'a [&'a Call],
}

impl Story<'_> {
    /// When it was first known to be over.
    fn over(&self) -> Option<Moment> {
        let ended = self.calls.iter().filter(|call| {
            let signed_out = matches!(call.what, What::SignOut { .. }) && call.is_accepted();
            // A token of ours that is refused was used before, and that ends its session.
            signed_out || call.is_refused("unauthenticated") || call.is_refused("refresh_rejected")
        });
        let everywhere = self.everywhere.iter();
        let everywhere = everywhere.filter(|call| call.is_accepted() && self.opened.precedes(call));
        ended.chain(everywhere).map(|call| call.end).min()
    }

    fn ends_for_good(&self, found: &mut Vec<String>) {
        let Some(over) = self.over() else {
            return;
        };
        let late = |call: &&&Call| call.is_accepted() && call.start > over;
        if let Some(call) = self.calls.iter().find(late) {
            let (session, after) = (self.session, call.start - over);
            found.push(format!(
                "I5: {session} was over, and {after:?} later process {} accepted {:?}",
                call.process, call.what
            ));
        }
    }

    /// Whether something that was asked for before this call may have ended the session.
    fn may_be_over(&self, at: &Call) -> bool {
        let tokens = self.calls.iter().filter_map(|call| match &call.what {
            What::Refresh { token, .. } if call.start <= at.end => Some((token, *call)),
            _ => None,
        });
        let twice = grouped(tokens).into_values().any(|uses| uses.len() > 1);
        let signed_out = self
            .calls
            .iter()
            .any(|call| matches!(call.what, What::SignOut { .. }) && call.start <= at.end);
        let everywhere = self.everywhere.iter().any(|call| {
            let lingering = if call.is_unknown() {
                LINGERING
            } else {
                Moment::ZERO
            };
            call.start <= at.end && self.opened.start <= call.end + lingering
        });
        twice || signed_out || everywhere
    }

    fn does_not_end_by_itself(&self, found: &mut Vec<String>) {
        let refused = self.calls.iter().find(|call| {
            let turned_away =
                call.is_refused("unauthenticated") || call.is_refused("refresh_rejected");
            turned_away && !self.may_be_over(call)
        });
        if let Some(call) = refused {
            let (session, at) = (self.session, call.start);
            found.push(format!(
                "I8: {session} lives, and process {} refused {:?} at {at:?}",
                call.process, call.what
            ));
        }
    }

    fn lists_itself(&self, found: &mut Vec<String>) {
        let missing = |call: &&&Call| match &call.reply {
            Reply::Sessions(listed) => !listed.contains(self.session) && !self.may_be_over(call),
            _ => false,
        };
        if self.calls.iter().any(|call| missing(&call)) {
            found.push(format!("I8: {} lives and is not listed", self.session));
        }
    }
}

fn refreshes_once(history: &History, found: &mut Vec<String>) {
    let won = history.calls.iter().filter_map(|call| match &call.what {
        What::Refresh { token, session } if call.is_accepted() => Some(((token, session), call)),
        _ => None,
    });
    for ((_, session), calls) in grouped(won) {
        if calls.len() > 1 {
            let times = calls.len();
            found.push(format!(
                "I5: one refresh token of {session} worked {times} times"
            ));
        }
    }
}

/// A list names nobody else's session, and none that was signed out before.
fn lists_what_lives(
    history: &History,
    known: &Known<'_>,
    of_sessions: &HashMap<&Id, Vec<&Call>>,
    found: &mut Vec<String>,
) {
    let signed_out = |calls: &[&Call]| {
        let ended = calls
            .iter()
            .filter(|call| matches!(call.what, What::SignOut { .. }) && call.is_accepted());
        ended.map(|call| call.end).min()
    };
    let over = of_sessions.iter();
    let over: HashMap<&Id, Moment> = over
        .filter_map(|(session, calls)| Some((*session, signed_out(calls)?)))
        .collect();
    for call in &history.calls {
        let (What::List { session }, Reply::Sessions(listed)) = (&call.what, &call.reply) else {
            continue;
        };
        for other in listed {
            if over.get(other).is_some_and(|ended| *ended < call.start) {
                found.push(format!("I5: {other} was signed out and is listed"));
            }
            let user = known.users.get(other);
            if user.is_some_and(|user| known.users.get(session) != Some(user)) {
                found.push(format!("I3: {session} lists {other}, of somebody else"));
            }
        }
    }
}
