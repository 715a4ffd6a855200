//! The real binary, as an operator runs it: killed, told to end, misconfigured, spied on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is an assertion"
)]

mod canary;
mod cli;
mod deployment;
mod durability;
mod outages;
mod pigeon_post;
mod several;
mod shutdown;

use tests_support::process::Installation;

/// Without the limits that another thing's test would run into.
fn unlimited() -> Installation {
    [
        ("code.resend_after", "1s"),
        ("limits.sends_per_phone", "off"),
        ("limits.sends_per_address", "off"),
        ("limits.sends_per_prefix", "off"),
        ("limits.sends_per_country", "off"),
        ("limits.sends_overall", "off"),
        ("limits.failures_per_phone", "100/1s"),
        ("limits.failures_per_address", "off"),
    ]
    .into_iter()
    .fold(Installation::new(), |installation, (key, value)| {
        installation.set(key, value)
    })
}

/// With so many test numbers, which sign in with [`CODE`] as often as one likes.
fn with_test_numbers(count: usize) -> Installation {
    (0..count).fold(unlimited(), |installation, n| {
        installation.set(&format!("test_numbers.{}.code", test_number(n)), CODE)
    })
}

fn test_number(n: usize) -> String {
    format!("+861380013{n:04}")
}

const CODE: &str = "424242";
