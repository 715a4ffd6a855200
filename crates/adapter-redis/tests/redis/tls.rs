//! TLS: who is trusted, what is said of others, and servers that find each other by it.

use adapter_redis::{Servers, Settings};
use servers::{RedisCluster, RedisSentinel};

use crate::failover::{CODES, until_all_works};
use crate::faults::works;
use crate::opening::{refusal, refusal_of, single};
use crate::{on_sentinel, open, settings};

#[tokio::test]
async fn tls_is_checked_by_the_authority_and_by_the_hosts_name() {
    let server = servers::Redis::start_tls();
    let authority = server.ca_file();
    let at = |host: &str, ca_file| Settings {
        ca_file,
        ..settings(
            single(server.url().replace("127.0.0.1", host)),
            server.prefix(),
        )
    };
    open(&at("127.0.0.1", authority.clone())).await;
    open(&at("localhost", authority.clone())).await;
    let stranger = refusal_of(&at("127.0.0.1", None)).await;
    assert!(stranger.contains("cannot be trusted"), "{stranger}");
    server.cli(&["CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2"]);
    let other_name = refusal_of(&at("127.0.0.2", authority)).await;
    assert!(other_name.contains("cannot be trusted"), "{other_name}");
}

#[tokio::test]
async fn a_server_that_speaks_tls_when_it_should_not_or_the_other_way_is_refused() {
    let (plain, tls) = (servers::Redis::shared(), servers::Redis::start_tls());
    for url in [
        plain.url().replace("redis://", "rediss://"),
        tls.url().replace("rediss://", "redis://"),
    ] {
        let text = refusal(single(url)).await;
        assert!(text.contains("speaks TLS just as [redis] says"), "{text}");
    }
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_is_named() {
    let folder = servers::Redis::start_tls();
    let ca_file = folder.ca_file().unwrap();
    for path in [
        ca_file.with_file_name("missing.pem"),
        ca_file.with_file_name("server.key"),
    ] {
        let settings = Settings {
            ca_file: Some(path.clone()),
            ..settings(single("rediss://127.0.0.1:1"), String::new())
        };
        let text = refusal_of(&settings).await;
        assert!(text.starts_with(&path.display().to_string()), "{text}");
        assert!(text.contains("let redis.ca_file name"), "{text}");
    }
}

#[tokio::test]
async fn a_cluster_with_tls_and_a_password_goes_on_when_a_master_was_killed() {
    let cluster = RedisCluster::start_tls();
    let first = cluster.master_of(CODES);
    // One that has to name the others.
    let seed = cluster.urls().swap_remove((first + 1) % 6);
    let settings = Settings {
        ca_file: cluster.ca_file(),
        ..settings(Servers::Cluster(vec![seed]), cluster.prefix())
    };
    let redis = open(&settings).await;
    assert_eq!(works(&redis).await, [true; 3]);
    assert_eq!(cluster.kill_master_of(CODES), first);
    let [codes, ..] = works(&redis).await;
    assert!(!codes, "its master is gone");
    until_all_works(&redis).await;
}

#[tokio::test]
async fn sentinels_with_tls_and_a_password_name_the_next_master_when_the_last_was_killed() {
    let trio = RedisSentinel::start_tls();
    let redis = on_sentinel(&trio).await;
    assert_eq!(works(&redis).await, [true; 3]);
    trio.kill_master();
    assert_eq!(works(&redis).await, [false; 3]);
    until_all_works(&redis).await;
}
