//! With `appendonly yes` and `appendfsync always`, what was acknowledged survives kill -9.

use adapter_redis::{Redis, Servers};
use conformance::durability::{
    codes_survive_reopening, counters_survive_reopening, sessions_survive_reopening,
};

use crate::settings;

/// Kills the server before it opens the store, whatever was acknowledged the moment before.
async fn killed_and_reopened(server: &servers::Redis) -> Redis {
    server.kill();
    server.restart();
    let servers = Servers::Single(server.url().to_owned());
    crate::open(&settings(servers, "p:".to_owned())).await
}

fn durable() -> servers::Redis {
    servers::Redis::start_with(&["appendonly yes", "appendfsync always"])
}

#[tokio::test]
async fn codes_survive_a_kill() {
    let server = durable();
    codes_survive_reopening(async || killed_and_reopened(&server).await).await;
}

#[tokio::test]
async fn sessions_survive_a_kill() {
    let server = durable();
    sessions_survive_reopening(async || killed_and_reopened(&server).await).await;
}

#[tokio::test]
async fn counters_survive_a_kill() {
    let server = durable();
    counters_survive_reopening(async || killed_and_reopened(&server).await).await;
}

#[tokio::test]
async fn whether_sessions_are_kept_is_known() {
    for (line, kept) in [("appendonly no", false), ("appendonly yes", true)] {
        let server = servers::Redis::start_with(&[line]);
        let redis = crate::on(&server).await;
        assert_eq!(redis.keeps_sessions().await.unwrap(), kept, "{line}");
    }
}
