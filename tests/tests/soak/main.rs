//! Three processes under load while something breaks, and a judge of all that was answered.
//!
//! A scenario starts a [`world::World`], lets people loose on it, breaks something, and hands the
//! history to the [`checker`]. `make test` gives each scenario some seconds; `make soak` gives it
//! `SOAK_SECONDS`. `SOAK_SEED` repeats the choices of a run that failed: its seed is printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test a panic is an assertion, and the seed has to be printed"
)]

mod aftermath;
mod checker;
mod client;
mod history;
mod parts;
mod person;
mod recovery;
mod rng;
mod scenarios;
mod stores;
mod world;
