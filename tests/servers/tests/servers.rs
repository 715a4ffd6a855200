//! Each server starts, answers, and is gone after its test, whatever became of that.

#![allow(clippy::unwrap_used, reason = "in a test a panic is an assertion")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use servers::{Nginx, PgBouncer, Postgres, Redis, RedisCluster, RedisSentinel, psql};

#[test]
fn postgres_gives_each_test_a_database_of_its_own() {
    let postgres = Postgres::start();
    let (one, other) = (postgres.database(), postgres.database());
    psql(&one, "CREATE TABLE t (n int)");
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename = 't'";
    assert_eq!(psql(&one, tables), "1");
    assert_eq!(psql(&other, tables), "0");
}

#[test]
fn postgres_keeps_what_it_committed_before_it_is_killed() {
    let postgres = Postgres::start();
    let database = postgres.database();
    psql(&database, "CREATE TABLE t AS SELECT 7 AS n");
    postgres.kill();
    postgres.restart();
    assert_eq!(psql(&database, "SELECT n FROM t"), "7");
}

#[test]
fn redis_starts_again_empty() {
    let redis = Redis::start();
    redis.cli(&["SET", "key", "value"]);
    assert_eq!(redis.cli(&["GET", "key"]), "value");
    redis.restart();
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
}

#[test]
fn redis_asks_for_the_password_that_it_is_given() {
    let redis = Redis::start_with(&["requirepass x", "maxmemory 3mb"]);
    assert_eq!(redis.cli(&["PING"]), "PONG");
    let open = format!("redis://127.0.0.1:{}", redis.port());
    let anybody = Command::new("redis-cli")
        .args(["-u", &open, "PING"])
        .output();
    let answer = String::from_utf8(anybody.unwrap().stdout).unwrap();
    assert!(answer.contains("NOAUTH"), "{answer}");
}

#[test]
fn postgres_takes_tls_only_when_told() {
    let postgres = Postgres::start_tls();
    let checked = format!(
        "{}?sslmode=verify-full&sslrootcert={}",
        postgres.url(),
        postgres.ca_file().display()
    );
    assert_eq!(psql(&checked, "SELECT 1"), "1");
    let plain = format!("{}?sslmode=disable", postgres.url());
    assert!(std::panic::catch_unwind(|| psql(&plain, "SELECT 1")).is_err());
}

#[test]
fn redis_takes_tls_only_and_with_a_password_when_told() {
    let (redis, cluster) = (Redis::start_tls(), RedisCluster::start_tls());
    let trio = RedisSentinel::start_tls();
    let urls = [vec![redis.url().to_owned()], cluster.urls(), trio.urls()];
    for url in urls.concat() {
        let ping = |options: &[&str], url: &str| {
            let mut client = Command::new("redis-cli");
            client.args(options).args(["-u", url, "PING"]);
            String::from_utf8(client.output().unwrap().stdout).unwrap()
        };
        assert_eq!(ping(&["--insecure"], &url), "PONG\n");
        assert_eq!(ping(&[], &url.replace("rediss", "redis")), "");
        let nobody = ping(&["--insecure"], &url.replace("default:s3cret@", ""));
        assert!(nobody.contains("NOAUTH"), "{nobody}");
    }
}

#[test]
fn a_cluster_survives_one_of_its_masters() {
    let cluster = RedisCluster::start();
    cluster.cli(&["SET", "key", "value"]);
    let killed = cluster.kill_master_of("key");
    wait_until(|| cluster.master_of("key") != killed);
    cluster.wait_until_whole();
    assert_eq!(cluster.cli(&["SET", "key", "other"]), "OK");
    cluster.restart(killed);
    cluster.wait_until_whole();
    assert_ne!(cluster.master_of("key"), killed);
}

#[test]
fn sentinels_make_a_replica_the_master() {
    let trio = RedisSentinel::start();
    trio.cli(&["SET", "key", "value"]);
    assert_eq!(trio.cli(&["WAIT", "2", "5000"]), "2");
    let killed = trio.kill_master();
    wait_until(|| trio.master() != killed);
    assert_eq!(trio.cli(&["GET", "key"]), "value");
}

#[test]
fn pgbouncer_shares_connections_among_transactions() {
    let postgres = Postgres::start();
    let bouncer = PgBouncer::start(&postgres);
    let url = bouncer.url(&postgres.database());
    let backend = || psql(&url, "SELECT pg_backend_pid()");
    assert_eq!(backend(), backend());
}

#[test]
fn nginx_takes_a_new_configuration() {
    let says = |port, word| format!("server {{ listen {port}; return 200 {word}; }}");
    let nginx = Nginx::start(|port| says(port, "one"));
    assert!(get(nginx.address()).ends_with("one"));
    nginx.reload(&says(nginx.address().port(), "two"));
    wait_until(|| get(nginx.address()).ends_with("two"));
}

#[test]
fn a_paused_server_keeps_silent_until_it_resumes() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    redis.pause();
    postgres.pause();
    let ask = ["-p", &redis.port().to_string(), "PING"];
    let redis_answers = Command::new("redis-cli")
        .args(ask)
        .stdout(Stdio::piped())
        .spawn();
    let url = postgres.url().to_owned();
    let postgres_answers = std::thread::spawn(move || psql(&url, "SELECT 1"));
    std::thread::sleep(Duration::from_millis(200));
    let mut redis_answers = redis_answers.unwrap();
    assert!(redis_answers.try_wait().unwrap().is_none());
    assert!(!postgres_answers.is_finished());
    redis.resume();
    postgres.resume();
    assert_eq!(redis_answers.wait_with_output().unwrap().stdout, b"PONG\n");
    assert_eq!(postgres_answers.join().unwrap(), "1");
}

#[test]
fn a_server_is_gone_when_it_is_dropped_even_paused_or_killed() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let folders = [
        PathBuf::from(redis.cli(&["CONFIG", "GET", "dir"]).lines().last().unwrap()),
        PathBuf::from(psql(postgres.url(), "SHOW data_directory")),
    ];
    assert!(folders.iter().all(|folder| folder.is_dir()));
    let ports = [redis.port(), postgres.port()];
    redis.pause();
    postgres.kill();
    drop((redis, postgres));
    assert!(!folders.iter().any(|folder| folder.exists()));
    assert!(!ports.into_iter().any(listens));
}

#[test]
fn servers_do_not_outlive_a_process_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut owner = Owner::start(folder.path(), &[]);
    assert!(owner.ports.iter().copied().all(listens));
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    owner.process.kill().unwrap();
    owner.process.wait().unwrap();
    wait_until(|| folder.path().read_dir().unwrap().count() == 0);
    assert!(!owner.ports.into_iter().any(listens));
}

#[test]
fn databases_on_a_server_that_was_there_go_with_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start();
    let databases = || psql(postgres.url(), "SELECT count(*) FROM pg_database");
    let before = databases();
    let mut owner = Owner::start(folder.path(), &[("TEST_POSTGRES_URL", postgres.url())]);
    assert_eq!(owner.ports[0], postgres.port());
    assert_ne!(databases(), before);
    owner.process.kill().unwrap();
    owner.process.wait().unwrap();
    wait_until(|| databases() == before);
}

#[test]
fn keys_on_a_server_that_was_there_go_with_the_process_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start_with(&["requirepass s3cret"]);
    let mut owner = Owner::start(folder.path(), &[("TEST_REDIS_URL", redis.url())]);
    assert_eq!(owner.ports[1], redis.port());
    let of_others = owner.prefix.split(':').next().unwrap();
    for key in [of_others, "a:b"] {
        redis.cli(&["SET", key, ""]);
    }
    for number in 0..20 {
        redis.cli(&["SET", &format!("{}{{codes}}:'{number}", owner.prefix), ""]);
    }
    owner.process.kill().unwrap();
    owner.process.wait().unwrap();
    wait_until(|| redis.cli(&["DBSIZE"]) == "2");
}

/// Another process with a PostgreSQL and a Redis.
struct Owner {
    process: Child,
    ports: Vec<u16>,
    prefix: String,
}

impl Owner {
    fn start(folder: &Path, theirs: &[(&str, &str)]) -> Self {
        // PostgreSQL's user has to get through to what is its own.
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o711)).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_phone-auth-servers"))
            .env("TMPDIR", folder)
            .env_remove("TEST_REDIS_URL")
            .env_remove("TEST_POSTGRES_URL")
            .envs(theirs.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(process.stdout.take().unwrap());
        let told: Vec<String> = told.lines().take(3).map(Result::unwrap).collect();
        Self {
            process,
            ports: told[..2].iter().map(|url| port_of(url)).collect(),
            prefix: told[2].clone(),
        }
    }
}

fn port_of(url: &str) -> u16 {
    let (_, rest) = url.rsplit_once(':').unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

fn get(address: SocketAddr) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    std::io::read_to_string(connection).unwrap()
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}
