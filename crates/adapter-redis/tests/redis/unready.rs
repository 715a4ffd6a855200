//! What `Redis::open` says of servers that would do, if they were ready.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use adapter_redis::Servers;

use crate::opening::{refusal, single};

#[tokio::test]
async fn a_master_without_its_replicas_is_told_what_helps() {
    let server = servers::Redis::start_with(&["min-replicas-to-write 1"]);
    let text = refusal(single(server.url())).await;
    assert!(text.contains("lower its min-replicas-to-write"), "{text}");
}

#[tokio::test]
async fn a_database_that_a_server_does_not_have_is_told_what_to_correct() {
    let server = servers::Redis::start();
    let node = servers::Redis::start_with(&["cluster-enabled yes"]);
    for url in [server.url(), node.url()] {
        let text = refusal(single(format!("{url}/99"))).await;
        assert!(text.contains("correct what follows the last /"), "{text}");
    }
}

#[tokio::test]
async fn a_cluster_that_is_down_is_told_where_to_look() {
    let node = servers::Redis::start_with(&["cluster-enabled yes"]);
    let cluster = || Servers::Cluster(vec![node.url().to_owned()]);
    let (nobody, not_all) = ("Hash slot not served", "The cluster is down");
    let without = refusal(cluster()).await;
    assert!(without.contains(nobody), "{without}");
    let slot = node.cli(&["CLUSTER", "KEYSLOT", "{codes}"]);
    assert_eq!(node.cli(&["CLUSTER", "ADDSLOTS", &slot]), "OK");
    let with_one = refusal(cluster()).await;
    assert!(with_one.contains(not_all), "{with_one}");
    for text in [without, with_one] {
        assert!(text.contains("look at CLUSTER INFO"), "{text}");
    }
}

/// Says what a server in protected mode says to a stranger, and hangs up: to a client that waits
/// for an answer, or at once.
fn protected(waits: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            if waits {
                let _ = client.read(&mut [0; 4096]);
            }
            let _ = client.write_all(b"-DENIED Redis is running in protected mode because\r\n");
        }
    });
    address.to_string()
}

#[tokio::test]
async fn a_server_in_protected_mode_is_told_to_have_a_password() {
    for login in ["", ":s3cret@"] {
        let heard = refusal(single(format!("redis://{login}{}", protected(true)))).await;
        assert!(
            heard.contains("is in protected mode: give it a password"),
            "{heard}"
        );
        let unheard = refusal(single(format!("redis://{login}{}", protected(false)))).await;
        assert!(unheard.contains("protected mode"), "{unheard}");
    }
}
