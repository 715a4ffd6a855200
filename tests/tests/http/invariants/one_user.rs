//! I3: one user per phone.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ports::{RateLimiter, StoreError};
use domain::rate_limit::{Charge, CounterKey, Decision};
use domain::timestamp::Timestamp;
use tests_support::app::{Setup, Store};
use tests_support::http::Connection;
use tests_support::on_every_store;

use super::{at_once, count, sessions};

on_every_store!(a_thousand_first_sign_ins_of_a_phone_at_once_give_one_user);

/// A phone may have a hundred guesses under way at most, whatever is configured.
struct Generous;

#[async_trait]
impl RateLimiter for Generous {
    async fn acquire(&self, _: &[Charge], _: Timestamp) -> Result<Decision, StoreError> {
        Ok(Decision::Granted)
    }

    async fn refund(&self, _: &[Charge], _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn clear(&self, _: &[CounterKey]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn sweep(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

async fn a_thousand_first_sign_ins_of_a_phone_at_once_give_one_user(store: Store) {
    // A test number has as many codes at once as one likes.
    let phone = super::PHONE;
    let first = Setup::on(store)
        .parts(|parts| parts.rate_limits(Arc::new(Generous)))
        .set("sms.queue", "10000")
        .set("limits.sessions_per_user", "1000")
        .set(&format!("test_numbers.\"{phone}\".code"), "424242")
        .start()
        .await;
    let apps = [first.sibling().await, first.sibling().await, first];
    let mut ids = Vec::new();
    let mut connection = Connection::open(apps[2].address()).await.unwrap();
    for _ in 0..1000 {
        let asked = connection.call(&apps[2].ask(phone)).await.unwrap();
        ids.push(asked.ok(202)["id"].as_str().unwrap().to_owned());
    }
    let answers = at_once(1000, |n| apps[n % 3].enter(&ids[n], "424242")).await;
    let late = count(&answers, 503);
    let signed_in: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 201)
        .collect();
    assert_eq!(signed_in.len() + late, 1000);
    let bodies: Vec<_> = signed_in.iter().map(|answer| answer.json()).collect();
    let users: HashSet<_> = bodies.iter().map(|body| body["user"].to_string()).collect();
    assert_eq!(users.len(), 1, "{users:?}");
    let new = bodies
        .iter()
        .filter(|body| body["new_user"] == true)
        .count();
    assert!(new == 1 || (new == 0 && late > 0), "{new} new users");
    // A call that was late may have been given up by a store with a deadline of its own.
    let stored = if late == 0 { 1000 } else { signed_in.len() };
    tests_support::until("every session", async || {
        (sessions(&apps[0]).await >= stored).then_some(())
    })
    .await;
}
