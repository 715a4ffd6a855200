//! Servers in trouble: every operation answers within 1.5 s, and works again by itself.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use adapter_redis::{Redis, Servers, Settings};
use conformance::rate_limiter::a_limiter_that_is_down_admits_nothing;
use conformance::sample::{self, NOW, charge};
use domain::ports::{CodeStore, Inserted, RateLimiter, SessionStore, StoreError, with_causes};

use crate::{on, open, settings};

/// The most that the caller of a store may wait.
pub(crate) const SOON: Duration = Duration::from_millis(1500);

/// An operation of each port, one after another: whether it worked, within [`SOON`].
pub(crate) async fn works(redis: &Redis) -> [bool; 3] {
    let put = within(async { redis.put(&sample::phone_code()).await.map(drop) }).await;
    let charges = [charge(&[(1, 60)])];
    let acquired = within(async { redis.acquire(&charges, NOW).await.map(drop) }).await;
    let inserted = within(async { redis.insert(&sample::session(), 9).await.map(drop) }).await;
    [put, acquired, inserted]
}

async fn within(operation: impl Future<Output = Result<(), StoreError>>) -> bool {
    let start = Instant::now();
    let outcome = operation.await;
    assert!(start.elapsed() < SOON, "{:?}: {outcome:?}", start.elapsed());
    match outcome {
        Ok(()) => true,
        Err(StoreError::Unavailable(_)) => false,
        Err(corrupt) => panic!("{corrupt:?}"),
    }
}

const ALL: [bool; 3] = [true; 3];
const NONE: [bool; 3] = [false; 3];

#[tokio::test]
async fn a_server_that_is_stopped_and_comes_back_empty_is_found_again() {
    let server = servers::Redis::start();
    let redis = on(&server).await;
    let code = sample::phone_code();
    assert!(redis.put(&code).await.unwrap());
    server.stop();
    for _ in 0..3 {
        assert_eq!(works(&redis).await, NONE);
    }
    a_limiter_that_is_down_admits_nothing(&redis).await;
    let error = redis.consume(code.id).await.unwrap_err();
    let named = format!("127.0.0.1:{} refuses connections", server.port());
    assert!(with_causes(&error).contains(&named), "{error:?}");
    assert!(CodeStore::health(&redis).await.is_err());
    assert!(SessionStore::health(&redis).await.is_err());
    server.restart();
    assert_eq!(works(&redis).await, ALL, "the first call connects");
    assert_eq!(CodeStore::get(&redis, code.id).await.unwrap(), None);
    CodeStore::health(&redis).await.unwrap();
}

/// A web server's workers have runtimes of their own, which end before what is done last.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_under_way_in_one_runtime_does_not_end_with_another() {
    let server = servers::Redis::start();
    let redis = Arc::new(on(&server).await);
    server.restart();
    let worker = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let calls = redis.clone();
    let calls = worker.spawn(async move { works(&calls).await });
    assert_eq!(calls.await.unwrap(), ALL, "the first call connects");
    server.pause();
    let under_way = tokio::spawn(async move { redis.put(&sample::phone_code()).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    worker.shutdown_background();
    server.resume();
    assert!(under_way.await.unwrap().unwrap());
}

#[tokio::test]
async fn a_server_that_is_silent_is_waited_for_by_nobody_for_long() {
    let server = servers::Redis::start();
    let redis = Arc::new(on(&server).await);
    server.pause();
    let error = redis.consume(sample::phone_code().id).await.unwrap_err();
    let named = format!("127.0.0.1:{} does not answer", server.port());
    assert!(with_causes(&error).contains(&named), "{error:?}");
    for _ in 0..2 {
        let callers = (0..100).map(|_| {
            let redis = redis.clone();
            tokio::spawn(async move { works(&redis).await })
        });
        let callers: Vec<_> = callers.collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), NONE);
        }
    }
    server.resume();
    assert_eq!(works(&redis).await, ALL, "the first call connects");
}

#[tokio::test]
async fn many_callers_try_to_connect_only_once() {
    let server = servers::Redis::start();
    let redis = Arc::new(on(&server).await);
    server.stop();
    assert_eq!(works(&redis).await, NONE, "the connection is lost by now");
    let listener = TcpListener::bind(("127.0.0.1", server.port())).unwrap();
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = attempts.clone();
    thread::spawn(move || {
        let hang_up = |_| counted.fetch_add(1, Ordering::Relaxed);
        listener.incoming().map(hang_up).for_each(drop);
    });
    let callers = (0..100).map(|_| {
        let (redis, id) = (redis.clone(), sample::phone_code().id);
        tokio::spawn(async move { redis.consume(id).await.is_err() })
    });
    for caller in callers.collect::<Vec<_>>() {
        assert!(caller.await.unwrap());
    }
    assert!((1..10).contains(&attempts.load(Ordering::Relaxed)));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_not_noticed() {
    let server = servers::Redis::start();
    let redis = on(&server).await;
    for _ in 0..3 {
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        // The news travels through the kernel, in no time but not in none.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(works(&redis).await, ALL);
    }
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_sent_again() {
    let server = servers::Redis::start();
    let redis = on(&server).await;
    for _ in 0..2 {
        assert_eq!(works(&redis).await, ALL);
        server.cli(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(works(&redis).await, ALL);
    let stats = server.cli(&["INFO", "commandstats"]);
    let evals = stats.lines().find(|line| line.starts_with("cmdstat_eval:"));
    // Three rehearsals, and three scripts each time they were unknown.
    assert!(
        evals.is_some_and(|line| line.contains("calls=12,")),
        "{evals:?}"
    );
}

#[tokio::test]
async fn everything_flushed_is_gone_and_nothing_else_happens() {
    let server = servers::Redis::start();
    let redis = on(&server).await;
    let (code, session) = (sample::phone_code(), sample::session());
    assert!(redis.put(&code).await.unwrap());
    assert_eq!(redis.insert(&session, 9).await.unwrap(), Inserted::Stored);
    server.cli(&["FLUSHALL"]);
    assert_eq!(redis.begin_attempt(code.id).await.unwrap(), None);
    assert!(!redis.consume(code.id).await.unwrap());
    assert_eq!(redis.list(session.user, NOW).await.unwrap(), []);
    assert!(!redis.revoke(session.id, NOW).await.unwrap());
    assert_eq!(works(&redis).await, ALL);
}

#[tokio::test]
async fn a_server_without_memory_still_reads() {
    let server = servers::Redis::start();
    let redis = on(&server).await;
    let (code, session) = (sample::phone_code(), sample::session());
    assert!(redis.put(&code).await.unwrap());
    assert_eq!(redis.insert(&session, 9).await.unwrap(), Inserted::Stored);
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(works(&redis).await, NONE);
    assert!(CodeStore::health(&redis).await.is_err());
    let index = [*code.phone.index()];
    assert_eq!(
        CodeStore::get(&redis, code.id).await.unwrap().as_ref(),
        Some(&code)
    );
    assert_eq!(redis.find_by_phone(&index).await.unwrap(), [code]);
    let held = SessionStore::get(&redis, session.id).await.unwrap();
    assert_eq!(held.as_ref(), Some(&session));
    assert_eq!(redis.list(session.user, NOW).await.unwrap(), [session]);
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(works(&redis).await, ALL);
}

#[tokio::test]
async fn a_server_that_became_a_replica_is_not_used() {
    let server = servers::Redis::start();
    let redis = on(&server).await;
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_eq!(works(&redis).await, NONE);
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(works(&redis).await, ALL);
}

#[tokio::test]
async fn a_server_that_starts_to_evict_is_not_used_once_it_is_connected_to_anew() {
    let server = servers::Redis::start();
    let redis = on(&server).await;
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(works(&redis).await, NONE);
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    assert_eq!(works(&redis).await, ALL);
}

#[tokio::test]
async fn a_server_that_takes_no_more_clients_is_told_the_setting_that_helps() {
    let locked = servers::Redis::start_with(&["requirepass s3cret"]);
    for server in [servers::Redis::start(), locked, servers::Redis::start_tls()] {
        let settings = Settings {
            ca_file: server.ca_file(),
            ..settings(Servers::Single(server.url().to_owned()), server.prefix())
        };
        let redis = open(&settings).await;
        server.cli(&["CONFIG", "SET", "maxclients", "3"]);
        for _ in 0..9 {
            let error = Redis::open(&settings).await.err().expect("no room");
            assert!(error.to_string().contains("maxclients"), "{error}");
        }
        assert_eq!(works(&redis).await, ALL);
    }
}

#[tokio::test]
async fn a_server_that_has_given_our_place_away_is_told_the_setting_that_helps() {
    let server = servers::Redis::start();
    let redis = on(&server).await;
    let mut other = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let mut tell = |line: &[u8]| {
        other.write_all(line).unwrap();
        assert!(other.read(&mut [0; 100]).unwrap() > 0);
    };
    tell(b"CONFIG SET maxclients 1\r\n");
    tell(b"CLIENT KILL TYPE normal SKIPME yes\r\n");
    assert_eq!(works(&redis).await, NONE);
    let error = CodeStore::health(&redis).await.unwrap_err();
    assert!(with_causes(&error).contains("maxclients"), "{error:?}");
    tell(b"CONFIG SET maxclients 100\r\n");
    assert_eq!(works(&redis).await, ALL);
}

#[tokio::test]
async fn a_server_busy_with_a_script_of_somebody_else_is_unavailable() {
    let server = servers::Redis::start_with(&["lua-time-limit 50"]);
    let redis = on(&server).await;
    let url = server.url().to_owned();
    let busy = thread::spawn(move || {
        let mut client = std::process::Command::new("redis-cli");
        client
            .args(["-u", &url, "EVAL", "while true do end", "0"])
            .output()
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(works(&redis).await, NONE);
    server.cli(&["SCRIPT", "KILL"]);
    busy.join().unwrap().unwrap();
    assert_eq!(works(&redis).await, ALL);
}
