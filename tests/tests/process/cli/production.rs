//! `profile = "production"`: each weakness is one line and stops the start.

use std::fs;

use servers::{Postgres, Redis, psql};
use tests_support::process::Installation;
use tests_support::until;

use super::{done, failed};

/// As strong as this build can be: but for the stub, nothing is weak.
fn strong() -> Installation {
    let installation = Installation::new()
        .set("profile", "production")
        .set("server.public_origin", "https://login.example.com");
    done(&installation.run(&["keys", "rotate"]));
    installation
}

/// The lines of a start that was refused, less their heading; the same that `check` tells.
#[track_caller]
fn weaknesses(installation: &Installation) -> Vec<String> {
    let finished = installation.run(&["serve"]);
    let lines = failed(&finished, 2);
    assert_eq!(lines[0], "refusing to start with profile = \"production\":");
    let lines: Vec<_> = lines[1..].iter().map(|line| line.to_string()).collect();
    let checked = installation.run(&["check"]);
    assert_eq!(checked.status, 1, "{checked:?}");
    for line in &lines {
        assert!(
            checked.out.contains(&format!("FAILED  profile: {line}\n")),
            "{checked:?}"
        );
    }
    lines
}

#[test]
fn each_weakness_is_one_line_with_its_remedy() {
    let stub = weaknesses(&strong());
    assert_eq!(stub.len(), 1, "{stub:?}");
    assert!(
        stub[0].starts_with("sms.route (") && stub[0].contains("stub"),
        "{stub:?}"
    );
    for (key, value, told) in [
        ("server.public_origin", "http://login.example.com", "https"),
        ("server.ops_bind", "0.0.0.0:0", "loopback"),
        ("stores.codes", "memory", "sqlite"),
        ("stores.rate_limits", "memory", "sqlite"),
        ("stores.sessions", "memory", "sqlite"),
        ("stores.users", "memory", "sqlite"),
        ("code.resend_after", "59s", "60s"),
        ("test_numbers.8613800138000.code", "424242", "until"),
    ] {
        let lines = weaknesses(&strong().set(key, value));
        assert_eq!(lines.len(), 2, "{key}: {lines:?}");
        let about = lines.iter().find(|line| **line != stub[0]).unwrap();
        assert!(about.contains(told), "{key}: {about}");
        assert!(!about.contains("424242"));
    }
    let meant = strong()
        .set("server.ops_bind", "0.0.0.0:0")
        .set("server.ops_public", "true");
    assert_eq!(weaknesses(&meant), stub);
    let ending = strong()
        .set("test_numbers.8613800138000.code", "424242")
        .set("test_numbers.8613800138000.until", "2099-01-01");
    assert_eq!(weaknesses(&ending), stub);
}

#[test]
fn all_weaknesses_are_told_at_once() {
    let installation = Installation::new()
        .set("profile", "production")
        .set("stores.codes", "memory")
        .set("server.ops_bind", "0.0.0.0:0");
    let lines = weaknesses(&installation);
    for part in [
        "keys.ring",
        "server.public_origin",
        "server.ops_bind",
        "stores.codes",
        "sms.route",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(part)),
            "{part}: {lines:?}"
        );
    }
}

#[test]
fn no_keys_are_made_by_themselves() {
    let installation = Installation::new().set("profile", "production");
    let lines = weaknesses(&installation);
    let missing: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("keys rotate"))
        .collect();
    assert_eq!(missing.len(), 2, "{lines:?}");
    assert!(!installation.data().join("keys.toml").exists());
}

#[test]
fn a_key_that_is_short_or_an_example_is_refused() {
    let installation = strong();
    let ring = installation.data().join("keys.toml");
    let text = fs::read_to_string(&ring).unwrap();
    let with_data_secret = |secret: &str| {
        let (head, rest) = text.split_once("secret = \"").unwrap();
        let (_, tail) = rest.split_once('"').unwrap();
        fs::write(&ring, format!("{head}secret = \"{secret}\"{tail}")).unwrap();
    };
    // "an example key, thirty-two bytes and more", and the same byte over and over.
    for made_up in [
        "YW4gZXhhbXBsZSBrZXksIHRoaXJ0eS10d28gYnl0ZXMgYW5kIG1vcmU=",
        &"AAAA".repeat(11),
    ] {
        with_data_secret(made_up);
        let lines = weaknesses(&installation);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("example"), "{lines:?}");
        assert!(!lines[0].contains(made_up));
    }
    with_data_secret("c2hvcnQ=");
    let finished = installation.run(&["serve"]);
    let lines = failed(&finished, 2);
    assert!(lines.len() == 1 && lines[0].contains("32"), "{lines:?}");
}

#[test]
fn sessions_in_redis_need_an_append_only_file() {
    let redis = Redis::start();
    let installation = strong()
        .set("stores.sessions", "redis")
        .set("redis.url", redis.url());
    done(&installation.run(&["migrate"]));
    let is_told = || {
        let checked = installation.run(&["check"]);
        checked.out.contains("FAILED  profile: stores.sessions (")
    };
    assert!(is_told());
    assert_eq!(redis.cli(&["CONFIG", "SET", "appendonly", "yes"]), "OK");
    assert!(!is_told());
}

#[test]
fn users_and_sessions_need_a_postgres_that_waits_for_its_disk() {
    let postgres = Postgres::start_with(&["fsync = on"]);
    let installation = strong()
        .set("stores.users", "postgres")
        .set("stores.sessions", "postgres")
        .set("postgres.url", postgres.url());
    done(&installation.run(&["migrate"]));
    let told = || {
        let checked = installation.run(&["check"]);
        checked
            .out
            .matches("FAILED  profile: postgres.url (")
            .count()
    };
    assert_eq!(told(), 0);
    psql(
        postgres.url(),
        "ALTER ROLE phone_auth SET synchronous_commit = off",
    );
    assert_eq!(told(), 1);
}

#[tokio::test]
async fn the_same_findings_are_warnings_in_development() {
    let without_a_file = Redis::start();
    let installation = Installation::new()
        .set("stores.sessions", "redis")
        .set("redis.url", without_a_file.url());
    let service = installation.serve().await;
    let log = until("the warnings", async || {
        Some(service.log()).filter(|log| log.contains("health and metrics"))
    });
    let log = log.await;
    for key in ["server.public_origin", "sms.route", "stores.sessions"] {
        let warned = log.lines().any(|line| {
            line.contains("WARN") && line.contains(&format!("not for production: {key} "))
        });
        assert!(warned, "{key}: {log}");
    }
}
