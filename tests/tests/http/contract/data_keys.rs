//! The keys that seal phones: a rotation changes nothing for anybody.

use std::time::Duration;

use app::config::{Config, Sources};
use app::keyring::{Purpose, rotate};
use domain::ports::{Clock, Entropy};
use tests_support::app::{Setup, Store, TestApp};
use tests_support::on_every_store;

const PHONE: &str = "+8615612340000";

on_every_store!(
    a_rotation_of_data_keys_keeps_users_sessions_and_codes,
    a_rotation_of_data_keys_gives_nobody_a_fresh_allowance,
);

/// Not random, but unlike the key that is there.
struct Nines;

impl Entropy for Nines {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().zip(9..).for_each(|(byte, n)| *byte = n);
    }
}

/// The same installation with a new data key, once that is in use.
async fn rotated(app: &TestApp) -> TestApp {
    let data = app.folder().join("data").display().to_string();
    let flags = vec![("data.dir".to_owned(), data)];
    let config = Config::load(&Sources {
        flags,
        ..Sources::default()
    })
    .unwrap();
    let before = app.clock.now() - Duration::from_secs(7200);
    rotate(&config, &[Purpose::Data], before, &Nines).unwrap();
    app.sibling().await
}

async fn a_rotation_of_data_keys_keeps_users_sessions_and_codes(store: Store) {
    let old = Setup::on(store).unlimited().start().await;
    let signed_in = old.sign_in(PHONE).await;
    old.clock.advance_secs(1);
    let asked = old.code(PHONE).await;
    let new = rotated(&old).await;
    let me = new.get("/v1/users/me").bearer(&signed_in.access);
    assert_eq!(me.await.ok(200), signed_in.body["user"]);
    let with_old_code = new.enter(&asked.id, &asked.digits).await.ok(201);
    assert_eq!(with_old_code["user"], signed_in.body["user"]);
    new.clock.advance_secs(1);
    assert_eq!(new.sign_in(PHONE).await.user, signed_in.user);
    new.refresh(&signed_in.refresh).await.ok(200);
}

async fn a_rotation_of_data_keys_gives_nobody_a_fresh_allowance(store: Store) {
    let old = Setup::on(store).start().await;
    old.ask(PHONE).await.ok(202);
    let new = rotated(&old).await;
    new.ask(PHONE).await.problem(429, "rate_limited");
}
