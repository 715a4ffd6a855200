//! A master that dies, or steps down: until another one serves, an operation is unavailable within
//! 1.5 s; then everything works again, through the stores that were opened before.

use std::time::{Duration, Instant};

use adapter_redis::Redis;
use conformance::sample;
use domain::ports::CodeStore;
use servers::{RedisCluster, RedisSentinel};

use crate::faults::works;
use crate::{on_cluster, on_sentinel, redis_cli};

/// How long the servers may take to agree on another master.
const ELECTION: Duration = Duration::from_secs(15);

async fn until_all_works(redis: &Redis) {
    let start = Instant::now();
    while works(redis).await != [true; 3] {
        assert!(start.elapsed() < ELECTION, "it does not work again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A key in the slot of the codes, whatever the prefix.
const CODES: &str = "{codes}:any";

#[tokio::test]
async fn a_cluster_goes_on_when_a_master_was_killed() {
    let cluster = RedisCluster::start();
    let redis = on_cluster(&cluster).await;
    let code = sample::phone_code();
    assert!(redis.put(&code).await.unwrap());
    cluster.wait_until_whole();
    let node = cluster.kill_master_of(CODES);
    let [codes, ..] = works(&redis).await;
    assert!(!codes, "the master of the codes is gone");
    until_all_works(&redis).await;
    assert_ne!(cluster.master_of(CODES), node);
    assert_eq!(CodeStore::get(&redis, code.id).await.unwrap(), Some(code));
    cluster.restart(node);
    assert_eq!(works(&redis).await, [true; 3]);
}

#[tokio::test]
async fn a_cluster_goes_on_without_a_master_that_is_silent_and_wakes_up_later() {
    let cluster = RedisCluster::start();
    let redis = on_cluster(&cluster).await;
    let code = sample::phone_code();
    assert!(redis.put(&code).await.unwrap());
    cluster.wait_until_whole();
    let node = cluster.master_of(CODES);
    cluster.pause(node);
    until_all_works(&redis).await;
    assert!(redis.consume(code.id).await.unwrap());
    cluster.resume(node);
    for _ in 0..20 {
        assert_eq!(works(&redis).await, [true; 3]);
        assert!(!redis.consume(code.id).await.unwrap());
    }
}

/// The URL of the replica of a node: in lines of CLUSTER NODES, `id ip:port@bus flags master …`.
fn replica_of(cluster: &RedisCluster, node: usize) -> String {
    let nodes = cluster.cli(&["CLUSTER", "NODES"]);
    let lines = || {
        nodes
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
    };
    let address = |line: &[&str]| line[1].split('@').next().unwrap().to_owned();
    let url = &cluster.urls()[node];
    let master = lines().find(|line| url.ends_with(&address(line))).unwrap();
    let replica = lines().find(|line| line[3] == master[0]).unwrap();
    format!("redis://{}", address(&replica))
}

#[tokio::test]
async fn a_master_that_hands_over_in_a_cluster_costs_no_call() {
    let cluster = RedisCluster::start();
    let redis = on_cluster(&cluster).await;
    let before = cluster.master_of(CODES);
    let replica = replica_of(&cluster, before);
    redis_cli(&replica, &["CLUSTER", "FAILOVER"]);
    for _ in 0..200 {
        assert_eq!(works(&redis).await, [true; 3]);
    }
    assert_ne!(cluster.master_of(CODES), before);
}

#[tokio::test]
async fn a_cluster_is_found_through_any_node_that_is_left() {
    let cluster = RedisCluster::start();
    let redis = on_cluster(&cluster).await;
    cluster.kill_master_of(CODES);
    until_all_works(&redis).await;
    let late = on_cluster(&cluster).await;
    assert_eq!(works(&late).await, [true; 3]);
}

#[tokio::test]
async fn the_sentinels_next_master_is_found_when_the_last_was_killed() {
    let trio = RedisSentinel::start();
    let redis = on_sentinel(&trio).await;
    assert_eq!(works(&redis).await, [true; 3]);
    let server = trio.kill_master();
    assert_eq!(works(&redis).await, [false; 3]);
    until_all_works(&redis).await;
    let late = on_sentinel(&trio).await;
    trio.restart(server);
    assert_ne!(trio.master(), server);
    for redis in [&redis, &late] {
        assert_eq!(works(redis).await, [true; 3]);
    }
}
