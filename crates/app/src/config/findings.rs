//! What is too weak for production.

use std::time::Duration;

use super::policy::MOST_WAITS;
use super::{Config, Fault, RedisServers, RingSource, Store};
use crate::keyring::KeyRing;

/// What the carriers allow: one message a minute to one phone.
const LEAST_RESEND_WAIT: Duration = Duration::from_secs(60);

/// What stops a start in production and is a warning elsewhere, one line each.
pub fn findings(config: &Config, ring: &KeyRing) -> Vec<Fault> {
    let mut found = Findings {
        config,
        faults: Vec::new(),
    };
    found.keys(ring);
    found.listeners();
    found.stores();
    found.redis();
    found.gateways();
    found.test_numbers();
    found.resend_wait();
    found.faults
}

struct Findings<'a> {
    config: &'a Config,
    faults: Vec<Fault>,
}

impl Findings<'_> {
    fn add(&mut self, key: &str, text: impl Into<String>) {
        self.faults.push(self.config.fault(key, text));
    }

    fn keys(&mut self, ring: &KeyRing) {
        let key = match &self.config.keys {
            RingSource::Text(_) => "keys.ring",
            RingSource::File(_) => "keys.ring_file",
        };
        for weakness in ring.weaknesses(self.config.tokens.algorithm) {
            self.add(key, weakness);
        }
    }

    fn listeners(&mut self) {
        let server = &self.config.server;
        if !server.public_origin.is_https() {
            let text = "is not https, so codes and sessions travel readable: write an https:// \
                        origin and put a TLS proxy in front of server.bind";
            self.add("server.public_origin", text);
        }
        if !server.ops_bind.ip().is_loopback() && !server.ops_public {
            let text = "lets others reach health checks and metrics: write a loopback address, \
                        or server.ops_public = true if a firewall is in front";
            self.add("server.ops_bind", text);
        }
    }

    fn stores(&mut self) {
        for (port, store) in self.config.stores.by_name() {
            if store == Store::Memory {
                let text = "is \"memory\", which forgets everything at a restart: write \"sqlite\"";
                self.add(&format!("stores.{port}"), text);
            }
        }
    }

    fn redis(&mut self) {
        let Some(redis) = &self.config.redis else {
            return;
        };
        // Sentinels and nodes of a Cluster name the others, which may be anywhere.
        let is_here = matches!(&redis.servers, RedisServers::Single(url) if url.is_loopback());
        let remote = if is_here { &[] } else { redis.servers.urls() };
        let key = redis.servers.key();
        if remote.iter().any(|url| !url.has_password()) {
            let text = "is without a password, so whoever reaches it signs in as anybody: set \
                        requirepass or an ACL user there, and write redis://USER:PASSWORD@HOST";
            self.add(key, text);
        }
        if remote.iter().any(|url| !url.is_over_tls()) {
            let text = "is without TLS, so whoever listens in between reads the password and \
                        signs in as anybody: set tls-port there, and write rediss://";
            self.add(key, text);
        }
    }

    fn gateways(&mut self) {
        let sms = &self.config.sms;
        let country_keys = sms
            .routes
            .iter()
            .map(|(c, route)| (format!("sms.routes.{c}"), route));
        let routes = country_keys.chain([("sms.route".to_owned(), &sms.route)]);
        let is_stub = |name| {
            sms.gateways
                .get(name)
                .is_some_and(|gateway| gateway.kind == "stub")
        };
        let stubs: Vec<_> = routes
            .filter_map(|(key, route)| Some((key, route.iter().find(|name| is_stub(*name))?)))
            .collect();
        for (key, stub) in stubs {
            let text =
                format!("names {stub:?}, a stub that sends nothing: write a gateway that sends");
            self.add(&key, text);
        }
    }

    fn test_numbers(&mut self) {
        for (phone, number) in &self.config.policy.test_numbers {
            if number.until.is_none() {
                let key = format!("test_numbers.\"{}\".until", phone.as_e164());
                let text = "is left out, so a fixed code signs in for ever: write the day it \
                            ends, such as \"2027-01-01\"";
                self.add(&key, text);
            }
        }
    }

    fn resend_wait(&mut self) {
        let waits = &self.config.policy.resend_waits;
        if (1..=MOST_WAITS).any(|send| waits.after(send) < LEAST_RESEND_WAIT) {
            let text = "has a wait below 60s, and carriers take one message a minute: write 60s \
                        or more";
            self.add("code.resend_after", text);
        }
    }
}
