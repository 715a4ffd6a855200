//! The laws of the store ports, each under a prefix of its own on one server.
#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::sync::Arc;

use adapter_redis::{Redis, Servers, Settings};

async fn open() -> Arc<Redis> {
    let server = servers::Redis::shared();
    let settings = Settings {
        servers: Servers::Single(server.url().to_owned()),
        prefix: server.prefix(),
        ca_file: None,
    };
    Arc::new(Redis::open(&settings).await.unwrap())
}

conformance::code_store_laws!(open, forgets_by_itself);
conformance::session_store_laws!(open, forgets_by_itself);
conformance::rate_limiter_laws!(open, forgets_by_itself);
