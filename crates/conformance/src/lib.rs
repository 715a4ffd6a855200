//! The laws of every port, as plain async functions over `&dyn Port`.
//!
//! An adapter keeps a port's contract if these pass. In a test of yours, with tokio among the
//! dev-dependencies, three lines run every law of a port as a test of its own:
//!
//! ```
//! # use std::sync::Arc;
//! # use adapter_memory::MemoryCodeStore as MyCodeStore;
//! # use domain::ports::CodeStore;
//! async fn open() -> Arc<dyn CodeStore> {
//!     Arc::new(MyCodeStore::new())
//! }
//! conformance::code_store_laws!(open);
//! # fn main() {}
//! ```
//!
//! With another executor call [`code_store::all`], or single laws. Every law makes its own random
//! ids, so laws can share a store one after another; the macros open a store for each law.
//!
//! A law that is broken panics, as an assertion does. Laws of concurrency are *races*: they also
//! take a [`Spawn`], so that the contestants run on as many threads as your executor has.
//!
//! Two laws of each store port replay random [histories](history) against a model of it.
//!
//! All moments lie around [`sample::NOW`], far in the future: a store that collects garbage by a
//! clock of its own does not get in the way.
#![deny(missing_docs)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "this crate is called by tests: what fails in it is a broken law, and panics"
)]

pub mod code_store;
pub mod durability;
pub mod history;
pub mod rate_limiter;
pub mod sample;
pub mod session_store;
pub mod sms_sender;
pub mod token_issuer;
pub mod user_repo;

mod law;
mod race;

pub use law::{Broken, check};
pub use race::Spawn;
