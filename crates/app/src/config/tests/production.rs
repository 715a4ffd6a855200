use domain::ports::Entropy;
use domain::timestamp::Timestamp;

use super::*;
use crate::keyring::{KeyRing, Purpose};
use crate::system::SystemEntropy;

/// A configuration without findings, and then these.
fn found(pairs: &[(&str, &str)], ring: &KeyRing) -> Vec<String> {
    let sound = [
        ("profile", "production"),
        ("server.public_origin", "https://login.example.com"),
        ("sms.route", "real"),
        ("sms.gateways.real.kind", "stub"),
    ];
    let mut config = Config::load(&flags(&[&sound, pairs].concat())).unwrap();
    if let Some(gateway) = config.sms.gateways.get_mut("real") {
        gateway.kind = "webhook".to_owned();
    }
    findings(&config, ring)
        .iter()
        .map(Fault::to_string)
        .collect()
}

fn sound_ring() -> KeyRing {
    let mut ring = KeyRing::default();
    let now = Timestamp::from_secs(1_800_000_000);
    for purpose in [Purpose::Data, Purpose::Token(Algorithm::EdDsa)] {
        ring.add(purpose, now, Duration::ZERO, &SystemEntropy)
            .unwrap();
    }
    ring
}

#[test]
fn a_sound_configuration_has_no_findings() {
    assert_eq!(found(&[], &sound_ring()), Vec::<String>::new());
}

#[test]
fn every_weakness_is_found_with_its_remedy() {
    let cases: [(&[(&str, &str)], &str); 7] = [
        (
            &[("sms.route", "real,stub")],
            "sms.route (command line) names \"stub\", a stub that sends nothing: write a gateway \
             that sends",
        ),
        (
            &[("sms.routes.US", "stub")],
            "sms.routes.US (command line) names \"stub\", a stub that sends nothing: write a \
             gateway that sends",
        ),
        (
            &[("test_numbers.+8613800138000.code", "424242")],
            "test_numbers.\"+8613800138000\".until (command line) is left out, so a fixed code \
             signs in for ever: write the day it ends, such as \"2027-01-01\"",
        ),
        (
            &[("stores.sessions", "memory")],
            "stores.sessions (command line) is \"memory\", which forgets everything at a restart: \
             write \"sqlite\"",
        ),
        (
            &[("server.public_origin", "http://login.example.com")],
            "server.public_origin (command line) is not https, so codes and sessions travel \
             readable: write an https:// origin and put a TLS proxy in front of server.bind",
        ),
        (
            &[("server.ops_bind", "0.0.0.0:9090")],
            "server.ops_bind (command line) lets others reach health checks and metrics: write a \
             loopback address, or server.ops_public = true if a firewall is in front",
        ),
        (
            &[("code.resend_after", "60s,59s")],
            "code.resend_after (command line) has a wait below 60s, and carriers take one message \
             a minute: write 60s or more",
        ),
    ];
    for (pairs, line) in cases {
        assert_eq!(found(pairs, &sound_ring()), [line]);
    }
}

#[test]
fn a_redis_without_a_password_or_tls_is_found_where_others_may_reach_it() {
    let with = |key, urls| found(&[("stores.codes", "redis"), (key, urls)], &sound_ring());
    for (key, urls) in [
        ("redis.url", "redis://127.0.0.1:6379"),
        ("redis.url", "rediss://:secret@redis"),
        (
            "redis.cluster_urls",
            "rediss://u:p@a,rediss://u:p@localhost:1",
        ),
    ] {
        assert_eq!(with(key, urls), Vec::<String>::new(), "{urls}");
    }
    let no_password = "is without a password, so whoever reaches it signs in as anybody: set \
                       requirepass or an ACL user there, and write redis://USER:PASSWORD@HOST";
    let no_tls = "is without TLS, so whoever listens in between reads the password and signs in \
                  as anybody: set tls-port there, and write rediss://";
    for (key, urls, remedy) in [
        ("redis.url", "rediss://redis", no_password),
        (
            "redis.cluster_urls",
            "rediss://u:p@a,rediss://b",
            no_password,
        ),
        ("redis.url", "redis://:secret@redis", no_tls),
        ("redis.cluster_urls", "redis://u:p@localhost", no_tls),
    ] {
        assert_eq!(with(key, urls), [format!("{key} (command line) {remedy}")]);
    }
}

#[test]
fn operations_may_be_public_when_told_so() {
    let told = [
        ("server.ops_bind", "0.0.0.0:9090"),
        ("server.ops_public", "true"),
    ];
    assert_eq!(found(&told, &sound_ring()), Vec::<String>::new());
}

#[test]
fn missing_keys_are_found() {
    let place = "keys.ring_file (built-in default)";
    assert_eq!(
        found(&[], &KeyRing::default()),
        [
            format!("{place} holds no data key: make one with `phone-auth keys rotate`"),
            format!(
                "{place} has no EdDSA key as its newest token key, as tokens.algorithm asks: make \
                 one with `phone-auth keys rotate`"
            ),
        ]
    );
    assert_eq!(
        found(&[("tokens.algorithm", "HS256")], &sound_ring()),
        [format!(
            "{place} has no HS256 key as its newest token key, as tokens.algorithm asks: make one \
             with `phone-auth keys rotate`"
        )]
    );
}

/// Bytes that somebody typed.
struct Typed(&'static [u8]);

impl Entropy for Typed {
    fn fill(&self, bytes: &mut [u8]) {
        for (to, from) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *to = *from;
        }
    }
}

#[test]
fn keys_of_examples_and_typed_keys_are_found() {
    for typed in [
        b"change me".as_slice(),
        b"an example of thirty-two bytes",
        b"\0",
    ] {
        let mut ring = KeyRing::default();
        let now = Timestamp::from_secs(1_800_000_000);
        for purpose in [Purpose::Data, Purpose::Token(Algorithm::Hs256)] {
            ring.add(purpose, now, Duration::ZERO, &Typed(typed))
                .unwrap();
        }
        let lines = found(&[("tokens.algorithm", "HS256")], &ring);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(
            lines[0],
            "keys.ring_file (built-in default) holds an example as its data key 1, which everybody \
             knows: remove that key and make one with `phone-auth keys rotate`",
        );
    }
}
