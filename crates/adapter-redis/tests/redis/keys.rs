//! What lies in the server: under our prefix only, and never for good.

use std::slice::from_ref;
use std::time::Duration;

use adapter_redis::{Redis, Servers};
use conformance::rate_limiter::any_history_is_as_the_counters_say;
use conformance::sample::{self, NOW, charge};
use domain::code::{DeliveryStatus, PhoneCode};
use domain::ports::{CodeStore, Inserted, RateLimiter, Rotation, SessionStore};
use domain::rate_limit::{Charge, Decision};
use domain::session::{Renewal, UserSession};

use crate::{on, open, settings};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// The longest that a code lives: NIST SP 800-63B-4 §3.1.3.2.
const LONGEST_CODE: Duration = Duration::from_secs(600);

/// What clocks of a server and its clients may be apart, and more than any entity needs.
const SLACK: Duration = Duration::from_secs(3600);

/// The time to live of each key, by name.
fn keys(server: &servers::Redis) -> Vec<(String, Duration)> {
    let names = server.cli(&["KEYS", "*"]);
    let names = names.lines().filter(|name| !name.is_empty());
    names
        .map(|name| (name.to_owned(), time_to_live(server, name)))
        .collect()
}

fn time_to_live(server: &servers::Redis, key: &str) -> Duration {
    let millis = server.cli(&["PTTL", key]).parse();
    Duration::from_millis(
        millis.unwrap_or_else(|_| panic!("{key} is there for good, or not at all")),
    )
}

fn assert_lives(server: &servers::Redis, key: &str, at_least: Duration) {
    let ttl = time_to_live(server, key);
    // A test takes a moment.
    let (least, most) = (at_least.saturating_sub(MINUTE), at_least + SLACK);
    assert!(
        least < ttl && ttl < most,
        "{key} lives {ttl:?}, not {at_least:?}"
    );
}

async fn alone() -> (servers::Redis, Redis) {
    let server = servers::Redis::start();
    let servers = Servers::Single(server.url().to_owned());
    let redis = open(&settings(servers, "p:".to_owned())).await;
    assert_eq!(keys(&server), [], "opening left something behind");
    (server, redis)
}

#[tokio::test]
async fn a_code_stays_for_its_lifetime_and_a_little_longer() {
    let (server, redis) = alone().await;
    let (mut code, phone) = (sample::phone_code(), sample::sealed_phone());
    let key = |code: &PhoneCode| format!("p:{{codes}}:{}", code.id);
    for lifetime in [3 * MINUTE, 300 * MINUTE, MINUTE] {
        code = PhoneCode {
            phone: phone.clone(),
            expires_at: NOW + lifetime,
            ..sample::phone_code()
        };
        assert!(redis.put(&code).await.unwrap());
        assert_lives(&server, &key(&code), lifetime);
    }
    let sent = code.delivery.with(DeliveryStatus::Sent);
    redis.begin_attempt(code.id).await.unwrap();
    redis.release_attempt(code.id).await.unwrap();
    assert!(redis.set_delivery(code.id, sent).await.unwrap());
    assert!(redis.consume(code.id).await.unwrap());
    assert_lives(&server, &key(&code), MINUTE);
    let found = keys(&server);
    let (phone, codes): (Vec<_>, Vec<_>) =
        found.iter().partition(|(name, _)| name.contains(":phone:"));
    let longest = codes.iter().map(|(_, ttl)| *ttl).max().unwrap();
    assert!(
        phone[0].1 + MINUTE > longest,
        "a phone's codes leave before the longest of them"
    );
    assert_eq!(found.len(), 4);
}

#[tokio::test]
async fn a_phone_forgets_codes_that_have_left() {
    let (server, redis) = alone().await;
    let gone = sample::phone_code();
    let next = PhoneCode {
        phone: gone.phone.clone(),
        ..sample::phone_code()
    };
    assert!(redis.put(&gone).await.unwrap());
    server.cli(&["DEL", &format!("p:{{codes}}:{}", gone.id)]);
    assert_eq!(
        redis.find_by_phone(&[*gone.phone.index()]).await.unwrap(),
        []
    );
    assert!(redis.put(&next).await.unwrap());
    let found = redis.find_by_phone(&[*gone.phone.index()]).await.unwrap();
    assert_eq!(found, from_ref(&next));
    let names = keys(&server);
    let phone = names.iter().find(|(name, _)| name.contains(":phone:"));
    assert_eq!(server.cli(&["SCARD", &phone.unwrap().0]), "1");
}

#[tokio::test]
async fn a_counter_stays_until_no_window_looks_at_it() {
    let (server, redis) = alone().await;
    let charge = charge(&[(3, 60), (5, 7200)]);
    let dear = Charge {
        cost: 2,
        ..charge.clone()
    };
    let lives = |span| {
        for (key, _) in keys(&server) {
            assert!(key.starts_with("p:{rate_limits}:"), "{key}");
            assert_lives(&server, &key, span);
        }
    };
    let later = NOW + 90 * MINUTE;
    let acquired = redis.acquire(from_ref(&dear), NOW).await;
    assert_eq!(acquired.unwrap(), Decision::Granted);
    lives(120 * MINUTE);
    redis.refund(from_ref(&charge), NOW).await.unwrap();
    lives(120 * MINUTE);
    let acquired = redis.acquire(from_ref(&charge), NOW).await;
    assert_eq!(acquired.unwrap(), Decision::Granted);
    // Another process's clock is behind: the hit that is ahead of it stays its whole window.
    let behind = NOW - 90 * MINUTE;
    assert_eq!(
        redis.acquire(from_ref(&charge), behind).await.unwrap(),
        Decision::Granted
    );
    lives(210 * MINUTE);
    assert_eq!(
        redis.acquire(from_ref(&charge), later).await.unwrap(),
        Decision::Granted
    );
    lives(120 * MINUTE);
    redis.refund(from_ref(&charge), NOW).await.unwrap();
    redis.refund(from_ref(&charge), later).await.unwrap();
    assert_eq!(keys(&server).len(), 1, "one hit is left");
    lives(120 * MINUTE);
    redis.refund(from_ref(&charge), NOW).await.unwrap();
    assert_eq!(
        redis.acquire(from_ref(&charge), behind).await.unwrap(),
        Decision::Granted
    );
    redis.clear(&[charge.key]).await.unwrap();
    assert_eq!(keys(&server), []);
}

#[tokio::test]
async fn a_counter_that_never_rests_keeps_no_hit_that_no_window_looks_at() {
    let (server, redis) = alone().await;
    let charge = charge(&[(3, 60), (5, 600)]);
    for minutes in (0..100).step_by(4) {
        let granted = redis
            .acquire(from_ref(&charge), NOW + minutes * MINUTE)
            .await;
        assert_eq!(granted.unwrap(), Decision::Granted);
    }
    let (key, _) = &keys(&server)[0];
    assert_eq!(server.cli(&["ZCARD", key]), "3");
}

#[tokio::test]
async fn no_history_of_a_counter_leaves_a_key_for_good() {
    let (server, redis) = alone().await;
    any_history_is_as_the_counters_say(&redis).await;
    assert!(!keys(&server).is_empty());
}

#[tokio::test]
async fn a_code_stays_taken_for_longer_than_its_session_stays() {
    let (server, redis) = alone().await;
    let mut session = sample::session();
    let names = [session.id.to_string(), session.code.to_string()];
    let [held, taken] = names.map(|name| format!("p:{{sessions}}:{name}"));
    let lives = |span| {
        assert_lives(&server, &held, span);
        let longer = time_to_live(&server, &held) + LONGEST_CODE;
        assert!(time_to_live(&server, &taken) >= longer);
    };
    assert_eq!(redis.insert(&session, 20).await.unwrap(), Inserted::Stored);
    lives(7 * DAY);
    for (refreshed, until, span) in [(0, 40, 30), (5, 12, 7), (25, 32, 5), (31, 38, 0)] {
        let renewal = Renewal {
            expires_at: NOW + until * DAY,
            ..sample::renewal(NOW + refreshed * DAY)
        };
        let works = session.refresh.unwrap();
        match redis.rotate(session.id, works, &renewal).await.unwrap() {
            Rotation::Rotated(now) => session = now,
            other => panic!("{other:?}"),
        }
        lives(span * DAY);
    }
    assert!(redis.revoke(session.id, NOW).await.unwrap());
    lives(Duration::ZERO);
}

#[tokio::test]
async fn a_session_does_not_take_the_place_of_another() {
    let (_server, redis) = alone().await;
    let session = sample::session();
    let same_id = UserSession {
        id: session.id,
        ..sample::session()
    };
    assert_eq!(redis.insert(&session, 20).await.unwrap(), Inserted::Stored);
    assert_ne!(redis.insert(&same_id, 20).await.unwrap(), Inserted::Stored);
    let held = SessionStore::get(&redis, session.id).await.unwrap();
    assert_eq!(held, Some(session));
}

#[tokio::test]
async fn a_users_list_stays_as_long_as_the_longest_session_in_it() {
    let (server, redis) = alone().await;
    let user = sample::user_id();
    let lasting = sample::session_of(user, NOW);
    let brief = UserSession {
        expires_at: NOW + DAY,
        ends_at: NOW + DAY,
        ..sample::session_of(user, NOW)
    };
    let list = format!("p:{{sessions}}:{user}");
    for session in [&brief, &lasting, &brief] {
        let session = UserSession {
            code: sample::phone_code().id,
            id: sample::session().id,
            ..session.clone()
        };
        assert_eq!(redis.insert(&session, 2).await.unwrap(), Inserted::Stored);
    }
    assert_lives(&server, &list, 30 * DAY);
    assert_eq!(redis.list(user, NOW).await.unwrap().len(), 2);
    assert_eq!(server.cli(&["ZCARD", &list]), "3");
    let next = sample::session_of(user, NOW);
    assert_eq!(redis.insert(&next, 2).await.unwrap(), Inserted::Stored);
    assert_eq!(
        server.cli(&["ZCARD", &list]),
        "3",
        "revoked ones are not counted for ever"
    );
    assert_eq!(redis.revoke_all(user, NOW).await.unwrap(), 2);
    keys(&server)
        .iter()
        .for_each(|(key, _)| assert_ne!(*key, list));
}

#[tokio::test]
async fn services_with_prefixes_of_their_own_share_a_server() {
    let server = servers::Redis::shared();
    let (ours, theirs) = (on(server).await, on(server).await);
    let (code, session, charge) = (sample::phone_code(), sample::session(), charge(&[(1, 60)]));
    for redis in [&ours, &theirs] {
        assert!(redis.put(&code).await.unwrap());
        assert_eq!(redis.insert(&session, 20).await.unwrap(), Inserted::Stored);
        assert_eq!(
            redis.acquire(from_ref(&charge), NOW).await.unwrap(),
            Decision::Granted
        );
    }
    assert!(ours.consume(code.id).await.unwrap());
    assert_eq!(ours.revoke_all(session.user, NOW).await.unwrap(), 1);
    let theirs_now = CodeStore::get(&theirs, code.id).await.unwrap();
    assert_eq!(theirs_now, Some(code));
    assert_eq!(theirs.list(session.user, NOW).await.unwrap(), [session]);
}
