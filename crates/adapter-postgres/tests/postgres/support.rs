use std::sync::Arc;

use adapter_postgres::{Postgres, Settings};

pub(crate) fn settings(url: &str) -> Settings {
    Settings {
        url: url.to_owned(),
        pool: 8,
        ca_file: None,
    }
}

pub(crate) async fn open(url: &str) -> Arc<Postgres> {
    Arc::new(Postgres::open(&settings(url)).await.unwrap())
}
