//! The laws of the store ports, each in a database of its own.

use std::sync::Arc;

use adapter_postgres::Postgres;

use crate::support;

async fn open() -> Arc<Postgres> {
    support::open(&servers::Postgres::shared().database()).await
}

conformance::code_store_laws!(open);
conformance::user_repo_laws!(open);
conformance::session_store_laws!(open);
conformance::rate_limiter_laws!(open);
