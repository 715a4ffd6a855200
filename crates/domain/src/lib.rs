//! What a phone sign-in is: entities, rules, ports and use cases.
//!
//! A phone number goes in, a one-time code goes out by SMS, the code comes back, a session comes
//! out. [`auth::Auth`] is the one façade over the use cases; [`ports`] is what it asks of the
//! outside world. Nothing here knows the web, a database or an async runtime.
//!
//! The domain decides, the stores remember: every security decision is taken here, on plain
//! values.
#![deny(missing_docs)]

pub mod auth;
pub mod code;
pub mod event;
pub mod id;
pub mod message;
pub mod phone;
pub mod ports;
pub mod rate_limit;
pub mod session;
pub mod timestamp;
pub mod user;
pub mod vault;
