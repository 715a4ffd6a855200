//! The stores against real servers, private ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test an unwrap is an assertion"
)]

mod bouncer;
mod corruption;
mod durability;
mod faults;
mod laws;
mod locks;
mod opening;
mod round_trips;
mod schema;
mod sharing;
mod support;
mod tables;
mod tls;
mod wire;
