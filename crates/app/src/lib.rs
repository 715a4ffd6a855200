//! The actix-web app: config, wiring, handlers, pages, telemetry.

mod builder;
#[cfg(test)]
mod captured;
mod cli;
pub mod config;
mod dispatcher;
mod error;
pub mod http;
pub mod keyring;
mod pages;
mod start;
mod system;
mod telemetry;
mod watch;
mod wiring;

pub use builder::Builder;
pub use start::{Running, StartError};
pub use wiring::{Outbox, OutboxMessage};
