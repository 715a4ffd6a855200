//! How many connections a process has: what `maxclients` has to leave room for.

use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::faults::works;
use crate::on;

#[test]
fn every_runtime_has_one_connection_for_each_port() {
    let server = servers::Redis::start();
    let runtimes = [(); 2].map(|()| Runtime::new().unwrap());
    let redis = Arc::new(runtimes[0].block_on(on(&server)));
    for _ in 0..2 {
        let call = |runtime: &Runtime| {
            let redis = redis.clone();
            runtime.spawn(async move { works(&redis).await })
        };
        let callers = runtimes.iter().cycle().take(100).map(call);
        for caller in callers.collect::<Vec<_>>() {
            let worked = runtimes[0].block_on(caller).unwrap();
            assert_eq!(worked, [true; 3]);
        }
    }
    let stats = server.cli(&["INFO", "stats"]);
    let clients = server.cli(&["CLIENT", "LIST"]);
    // Ours, and the one that asks.
    assert!(stats.contains("total_connections_received:7\r"), "{stats}");
    assert_eq!(clients.lines().count(), 7, "{clients}");
}
