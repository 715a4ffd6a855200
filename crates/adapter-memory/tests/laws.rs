//! The laws of every store port.

use std::sync::Arc;

use adapter_memory::{MemoryCodeStore, MemoryRateLimiter, MemorySessionStore, MemoryUserRepo};
use domain::ports::{CodeStore, RateLimiter, SessionStore, UserRepo};

async fn codes() -> Arc<dyn CodeStore> {
    Arc::new(MemoryCodeStore::new())
}

async fn users() -> Arc<dyn UserRepo> {
    Arc::new(MemoryUserRepo::new())
}

async fn sessions() -> Arc<dyn SessionStore> {
    Arc::new(MemorySessionStore::new())
}

async fn limits() -> Arc<dyn RateLimiter> {
    Arc::new(MemoryRateLimiter::new())
}

conformance::code_store_laws!(codes);
conformance::user_repo_laws!(users);
conformance::session_store_laws!(sessions);
conformance::rate_limiter_laws!(limits);
