//! deploy/nginx.conf, in a real nginx.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use servers::Nginx;
use tests_support::http::Request;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::read;

/// nginx before these nodes.
pub(super) fn before(nodes: [SocketAddr; 3]) -> Nginx {
    Nginx::start(|port| site(port, nodes))
}

/// The file, with these nodes, which are on other ports here, and with half a second where it has
/// two.
fn site(port: u16, nodes: [SocketAddr; 3]) -> String {
    let listen = format!("listen 127.0.0.1:{port};");
    let site = [
        ("listen 80;", listen.as_str()),
        ("keepalive_timeout 2s;", "keepalive_timeout 500ms;"),
    ]
    .into_iter()
    .fold(read("deploy/nginx.conf"), |site, (there, here)| {
        assert!(site.contains(there), "{there}");
        site.replacen(there, here, 1)
    });
    (1..).zip(nodes).fold(site, |site, (n, node)| {
        site.replace(&format!("app{n}:8080"), &node.to_string())
    })
}

#[test]
fn idle_connections_end_before_a_node_that_was_told_to_end_closes_them() {
    let defaults: toml::Table = read("config/default.toml").parse().unwrap();
    let seconds = |text: &str| {
        text.strip_suffix('s')
            .and_then(|n| n.parse::<u32>().ok())
            .unwrap()
    };
    let drain = seconds(defaults["server"]["drain"].as_str().unwrap());
    let site = read("deploy/nginx.conf");
    let (_, rest) = site.split_once("keepalive_timeout ").unwrap();
    let idle = seconds(rest.split(';').next().unwrap());
    assert!(idle < drain, "{idle}s, {drain}s");
}

/// A node that takes every call and answers none.
async fn mute(heard: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut call, _)) = listener.accept().await {
            let mut head = [0; 1024];
            if call.read(&mut head).await.is_ok_and(|read| read > 0) {
                heard.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    address
}

#[tokio::test]
async fn a_call_that_was_sent_is_repeated_unless_it_is_a_post() {
    let heard = Arc::new(AtomicUsize::new(0));
    let node = || mute(Arc::clone(&heard));
    let nginx = before([node().await, node().await, node().await]);
    for (method, times) in [("POST", 1), ("GET", 3), ("DELETE", 3)] {
        heard.store(0, Ordering::SeqCst);
        let answer = Request::new(nginx.address(), method, "/v1/sessions").await;
        assert_eq!(answer.status, 502);
        assert_eq!(heard.load(Ordering::SeqCst), times, "{method}");
    }
}

#[tokio::test]
async fn it_is_found_by_its_name_beside_another_default_site() {
    let example: toml::Table = read("config/production-cluster.toml").parse().unwrap();
    let origin = example["server"]["public_origin"].as_str().unwrap();
    let host = origin.strip_prefix("https://").unwrap();
    let heard = Arc::new(AtomicUsize::new(0));
    let node = mute(Arc::clone(&heard)).await;
    let nginx = Nginx::start(|port| {
        let other = format!("server {{ listen 127.0.0.1:{port} default_server; return 404; }}");
        other + &site(port, [node; 3])
    });
    for (host, times) in [("elsewhere.example", 0), (host, 1)] {
        let url = format!("http://{host}/v1/sessions");
        Request::new(nginx.address(), "POST", &url).await;
        assert_eq!(heard.load(Ordering::SeqCst), times, "{host}");
    }
}
