//! A master that dies, or steps down: until another one serves, an operation is unavailable within
//! 1.5 s; then everything works again, through the stores that were opened before.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use adapter_redis::{Fault, Redis, Servers};
use conformance::sample;
use domain::code::PhoneCode;
use domain::ports::CodeStore;
use servers::{RedisCluster, RedisSentinel};
use tokio::runtime::Runtime;

use crate::faults::works;
use crate::{on_cluster, on_sentinel, open, redis_cli, settings};

/// How long the servers may take to agree on another master.
const ELECTION: Duration = Duration::from_secs(15);

pub(crate) async fn until_all_works(redis: &Redis) {
    let start = Instant::now();
    while works(redis).await != [true; 3] {
        assert!(start.elapsed() < ELECTION, "it does not work again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A key in the slot of the codes, whatever the prefix.
pub(crate) const CODES: &str = "{codes}:any";

/// A Cluster whose nodes serve what they have while nobody serves the rest.
fn cluster() -> RedisCluster {
    let cluster = RedisCluster::start();
    for node in cluster.urls() {
        let setting = ["CONFIG", "SET", "cluster-require-full-coverage", "no"];
        assert_eq!(redis_cli(&node, &setting), "OK");
    }
    cluster
}

/// Until another node serves the codes; meanwhile the other ports miss nothing.
async fn until_the_codes_work(redis: &Redis) {
    let start = Instant::now();
    loop {
        let [codes, others @ ..] = works(redis).await;
        assert_eq!(others, [true; 2], "on masters that are not gone");
        if codes {
            return;
        }
        assert!(start.elapsed() < ELECTION, "it does not work again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A code that the master of the codes and its replica have; they have nothing else.
async fn replicated_code(redis: &Redis, cluster: &RedisCluster) -> PhoneCode {
    let code = sample::phone_code();
    assert!(redis.put(&code).await.unwrap());
    let replica = replica_of(cluster, cluster.master_of(CODES));
    let start = Instant::now();
    while redis_cli(&replica, &["DBSIZE"]) != "2" {
        assert!(start.elapsed() < ELECTION, "the replica does not follow");
    }
    code
}

#[tokio::test]
async fn in_a_cluster_each_port_has_a_master_of_its_own() {
    let cluster = RedisCluster::shared();
    let redis = on_cluster(cluster).await;
    assert_eq!(works(&redis).await, [true; 3]);
    let ports_of = |node: &String| -> BTreeSet<String> {
        let keys = redis_cli(node, &["KEYS", "*"]);
        let tags = keys.lines().filter_map(|key| key.split(['{', '}']).nth(1));
        tags.map(str::to_owned).collect()
    };
    let nodes: Vec<_> = cluster.urls().iter().map(ports_of).collect();
    assert!(nodes.iter().all(|ports| ports.len() <= 1), "{nodes:?}");
    let ports: BTreeSet<_> = nodes.into_iter().flatten().collect();
    assert_eq!(ports.len(), 3, "{ports:?}");
}

#[tokio::test]
async fn a_cluster_goes_on_when_a_master_was_killed() {
    let cluster = cluster();
    let redis = on_cluster(&cluster).await;
    let code = replicated_code(&redis, &cluster).await;
    let node = cluster.kill_master_of(CODES);
    assert_eq!(works(&redis).await, [false, true, true]);
    until_the_codes_work(&redis).await;
    assert_ne!(cluster.master_of(CODES), node);
    assert_eq!(CodeStore::get(&redis, code.id).await.unwrap(), Some(code));
    cluster.restart(node);
    assert_eq!(works(&redis).await, [true; 3]);
}

#[tokio::test]
async fn a_cluster_goes_on_without_a_master_that_is_silent_and_wakes_up_later() {
    let cluster = cluster();
    let redis = on_cluster(&cluster).await;
    let code = replicated_code(&redis, &cluster).await;
    let node = cluster.master_of(CODES);
    cluster.pause(node);
    assert_eq!(works(&redis).await, [false, true, true]);
    until_the_codes_work(&redis).await;
    assert!(redis.consume(code.id).await.unwrap());
    cluster.resume(node);
    for _ in 0..20 {
        assert_eq!(works(&redis).await, [true; 3]);
        assert!(!redis.consume(code.id).await.unwrap());
    }
}

/// The URL of the replica of a node, once the cluster has heard of it.
fn replica_of(cluster: &RedisCluster, node: usize) -> String {
    let url = &cluster.urls()[node];
    let start = Instant::now();
    loop {
        let nodes = cluster.cli(&["CLUSTER", "NODES"]);
        if let Some(address) = address_of_replica(&nodes, url) {
            return format!("redis://{address}");
        }
        assert!(start.elapsed() < ELECTION, "no replica of {url}: {nodes}");
    }
}

/// In lines of CLUSTER NODES: `id ip:port@bus flags master …`.
fn address_of_replica<'a>(nodes: &'a str, master: &str) -> Option<&'a str> {
    let lines = || {
        nodes
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
    };
    let address = |line: &[&'a str]| line[1].split('@').next();
    let master = lines().find(|line| address(line).is_some_and(|at| master.ends_with(at)))?;
    address(&lines().find(|line| line[3] == master[0])?)
}

#[tokio::test]
async fn a_master_that_hands_over_in_a_cluster_costs_no_call() {
    let cluster = RedisCluster::start();
    let redis = on_cluster(&cluster).await;
    let before = cluster.master_of(CODES);
    let replica = replica_of(&cluster, before);
    assert_eq!(redis_cli(&replica, &["CLUSTER", "FAILOVER"]), "OK");
    for _ in 0..200 {
        assert_eq!(works(&redis).await, [true; 3]);
    }
    assert_ne!(cluster.master_of(CODES), before);
}

#[tokio::test]
async fn a_cluster_is_found_through_any_node_that_is_left() {
    let cluster = cluster();
    let redis = on_cluster(&cluster).await;
    cluster.kill_master_of(CODES);
    until_the_codes_work(&redis).await;
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
    trio.restart(server);
    let late = on_sentinel(&trio).await;
    for redis in [&redis, &late] {
        assert_eq!(works(redis).await, [true; 3]);
    }
}

/// A sentinel that says to everything that the master is at that port.
fn sentinel_for(master: Arc<AtomicU16>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]);
            let port = master.load(Ordering::SeqCst).to_string();
            let answer = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
            let _ = client.write_all(answer.as_bytes());
        }
    });
    format!("redis://{address}")
}

/// The last master is back, and takes writes until a sentinel tells it.
#[tokio::test]
async fn all_runtimes_follow_the_one_that_found_the_next_master() {
    let [last, next] = [(); 2].map(|()| servers::Redis::start());
    let named = Arc::new(AtomicU16::new(last.port()));
    let servers = Servers::Sentinel {
        master: "any".to_owned(),
        urls: vec![sentinel_for(named.clone())],
    };
    let redis = Arc::new(open(&settings(servers, last.prefix())).await);
    let worker = Runtime::new().unwrap();
    let calls = redis.clone();
    let warm = worker.spawn(async move { works(&calls).await });
    assert_eq!(warm.await.unwrap(), [true; 3]);
    named.store(next.port(), Ordering::SeqCst);
    last.pause();
    assert_eq!(works(&redis).await, [false; 3]);
    assert_eq!(works(&redis).await, [true; 3]);
    last.resume();
    let before = last.cli(&["DBSIZE"]);
    let calls = redis.clone();
    let late = worker.spawn(async move { works(&calls).await });
    assert_eq!(late.await.unwrap(), [true; 3]);
    assert_eq!(last.cli(&["DBSIZE"]), before);
    worker.shutdown_background();
}

#[tokio::test]
async fn a_sentinel_that_has_not_heard_of_a_failover_is_outvoted() {
    let [back_and_empty, master] = [(); 2].map(|()| servers::Redis::start());
    let [stale, fresh] = [&back_and_empty, &master]
        .map(|server| sentinel_for(Arc::new(AtomicU16::new(server.port()))));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("redis://{}", silent.local_addr().unwrap());
    let gone = "redis://127.0.0.1:1".to_owned();
    let open_by = async |sentinels: [&String; 3]| {
        let servers = Servers::Sentinel {
            master: "any".to_owned(),
            urls: sentinels.map(String::clone).into(),
        };
        Redis::open(&settings(servers, master.prefix())).await
    };
    for majority in [
        [&stale, &fresh, &fresh],
        [&fresh, &fresh, &silent],
        [&fresh, &gone, &silent],
    ] {
        let redis = open_by(majority).await.unwrap();
        assert!(redis.put(&sample::phone_code()).await.unwrap());
    }
    for divided in [[&stale, &fresh, &gone], [&fresh, &silent, &stale]] {
        let error = open_by(divided).await.err().expect("no master");
        assert!(matches!(error.into_fault(), Fault::Divided));
    }
    assert_eq!(back_and_empty.cli(&["DBSIZE"]), "0");
}
