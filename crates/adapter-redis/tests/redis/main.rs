//! The stores on real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is an assertion"
)]

mod connections;
mod corruption;
mod durability;
mod failover;
mod faults;
mod keys;
mod laws;
mod opening;
mod tls;
mod unready;

use std::process::Command;

use adapter_redis::{Port, Redis, Servers, Settings};
use servers::{RedisCluster, RedisSentinel};

fn settings(servers: Servers, prefix: String) -> Settings {
    Settings {
        servers,
        ports: Port::ALL.to_vec(),
        prefix,
        ca_file: None,
    }
}

async fn open(settings: &Settings) -> Redis {
    Redis::open(settings).await.unwrap()
}

/// Stores of nobody else, on that server.
async fn on(server: &servers::Redis) -> Redis {
    let servers = Servers::Single(server.url().to_owned());
    open(&settings(servers, server.prefix())).await
}

/// Stores of nobody else, on that Cluster.
async fn on_cluster(cluster: &RedisCluster) -> Redis {
    let servers = Servers::Cluster(cluster.urls());
    open(&settings(servers, cluster.prefix())).await
}

/// Stores of nobody else, on the master that these sentinels know.
async fn on_sentinel(trio: &RedisSentinel) -> Redis {
    let servers = Servers::Sentinel {
        master: trio.master_name().to_owned(),
        urls: trio.urls(),
    };
    let settings = Settings {
        ca_file: trio.ca_file(),
        ..settings(servers, trio.prefix())
    };
    open(&settings).await
}

/// What a server at a URL answers.
fn redis_cli(url: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    let output = command.args(["-u", url]).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
