//! The contract, the limits, the invariants and hostile input, over HTTP, once per store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is an assertion"
)]

mod contract;
mod hostile;
mod invariants;
mod limits;
