//! The laws of the store ports, each on a file of its own.
#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use adapter_sqlite::Sqlite;

async fn open() -> Arc<Sqlite> {
    static FILES: AtomicU32 = AtomicU32::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("laws-{number}.db"));
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", path.display()));
    }
    Arc::new(Sqlite::open(path).unwrap())
}

conformance::code_store_laws!(open);
conformance::user_repo_laws!(open);
conformance::session_store_laws!(open);
conformance::rate_limiter_laws!(open);
