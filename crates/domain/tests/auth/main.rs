//! The use cases, over ports in memory that fail when told to.
#![allow(unreachable_pub, reason = "a test has no outside")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "that is how a test fails"
)]

mod asking;
mod by_phone;
mod delivering;
mod faults;
mod histories;
mod idempotency;
mod mocked;
mod model;
mod races;
mod resending;
mod rotating;
mod round_trips;
mod secrets;
mod sessions;
mod signing_in;
mod support;
mod test_numbers;
mod users;
