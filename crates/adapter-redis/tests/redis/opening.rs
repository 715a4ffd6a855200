//! What `Redis::open` says of servers that will not do: within 5 s, in one line, with the server's
//! name and what to do, and without a password.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use adapter_redis::{Fault, Port, Redis, Servers, Settings};
use domain::ports::CodeStore;
use servers::{RedisCluster, RedisSentinel};

use crate::faults::works;
use crate::{open, redis_cli, settings};

pub(crate) fn single(url: impl ToString) -> Servers {
    Servers::Single(url.to_string())
}

pub(crate) async fn refusal(servers: Servers) -> String {
    refusal_of(&settings(servers, "test:".to_owned())).await
}

pub(crate) async fn refusal_of(settings: &Settings) -> String {
    let start = Instant::now();
    let error = Redis::open(settings).await.err().expect("a refusal");
    assert!(start.elapsed() < Duration::from_secs(5));
    let text = format!("{error}");
    assert!(!text.contains('\n'), "{text}");
    for shown in [&text, &format!("{error:?}"), &format!("{settings:?}")] {
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    text
}

#[tokio::test]
async fn what_is_no_url_of_redis_is_refused() {
    for url in [
        "",
        "redis",
        "redis://",
        "http://localhost:6379",
        "redis://me:s3cret@localhost:99999",
        "redis://me:s3cret@localhost:6379/first",
        "me:s3cret@localhost",
        "unix:///s3cret",
        "redis://localhost:6379#insecure",
        "redis://s3cret/word@localhost:6379",
        "redis://s3cret?word@localhost:6379",
        "redis://s3cret#word@localhost:6379",
        "redis://s3cret#word",
        "redis://me:1?s3cret@localhost:6379",
    ] {
        let text = refusal(single(url)).await;
        assert!(text.starts_with("redis.url is not a URL"), "{url}: {text}");
        assert!(text.contains("percent-encoded"), "{text}");
    }
    let none = refusal(Servers::Cluster(Vec::new())).await;
    assert!(
        none.starts_with("redis.cluster_urls is not a URL"),
        "{none}"
    );
}

#[tokio::test]
async fn urls_with_and_without_tls_do_not_mix() {
    let urls = ["redis://a:1", "rediss://b:2"].map(str::to_owned);
    let text = refusal(Servers::Cluster(urls.into())).await;
    assert!(text.starts_with("redis.cluster_urls has both"), "{text}");
}

#[tokio::test]
async fn a_prefix_with_braces_is_refused() {
    for prefix in ["{", "}", "a{b}c:"] {
        let text = refusal_of(&settings(single("redis://localhost"), prefix.to_owned())).await;
        assert!(text.starts_with("redis.prefix has braces"), "{text}");
    }
}

#[tokio::test]
async fn a_host_that_nobody_knows_is_named() {
    let text = refusal(single("redis://me:s3cret@no-such-host.invalid:6379")).await;
    let expected = "no-such-host.invalid:6379 is not a host that is known here";
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let server = servers::Redis::start();
    server.stop();
    let (text, port) = (refusal(single(server.url())).await, server.port());
    assert!(
        text.starts_with(&format!("127.0.0.1:{port} refuses connections")),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_that_is_silent_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let text = refusal(single(format!("redis://{address}"))).await;
    assert!(
        text.starts_with(&format!("{address} does not answer")),
        "{text}"
    );
}

#[tokio::test]
async fn of_several_servers_the_one_that_has_something_to_say_is_told() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("redis://{}", silent.local_addr().unwrap());
    let locked = servers::Redis::start_with(&["requirepass s3cret"]);
    let locked = format!("redis://127.0.0.1:{}", locked.port());
    let refused = "redis://127.0.0.1:1".to_owned();
    let text = refusal(Servers::Cluster(vec![refused, locked, silent])).await;
    assert!(text.contains("asks for a password"), "{text}");
}

#[tokio::test]
async fn a_password_is_not_wrong_because_something_else_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    for login in ["", ":s3cret@"] {
        let refused = refusal(single(format!("redis://{login}{address}"))).await;
        let told = format!("{address} does not answer as Redis does: correct its host and port");
        assert!(refused.starts_with(&told), "{refused}");
    }
}

#[tokio::test]
async fn a_missing_or_wrong_password_is_told_apart() {
    let server = servers::Redis::start_with(&["requirepass s3cret"]);
    let port = server.port();
    let missing = refusal(single(format!("redis://127.0.0.1:{port}"))).await;
    assert!(
        missing.starts_with(&format!("127.0.0.1:{port} asks for a password")),
        "{missing}"
    );
    for login in [":s3crets", "default:s3crets", "nobody:s3cret"] {
        let wrong = refusal(single(format!("redis://{login}@127.0.0.1:{port}"))).await;
        assert!(
            wrong.contains("rejects the user or the password"),
            "{wrong}"
        );
    }
    for login in [":s3cret", "default:s3cret"] {
        let url = format!("redis://{login}@127.0.0.1:{port}/3");
        open(&settings(single(url), "test:".to_owned())).await;
    }
}

#[tokio::test]
async fn a_user_who_may_not_do_enough_is_told_the_line_that_helps() {
    let server = servers::Redis::start();
    let url = format!("redis://app:s3cret@127.0.0.1:{}/1", server.port());
    let settings = settings(single(url), "mine:".to_owned());
    for too_little in [
        "",
        "~mine:*",
        "+@all",
        "~yours:* +@all",
        "~mine:* +@all -info",
        "~mine:* +@all -select",
        "~mine:* +@all -evalsha",
        "~mine:* +@all -eval",
        "~mine:* +@all -pexpire",
        "~mine:* +@all -zadd",
    ] {
        let rules: Vec<&str> = too_little.split_whitespace().collect();
        let user = ["ACL", "SETUSER", "app", "reset", "on", ">s3cret"];
        server.cli(&[&user[..], &rules[..]].concat());
        let text = refusal_of(&settings).await;
        let (_, line) = text.split_once(": run ").expect(&text);
        assert!(text.contains("forbids what is needed"), "{text}");
        let line: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(server.cli(&line), "OK");
        let redis = open(&settings).await;
        CodeStore::health(&redis).await.unwrap();
    }
}

#[tokio::test]
async fn only_the_ports_in_use_are_connected_and_tried() {
    let server = servers::Redis::start();
    let rules = ["on", ">s3cret", "~mine:{rate_limits}:*", "+@all"];
    server.cli(&[&["ACL", "SETUSER", "app"][..], &rules].concat());
    let url = format!("redis://app:s3cret@127.0.0.1:{}", server.port());
    let limits = Settings {
        ports: vec![Port::RateLimits],
        ..settings(single(url), "mine:".to_owned())
    };
    let redis = open(&limits).await;
    let clients = server.cli(&["CLIENT", "LIST"]);
    assert_eq!(clients.matches("user=app").count(), 1, "{clients}");
    assert_eq!(works(&redis).await, [false, true, false]);
    let all = Settings {
        ports: Port::ALL.to_vec(),
        ..limits
    };
    let text = refusal_of(&all).await;
    assert!(text.contains("forbids what is needed"), "{text}");
}

/// Answers INFO as a server of that version would, and everything else with OK.
fn server_of_version(version: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let info = format!("redis_version:{version}\r\nredis_mode:standalone\r\n");
        let mut request = [0; 4096];
        while client.read(&mut request).is_ok_and(|read| read > 0) {
            let _ = write!(client, "${}\r\n{info}\r\n", info.len());
        }
    });
    format!("redis://{address}")
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused() {
    let text = refusal(single(server_of_version("6.0.16"))).await;
    assert!(
        text.contains("is Redis 6.0.16: install 6.2 or later"),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_that_evicts_is_told_the_line_that_helps() {
    for policy in [
        "allkeys-lru",
        "volatile-lru",
        "volatile-ttl",
        "allkeys-random",
    ] {
        let line = format!("maxmemory-policy {policy}");
        let server = servers::Redis::start_with(&["maxmemory 100mb", &line]);
        let text = refusal(single(server.url())).await;
        assert!(text.contains(policy), "{text}");
        let (_, line) = text.split_once("run ").unwrap();
        let line: Vec<&str> = line.split([' ', ',']).take(4).collect();
        assert_eq!(server.cli(&line), "OK");
        open(&settings(single(server.url()), server.prefix())).await;
    }
}

#[tokio::test]
async fn a_replica_is_refused() {
    let server = servers::Redis::start();
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let text = refusal(single(server.url())).await;
    assert!(text.contains("is a replica: name its master"), "{text}");
}

#[tokio::test]
async fn servers_of_another_kind_are_refused() {
    let server = servers::Redis::shared();
    let cluster = RedisCluster::shared().urls();
    let sentinels = RedisSentinel::shared().urls();
    let sentinel = |urls: &[String]| Servers::Sentinel {
        master: "primary".to_owned(),
        urls: urls.to_vec(),
    };
    let plain = [server.url().to_owned()];
    for (servers, expected) in [
        (
            single(&cluster[0]),
            "is a node of a Cluster: write redis.cluster_urls",
        ),
        (
            single(&sentinels[0]),
            "is a sentinel: write redis.sentinel.master",
        ),
        (
            Servers::Cluster(plain.to_vec()),
            "is no node of a Cluster: write redis.url",
        ),
        (sentinel(&plain), "is no sentinel: write redis.url"),
        (sentinel(&cluster), "is no sentinel: write redis.url"),
    ] {
        let text = refusal(servers).await;
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_named() {
    let servers = Servers::Sentinel {
        master: "nobody".to_owned(),
        urls: RedisSentinel::shared().urls(),
    };
    let text = refusal(servers).await;
    assert!(
        text.contains("knows no master \"nobody\": correct redis.sentinel.master"),
        "{text}"
    );
}

#[tokio::test]
async fn a_sentinel_may_do_without_the_masters_password() {
    let trio = RedisSentinel::start();
    for sentinel in trio.urls() {
        let master = trio.master_name();
        let told = redis_cli(
            &sentinel,
            &["SENTINEL", "SET", master, "auth-pass", "s3cret"],
        );
        assert_eq!(told, "OK");
    }
    trio.cli(&["CONFIG", "SET", "requirepass", "s3cret"]);
    let with = |login: &str| {
        let urls = trio.urls().into_iter();
        let url = |url: String| format!("{}/2", url.replace("://", &format!("://{login}")));
        Servers::Sentinel {
            master: trio.master_name().to_owned(),
            urls: urls.map(url).collect(),
        }
    };
    let missing = refusal(with("")).await;
    assert!(missing.contains("asks for a password"), "{missing}");
    let wrong = refusal(with("default:s3crets@")).await;
    assert!(
        wrong.contains("rejects the user or the password"),
        "{wrong}"
    );
    for login in ["default:s3cret@", ":s3cret@"] {
        let redis = open(&settings(with(login), trio.prefix())).await;
        assert_eq!(works(&redis).await, [true; 3]);
    }
}

#[tokio::test]
async fn a_fault_can_be_told_apart_by_a_program() {
    let settings = settings(single("redis://127.0.0.1:1"), String::new());
    let fault = Redis::open(&settings)
        .await
        .err()
        .map(|error| error.into_fault());
    assert!(matches!(fault, Some(Fault::Refused)), "{fault:?}");
}
