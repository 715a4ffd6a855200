//! The actix-web app: config, wiring, handlers, pages, telemetry.

pub mod dispatcher;
pub mod system;
pub mod telemetry;
