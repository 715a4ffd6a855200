//! Whose address a call is counted under.

use tests_support::app::{Setup, Store, TestApp};
use tests_support::http::Request;
use tests_support::on_every_store;

on_every_store!(
    an_ipv4_address_has_a_limit_and_is_told_so,
    an_ipv6_64_counts_as_one_address,
    an_ipv6_48_has_a_limit_of_its_own,
    a_mapped_address_is_the_ipv4_address_it_is,
    a_chain_is_read_from_the_right_over_trusted_proxies,
    a_chain_with_a_broken_link_counts_as_the_proxy_itself,
    a_header_from_a_peer_that_nobody_trusts_is_ignored,
    other_headers_about_addresses_are_ignored,
);

/// Behind a proxy on this machine.
fn proxied(store: Store) -> Setup {
    Setup::on(store)
        .unlimited()
        .set("server.trusted_proxies", "127.0.0.1, 10.0.0.0/8")
}

/// Asks for a new phone each time, so that only the address is counted.
struct Asker {
    app: TestApp,
    asked: std::cell::Cell<u32>,
}

impl Asker {
    async fn start(setup: Setup) -> Self {
        Self {
            app: setup.start().await,
            asked: Default::default(),
        }
    }

    fn ask(&self) -> Request {
        self.asked.set(self.asked.get() + 1);
        self.app.ask(&format!("+86156{:08}", self.asked.get()))
    }

    async fn is_taken(&self, address: &str) {
        let asked = self.ask().forwarded_for(address).await.ok(202);
        self.app.delivery(asked["id"].as_str().unwrap()).await;
    }

    async fn is_refused(&self, address: &str, scope: &str) {
        let answer = self.ask().forwarded_for(address).await;
        let problem = answer.problem(429, "rate_limited");
        assert_eq!(problem["scope"], scope, "{address}");
        assert_eq!(problem["retry_after"], 3600);
    }
}

async fn an_ipv4_address_has_a_limit_and_is_told_so(store: Store) {
    let setup = proxied(store).set("limits.sends_per_address", "2/1h");
    let asker = Asker::start(setup).await;
    asker.is_taken("203.0.113.7").await;
    asker.is_taken("203.0.113.7").await;
    asker.is_refused("203.0.113.7", "sends_per_address").await;
    asker
        .is_refused("203.0.113.7:4711", "sends_per_address")
        .await;
    asker.is_taken("203.0.113.8").await;
    asker.app.clock.advance_secs(3600);
    asker.is_taken("203.0.113.7").await;
}

async fn an_ipv6_64_counts_as_one_address(store: Store) {
    let setup = proxied(store).set("limits.sends_per_address", "2/1h");
    let asker = Asker::start(setup).await;
    asker.is_taken("2001:db8:1:2::1").await;
    asker.is_taken("2001:db8:1:2:ffff:ffff:ffff:ffff").await;
    asker
        .is_refused("[2001:db8:1:2::2]", "sends_per_address")
        .await;
    asker
        .is_refused("[2001:db8:1:2::2]:443", "sends_per_address")
        .await;
    asker.is_taken("2001:db8:1:3::1").await;
}

async fn an_ipv6_48_has_a_limit_of_its_own(store: Store) {
    let setup = proxied(store).set("limits.sends_per_network", "2/1h");
    let asker = Asker::start(setup).await;
    asker.is_taken("2001:db8:1:1::1").await;
    asker.is_taken("2001:db8:1:ffff::1").await;
    asker
        .is_refused("2001:db8:1:77::1", "sends_per_network")
        .await;
    asker.is_taken("2001:db8:2:1::1").await;
    for _ in 0..3 {
        asker.is_taken("203.0.113.7").await;
    }
}

async fn a_mapped_address_is_the_ipv4_address_it_is(store: Store) {
    let setup = proxied(store).set("limits.sends_per_address", "1/1h");
    let asker = Asker::start(setup).await;
    asker.is_taken("::ffff:203.0.113.7").await;
    asker.is_refused("203.0.113.7", "sends_per_address").await;
    asker.is_taken("::ffff:203.0.113.8").await;
}

/// The address that a session was made from, as the service tells it.
async fn seen(app: &TestApp, headers: &[(&str, &str)]) -> String {
    app.clock.advance_secs(1);
    let asked = app.code("+8615612340000").await;
    let enter = app.enter(&asked.id, &asked.digits);
    let enter = headers
        .iter()
        .fold(enter, |call, (name, value)| call.header(name, value));
    let body = enter.await.ok(201);
    body["session"]["ip"].as_str().unwrap().to_owned()
}

async fn a_chain_is_read_from_the_right_over_trusted_proxies(store: Store) {
    let app = proxied(store).start().await;
    for (chain, caller) in [
        (&["198.51.100.1"][..], "198.51.100.1"),
        (&["192.0.2.66, 198.51.100.1"], "198.51.100.1"),
        (&["192.0.2.66, 198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        (
            &["192.0.2.66", "198.51.100.1", "10.1.2.3, 10.0.0.1"],
            "198.51.100.1",
        ),
        (&["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
        (&["10.1.2.3"], "10.1.2.3"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&[], "127.0.0.1"),
    ] {
        let headers: Vec<_> = chain
            .iter()
            .map(|link| ("x-forwarded-for", *link))
            .collect();
        assert_eq!(seen(&app, &headers).await, caller, "{chain:?}");
    }
}

async fn a_chain_with_a_broken_link_counts_as_the_proxy_itself(store: Store) {
    let app = proxied(store).start().await;
    for chain in [
        "unknown",
        "198.51.100.1, unknown",
        "198.51.100.1,",
        "",
        "198.51.100.999",
        "198.51.100.1 192.0.2.66",
        "_hidden",
    ] {
        let caller = seen(&app, &[("x-forwarded-for", chain)]).await;
        assert_eq!(caller, "127.0.0.1", "{chain}");
    }
}

async fn a_header_from_a_peer_that_nobody_trusts_is_ignored(store: Store) {
    let setup = Setup::on(store)
        .unlimited()
        .set("server.trusted_proxies", "10.0.0.0/8")
        .set("limits.sends_per_address", "3/1h");
    let asker = Asker::start(setup).await;
    for n in 1..=3 {
        asker.is_taken(&format!("203.0.113.{n}")).await;
    }
    asker.is_refused("203.0.113.4", "sends_per_address").await;
    asker.is_refused("10.0.0.1", "sends_per_address").await;
}

async fn other_headers_about_addresses_are_ignored(store: Store) {
    let app = proxied(store).start().await;
    for name in [
        "forwarded",
        "x-real-ip",
        "cf-connecting-ip",
        "true-client-ip",
        "client-ip",
    ] {
        let value = if name == "forwarded" {
            "for=192.0.2.66"
        } else {
            "192.0.2.66"
        };
        assert_eq!(seen(&app, &[(name, value)]).await, "127.0.0.1", "{name}");
    }
}
