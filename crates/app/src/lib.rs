//! The actix-web app: config, wiring, handlers, pages, telemetry.

pub mod config;
pub mod dispatcher;
mod error;
pub mod http;
pub mod keyring;
pub mod system;
pub mod telemetry;
