//! The stores against real servers, private ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test an unwrap is an assertion"
)]

mod laws;
mod support;
