//! What stops when a server is lost.

use crate::history::What;

/// A part of the stores.
pub(crate) struct Part {
    /// What nobody can do without it.
    pub(crate) stops: fn(&What) -> bool,
    /// Whether nobody is told without it that a guess is wrong.
    pub(crate) stops_guesses: bool,
    /// Whether it keeps the codes, and with them what becomes of messages.
    pub(crate) of_codes: bool,
    /// What `/readyz` calls it.
    pub(crate) ports: &'static [&'static str],
}

/// The Redis with codes and limits, beside a database.
pub(crate) const REDIS: Part = Part {
    stops: needs_codes,
    stops_guesses: true,
    of_codes: true,
    ports: &["codes", "rate_limits"],
};

/// The Redis with everything but the users.
pub(crate) const ALL_BUT_USERS: Part = Part {
    stops: |_| true,
    stops_guesses: true,
    of_codes: true,
    ports: &["codes", "rate_limits", "sessions"],
};

/// A Redis that reads and does not write: who asks again under a key is told what was told before.
pub(crate) const WRITES_TO_REDIS: Part = Part {
    stops: |what| {
        use What::{Ask, Enter, Resend};
        matches!(what, Ask { key: None, .. } | Resend { .. } | Enter { .. })
    },
    ..REDIS
};

/// The database with users and sessions, beside a Redis. A phone's failures are there, too.
pub(crate) const USERS_AND_SESSIONS: Part = Part {
    stops: needs_sessions,
    stops_guesses: true,
    of_codes: false,
    ports: &["rate_limits", "sessions", "users"],
};

/// The database with everything.
pub(crate) const EVERYTHING: Part = Part {
    stops: |_| true,
    stops_guesses: true,
    of_codes: true,
    ports: &["codes", "rate_limits", "sessions", "users"],
};

/// The table of sessions.
pub(crate) const SESSIONS: Part = Part {
    stops: needs_sessions,
    stops_guesses: false,
    of_codes: false,
    ports: &["sessions"],
};

/// Whether nobody can do that without the codes.
pub(crate) fn needs_codes(what: &What) -> bool {
    use What::{Ask, Enter, Resend, Status};
    matches!(
        what,
        Ask { .. } | Resend { .. } | Status { .. } | Enter { .. }
    )
}

fn needs_sessions(what: &What) -> bool {
    use What::{Ask, Resend, Status};
    !matches!(what, Ask { .. } | Resend { .. } | Status { .. })
}
