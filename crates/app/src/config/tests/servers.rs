//! How stores that are servers are reached.

use super::*;

/// What a port on Redis makes of these.
fn redis(pairs: &[(&str, &str)]) -> Config {
    Config::load(&flags(&[&[("stores.codes", "redis")], pairs].concat())).unwrap()
}

#[test]
fn only_what_is_used_is_checked() {
    let nonsense = [
        ("postgres.url", "hunter2"),
        ("postgres.pool", "0"),
        ("redis.cluster_urls", ""),
        ("redis.url", "hunter2"),
        ("redis.prefix", "{"),
        ("redis.ca_file", ""),
    ];
    let config = Config::load(&flags(&nonsense)).unwrap();
    assert!(config.postgres.is_none() && config.redis.is_none());
    assert!(!format!("{config:?}").contains("hunter2"));
    let used = [("stores.users", "postgres"), ("stores.codes", "redis")];
    let expected = r#"
postgres.pool (command line) cannot be "0": write a whole number from 1 to 1000
postgres.url (command line) cannot be "(hidden)": write postgres://USER:PASSWORD@HOST/DATABASE, special characters percent-encoded (@ as %40)
redis.ca_file (command line) cannot be "": write the path of a PEM file
redis.cluster_urls (command line) stands beside redis.url: write one of the two
redis.prefix (command line) cannot be "{": write 1 to 64 ASCII characters without space, { and }, such as "phone-auth:""#;
    assert_eq!(
        faults(&flags(&[&nonsense[..], &used].concat())),
        expected.trim_start()
    );
}

#[test]
fn a_password_is_shown_nowhere_and_its_server_is() {
    let config = redis(&[
        (
            "redis.cluster_urls",
            "redis://u:hunter2@a:1,rediss://:hunter2@b:2",
        ),
        ("stores.users", "postgres"),
        (
            "postgres.url",
            "postgres://u:hunter2@db/name?sslmode=require",
        ),
    ]);
    assert_eq!(
        shown(&config, "redis.cluster_urls"),
        "redis.cluster_urls = \"redis://(hidden)@a:1\", \"rediss://(hidden)@b:2\"  # command line"
    );
    assert_eq!(
        shown(&config, "postgres.url"),
        "postgres.url = \"postgres://(hidden)@db/name?sslmode=require\"  # command line"
    );
    assert!(!format!("{config:?}").contains("hunter2"));
    let wrong = flags(&[
        ("stores.users", "postgres"),
        ("postgres.url", "mysql://u:hunter2@db/name"),
    ]);
    assert_eq!(
        faults(&wrong),
        "postgres.url (command line) cannot be \"mysql://(hidden)@db/name\": write \
         postgres://USER:PASSWORD@HOST/DATABASE, special characters percent-encoded (@ as %40)"
    );
}

#[test]
fn the_latest_layer_says_what_sort_of_redis_it_is() {
    let servers = |pairs: &[_]| format!("{:?}", redis(pairs).redis.unwrap().servers);
    assert_eq!(servers(&[]), "Single(redis://localhost:6379)");
    let nodes = ("redis.cluster_urls", "redis://a:1,redis://b:2");
    assert_eq!(servers(&[nodes]), "Cluster([redis://a:1, redis://b:2])");
    let sentinels = [
        ("redis.sentinel.master", "mymaster"),
        ("redis.sentinel.urls", "redis://s:26379"),
    ];
    assert_eq!(
        servers(&sentinels),
        "Sentinel { master: \"mymaster\", urls: [redis://s:26379] }"
    );
    let (_folder, mut sources) =
        file("redis.cluster_urls = [\"redis://a:1\"]\nstores.codes = \"redis\"\n");
    sources.flags = flags(&[("redis.url", "redis://b:2")]).flags;
    let config = Config::load(&sources).unwrap();
    assert!(matches!(
        config.redis.unwrap().servers,
        RedisServers::Single(_)
    ));
}

#[test]
fn two_sorts_of_redis_or_half_of_one_are_a_fault() {
    let given = |pairs: &[_]| faults(&flags(&[&[("stores.codes", "redis")], pairs].concat()));
    let (url, node) = (
        ("redis.url", "redis://a"),
        ("redis.cluster_urls", "redis://a"),
    );
    let master = ("redis.sentinel.master", "m");
    assert_eq!(
        given(&[url, node]),
        "redis.cluster_urls (command line) stands beside redis.url: write one of the two"
    );
    assert_eq!(
        given(&[master, node]),
        "redis.sentinel.urls (command line) stands beside redis.cluster_urls: write one of the two"
    );
    assert_eq!(
        given(&[master]),
        "redis.sentinel.urls (command line) cannot be left out: write a list of sentinels, such as \
         [\"redis://HOST:26379\"], special characters percent-encoded (@ as %40)"
    );
}

#[test]
fn urls_may_be_in_a_file() {
    let (folder, mut sources) = file("");
    let secret = folder.path().join("urls");
    let path = secret.to_str().unwrap();
    fs::write(&secret, "redis://u:hunter2@a:1\nredis://u:hunter2@b:2\n").unwrap();
    sources.flags = flags(&[("stores.codes", "redis"), ("redis.cluster_urls_file", path)]).flags;
    let config = Config::load(&sources).unwrap();
    assert_eq!(
        format!("{:?}", config.redis.unwrap().servers),
        "Cluster([redis://(hidden)@a:1, redis://(hidden)@b:2])"
    );
    sources.flags = flags(&[("stores.users", "postgres"), ("postgres.url_file", path)]).flags;
    assert_eq!(
        faults(&sources),
        "postgres.url_file (command line) cannot be \"urls\": write \
         postgres://USER:PASSWORD@HOST/DATABASE, special characters percent-encoded (@ as %40)"
    );
}
