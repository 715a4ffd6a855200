//! A server that a store is on and that cannot be used: one line with its name, the reason and
//! what to do, soon, and never with the password.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use servers::{Postgres, Redis, RedisCluster, psql};
use tests_support::process::{Finished, Installation};

use super::failed;

/// Five seconds, and what a busy machine adds.
const IN_TIME: Duration = Duration::from_millis(6500);

const PASSWORD: &str = "hunter2";

/// Everything in PostgreSQL there.
fn postgres(url: &str) -> Installation {
    ["codes", "rate_limits", "sessions", "users"]
        .iter()
        .fold(Installation::new(), |installation, port| {
            installation.set(&format!("stores.{port}"), "postgres")
        })
        .set("postgres.url", url)
}

/// Codes in Redis there.
fn redis(key: &str, url: &str) -> Installation {
    Installation::new()
        .set("stores.codes", "redis")
        .set(key, url)
}

/// What each command that needs the stores says, in one line with all of this.
#[track_caller]
fn refused(installation: &Installation, commands: &[&str], status: i32, told: &[&str]) {
    for command in commands {
        let finished = in_time(installation, command);
        let lines = failed(&finished, status);
        assert_eq!(lines.len(), 1, "{command}: {lines:?}");
        for part in told {
            assert!(lines[0].contains(part), "{command}: {part}: {lines:?}");
        }
    }
}

#[track_caller]
fn in_time(installation: &Installation, command: &str) -> Finished {
    let started = Instant::now();
    let finished = installation.run(&[command]);
    let took = started.elapsed();
    assert!(took < IN_TIME, "{command} took {took:?}");
    let all = format!("{}{}", finished.out, finished.err);
    assert!(!all.contains(PASSWORD), "{command}: {all}");
    finished
}

/// `HOST:PORT/DATABASE` of a URL.
fn server(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, server)| server)
}

/// A URL with another user and password.
fn with_login(url: &str, login: &str) -> String {
    format!("postgres://{login}@{}", server(url))
}

const ALL: &[&str] = &["serve", "check", "migrate"];
const BOTH: &[&str] = &["serve", "check"];

#[test]
fn a_url_that_is_none_is_a_fault_of_the_configuration() {
    let login = format!("u:{PASSWORD}");
    for url in [
        format!("mysql://{login}@db/x"),
        format!("postgres://{login}@db:port/x"),
        format!("postgres://{login}@db/x?nonsense=1"),
        PASSWORD.to_owned(),
    ] {
        let told = [
            "postgres.url (environment ",
            "postgres://USER:PASSWORD@HOST",
        ];
        refused(&postgres(&url), ALL, 2, &told);
    }
    for url in [
        format!("http://{login}@db"),
        format!("redis://{login}@db:port"),
    ] {
        refused(
            &redis("redis.url", &url),
            BOTH,
            2,
            &["redis.url (environment ", "redis://"],
        );
    }
}

#[test]
fn a_server_that_refuses_connections_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap().to_string();
    drop(listener);
    let url = format!("postgres://u:{PASSWORD}@{nobody}/x");
    refused(
        &postgres(&url),
        ALL,
        1,
        &[&format!("postgres: {nobody}/x"), "start it"],
    );
    let url = format!("redis://u:{PASSWORD}@{nobody}");
    for key in ["redis.url", "redis.cluster_urls"] {
        refused(
            &redis(key, &url),
            BOTH,
            1,
            &[&format!("redis: {nobody}"), "start"],
        );
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up_in_five_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let url = format!("postgres://u:{PASSWORD}@{address}/x");
    refused(
        &postgres(&url),
        &["serve"],
        1,
        &[&format!("postgres: {address}/x"), "answer"],
    );
    let url = format!("redis://u:{PASSWORD}@{address}");
    refused(
        &redis("redis.url", &url),
        &["serve"],
        1,
        &[&format!("redis: {address}"), "answer"],
    );
}

#[test]
fn two_servers_that_say_nothing_are_given_up_together_and_both_are_named() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let both = redis("redis.url", &format!("redis://u:{PASSWORD}@{address}"))
        .set("stores.users", "postgres")
        .set(
            "postgres.url",
            &format!("postgres://u:{PASSWORD}@{address}/x"),
        );
    let finished = in_time(&both, "serve");
    let mut lines = failed(&finished, 1);
    lines.sort_unstable();
    let told = [
        format!("postgres: {address}/x"),
        format!("redis: {address}"),
    ];
    assert_eq!(lines.len(), told.len(), "{lines:?}");
    for (line, told) in lines.iter().zip(&told) {
        assert!(line.starts_with(told), "{lines:?}");
    }
}

#[test]
fn a_wrong_password_is_named_and_not_shown() {
    let url = Postgres::shared().database();
    let wrong = with_login(&url, &format!("phone_auth:{PASSWORD}"));
    refused(
        &postgres(&wrong),
        ALL,
        1,
        &[server(&url), "user and password in postgres.url"],
    );
    let guarded = Redis::start_with(&["requirepass secret"]);
    let address = server(guarded.url());
    let wrong = format!("redis://default:{PASSWORD}@{address}");
    refused(&redis("redis.url", &wrong), BOTH, 1, &[address, "password"]);
    let without = format!("redis://{address}");
    refused(
        &redis("redis.url", &without),
        BOTH,
        1,
        &[address, "redis://user:password@"],
    );
}

#[test]
fn a_database_that_does_not_exist_is_named() {
    let url = Postgres::shared().database() + "_not";
    refused(&postgres(&url), ALL, 1, &[server(&url), "CREATE DATABASE"]);
}

#[test]
fn a_missing_schema_and_a_missing_permission_are_told_with_what_to_do() {
    let url = Postgres::shared().database();
    let role = format!("guest_of_{}", url.rsplit('/').next().unwrap());
    psql(
        &url,
        &format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'"),
    );
    let guest = postgres(&with_login(&url, &format!("{role}:{PASSWORD}")));
    let missing = [server(&url), "lacks the schema", "phone-auth migrate"];
    refused(&guest, &["serve", "migrate"], 1, &missing);
    let made = postgres(&url).run(&["migrate"]);
    assert_eq!(made.status, 0, "{made:?}");
    refused(
        &guest,
        &["serve"],
        1,
        &[server(&url), "does not let this user", "GRANT"],
    );
    psql(&url, &format!("DROP ROLE {role}"));

    let redis_server = Redis::start();
    redis_server.cli(&[
        "ACL",
        "SETUSER",
        "guest",
        "on",
        &format!(">{PASSWORD}"),
        "~*",
        "+ping",
    ]);
    let address = server(redis_server.url()).trim_start_matches("redis://");
    let guest = format!("redis://guest:{PASSWORD}@{address}");
    refused(
        &redis("redis.url", &guest),
        BOTH,
        1,
        &[address, "ACL SETUSER guest"],
    );
}

#[test]
fn a_redis_is_checked_for_what_it_is_there_for() {
    let server = Redis::start();
    let rules = ["on", ">secret", "~phone-auth:{rate_limits}:*", "+@all"];
    server.cli(&[&["ACL", "SETUSER", "app"][..], &rules].concat());
    let installation = Installation::new()
        .set("stores.rate_limits", "redis")
        .set("redis.prefix", "phone-auth:")
        .set(
            "redis.url",
            &format!("redis://app:secret@127.0.0.1:{}", server.port()),
        );
    let before_any_schema = installation.run(&["check"]);
    let told = &before_any_schema.out;
    assert!(
        told.contains("migrations missing") && told.contains("ok      redis: "),
        "{told}"
    );
}

#[test]
fn a_redis_that_would_forget_what_it_should_keep_is_refused() {
    let evicting = Redis::start_with(&["maxmemory 100mb", "maxmemory-policy allkeys-lru"]);
    let told = ["allkeys-lru", "CONFIG SET maxmemory-policy noeviction"];
    refused(&redis("redis.url", evicting.url()), BOTH, 1, &told);
}

#[test]
fn a_redis_of_another_sort_is_told_by_its_key() {
    let node = &RedisCluster::shared().urls()[0];
    refused(
        &redis("redis.url", node),
        BOTH,
        1,
        &["write redis.cluster_urls"],
    );
    let single = Redis::shared().url();
    refused(
        &redis("redis.cluster_urls", single),
        BOTH,
        1,
        &["write redis.url"],
    );
}
