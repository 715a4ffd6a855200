//! What compose.yaml starts, without containers: three nodes on PostgreSQL and Redis, behind nginx.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::{Value, json};
use servers::{Nginx, Postgres, Redis, free_port};
use tempfile::TempDir;
use tests_support::http::{Connection, Request};
use tests_support::process::{Installation, Service};
use tests_support::until;

use super::{compose, environment, installation, nginx};

struct Cluster {
    nodes: Vec<(Installation, Service)>,
    nginx: Nginx,
    _redis: Redis,
    _keys: TempDir,
}

impl Cluster {
    /// With the settings of compose.yaml, these, and where things are here.
    async fn start(settings: &[(&str, &str)]) -> Self {
        let compose = compose();
        let redis = Redis::start_with(&[&redis_configuration(&compose)]);
        let database = Postgres::shared().database();
        let keys = tempfile::tempdir().unwrap();
        let here = [
            ("server.trusted_proxies", "127.0.0.1"),
            ("server.drain", "1s"),
            ("postgres.url", &database),
            ("redis.url", redis.url()),
            ("data.dir", keys.path().to_str().unwrap()),
        ];
        let addresses = [(); 3].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let mut nodes = Vec::new();
        for (name, address) in ["app1", "app2", "app3"].iter().zip(addresses) {
            let node = installation(&environment(&compose["services"][name]));
            let node = node.set("server.ops_bind", "127.0.0.1:0");
            let node = node.set("server.bind", &address.to_string());
            let node = here
                .iter()
                .chain(settings)
                .fold(node, |node, (key, value)| node.set(key, value));
            let service = node.serve().await;
            nodes.push((node, service));
        }
        let nginx = nginx::before(addresses);
        Self {
            nodes,
            nginx,
            _redis: redis,
            _keys: keys,
        }
    }

    fn address(&self) -> SocketAddr {
        self.nginx.address()
    }

    /// How many calls of the API each node has answered.
    async fn answered(&self) -> Vec<u64> {
        let mut counts = Vec::new();
        for (_, service) in &self.nodes {
            let metrics = service.get_ops("/metrics").await.text();
            let calls = metrics.lines().filter(|line| {
                line.starts_with("phone_auth_http_requests_total{") && line.contains("\"/v1/")
            });
            let calls = calls.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
            counts.push(calls.sum());
        }
        counts
    }
}

/// The options of its command, `--name value…`, as lines of `redis.conf`.
fn redis_configuration(compose: &Value) -> String {
    let command = compose["services"]["redis"]["command"].as_array().unwrap();
    let words: Vec<_> = command.iter().filter_map(Value::as_str).skip(1).collect();
    let lines = words.chunks(2).map(|pair| {
        let name = pair[0].strip_prefix("--").expect("an option");
        format!("{name} \"{}\"\n", pair[1])
    });
    lines.collect()
}

fn ask(to: SocketAddr, phone: &str) -> Request {
    Request::new(to, "POST", "/v1/phone-codes").json(json!({ "phone": phone }))
}

#[tokio::test]
async fn a_person_signs_in_through_nginx_whichever_node_is_asked() {
    let cluster = Cluster::start(&[]).await;
    let to = cluster.address();
    let asked = ask(to, "+8613800138000").await.ok(202);
    let body = json!({ "phone_code_id": asked["id"], "code": "424242" });
    let signed_in = Request::new(to, "POST", "/v1/sessions")
        .json(body)
        .await
        .ok(201);
    let token = signed_in["access_token"].as_str().unwrap();
    for _ in 0..30 {
        let current = Request::new(to, "GET", "/v1/sessions/current").bearer(token);
        current.await.ok(200);
    }
    let answered = cluster.answered().await;
    assert!(answered.iter().all(|count| *count >= 10), "{answered:?}");
}

#[tokio::test]
async fn limits_count_the_address_that_calls_nginx_and_not_what_it_says_of_itself() {
    let cluster = Cluster::start(&[("limits.sends_per_address", "2/1h")]).await;
    let to = cluster.address();
    let ask_from = async |caller: Ipv4Addr, claims: &str, phone: &str| {
        let mut connection = Connection::open_from(caller, to).await.unwrap();
        let call = ask(to, phone).forwarded_for(claims);
        connection.call(&call).await.unwrap().status
    };
    let (one, other) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
    assert_eq!(ask_from(one, "127.0.0.1", "+8615612340001").await, 202);
    assert_eq!(ask_from(one, "8.8.8.8", "+8615612340002").await, 202);
    assert_eq!(ask_from(one, "9.9.9.9", "+8615612340003").await, 429);
    assert_eq!(ask_from(other, "127.0.0.2", "+8615612340004").await, 202);
}

/// People who ask for codes, one after the other, until told to stop.
#[derive(Default)]
struct Load {
    asked: AtomicU32,
    is_over: AtomicBool,
}

impl Load {
    /// On one connection or on a new one for each call; what was answered otherwise than it should
    /// be.
    async fn run(self: Arc<Self>, to: SocketAddr, keeps_connection: bool) -> Vec<String> {
        let mut failures = Vec::new();
        let mut kept = None;
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.asked.fetch_add(1, Ordering::Relaxed);
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => Connection::open(to).await.unwrap(),
            };
            match connection
                .call(&ask(to, &format!("+86156{number:08}")))
                .await
            {
                Ok(answer) => {
                    let ends = answer.header("connection") == Some("close");
                    kept = (keeps_connection && !ends).then_some(connection);
                    if answer.status != 202 {
                        failures.push(format!("{} {}", answer.status, answer.text()));
                    }
                }
                Err(error) => failures.push(error.to_string()),
            }
        }
        failures
    }

    async fn until_many_more_asked(&self) {
        let before = self.asked.load(Ordering::Relaxed);
        let many = || self.asked.load(Ordering::Relaxed) > before + 200;
        until("calls", async || many().then_some(())).await;
    }
}

#[tokio::test]
async fn a_rolling_restart_loses_no_call() {
    let limits = ["per_address", "per_prefix", "per_country", "overall"];
    let limits = limits.map(|what| format!("limits.sends_{what}"));
    let mut cluster = Cluster::start(&limits.each_ref().map(|key| (key.as_str(), "off"))).await;
    let (load, to) = (Arc::new(Load::default()), cluster.address());
    let people = (0..8).map(|n| tokio::spawn(Arc::clone(&load).run(to, n % 2 == 0)));
    let people: Vec<_> = people.collect();
    for (node, service) in std::mem::take(&mut cluster.nodes) {
        load.until_many_more_asked().await;
        service.terminate();
        let (status, log) = service.ended().await;
        assert!(status.success(), "{status}: {log}");
        let again = node.serve().await;
        cluster.nodes.push((node, again));
    }
    load.until_many_more_asked().await;
    let answered = cluster.answered().await;
    assert!(answered.iter().all(|count| *count > 50), "{answered:?}");
    load.is_over.store(true, Ordering::Relaxed);
    for person in people {
        assert_eq!(person.await.unwrap(), Vec::<String>::new());
    }
}
