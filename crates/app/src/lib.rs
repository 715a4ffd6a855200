//! The actix-web app: config, wiring, handlers, pages, telemetry.
