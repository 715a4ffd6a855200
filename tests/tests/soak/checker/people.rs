//! I3 and I8: one user for a phone, and what was acknowledged stays.

use std::collections::{HashMap, HashSet};

use super::Known;
use crate::history::{History, Reply, What};

pub(super) fn check(history: &History, known: &Known<'_>, found: &mut Vec<String>) {
    one_user_each(history, known, found);
    one_row_each(history, found);
    all_are_kept(history, known, found);
}

fn one_user_each(history: &History, known: &Known<'_>, found: &mut Vec<String>) {
    let mut users = HashMap::new();
    for call in &history.calls {
        let Reply::Tokens { user, .. } = &call.reply else {
            continue;
        };
        let code = match &call.what {
            What::Enter { code, .. } => Some(code),
            What::Refresh { session, .. } => known.sessions.get(session).map(|(code, _)| *code),
            _ => None,
        };
        let Some(code) = code else {
            continue;
        };
        let phone = known.phone_of(code);
        let first = *users.entry(phone).or_insert(user);
        if first != user {
            found.push(format!("I3: {phone} is both {first} and {user}"));
        }
    }
}

fn one_row_each(history: &History, found: &mut Vec<String>) {
    let mut phones = HashMap::new();
    for (user, phone) in &history.rows.users {
        if let Some(other) = phones.insert(phone, user) {
            found.push(format!("I3: {user} and {other} have the same phone"));
        }
    }
}

fn all_are_kept(history: &History, known: &Known<'_>, found: &mut Vec<String>) {
    let users: HashSet<_> = history.rows.users.iter().map(|(id, _)| id).collect();
    let sessions = history.rows.sessions.iter();
    let sessions: HashMap<_, _> = sessions.map(|row| (&row.id, row)).collect();
    for (session, user) in &known.users {
        if !users.contains(user) {
            found.push(format!("I8: {user} was signed in and is not kept"));
        }
        match sessions.get(session) {
            None => found.push(format!("I8: {session} was opened and is not kept")),
            Some(row) if row.user != **user => {
                found.push(format!("I8: {session} is kept as that of {}", row.user));
            }
            Some(_) => {}
        }
    }
}
