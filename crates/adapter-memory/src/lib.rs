//! Every store port, in this process.
//!
//! For development, for tests, and to see what the rest costs without a database. What it holds
//! is gone with the process, and no other process sees it.

mod codes;
#[cfg(test)]
mod interleavings;
mod limits;
mod lock;
mod sessions;
mod sweep;
mod users;

pub use codes::MemoryCodeStore;
pub use limits::MemoryRateLimiter;
pub use sessions::MemorySessionStore;
pub use users::MemoryUserRepo;
