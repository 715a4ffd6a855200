//! The command line: exit statuses and what is said.

mod commands;
mod misfortune;
mod production;
mod servers;

use tests_support::process::Finished;

/// The lines of an error, of a command that failed with this status.
#[track_caller]
fn failed(finished: &Finished, status: i32) -> Vec<&str> {
    assert_eq!(finished.status, status, "{finished:?}");
    finished.err.lines().collect()
}

/// What a command said that succeeded.
#[track_caller]
fn done(finished: &Finished) -> &str {
    assert_eq!(finished.status, 0, "{finished:?}");
    assert_eq!(finished.err, "", "{finished:?}");
    &finished.out
}
