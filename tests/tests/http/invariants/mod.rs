//! The invariants of a phone sign-in, with a thousand calls at once on several instances.
//!
//! A call that a busy machine answers 503 at its deadline goes on, so what is counted in the end is
//! what the stores hold; the answers may only tell less.

mod accepted_sends;
mod faults;
mod one_session;
mod one_user;
mod revocation;
mod tries;

use std::future::IntoFuture;

use futures_util::future::join_all;
use tests_support::app::{Setup, Store, TestApp};
use tests_support::http::{Answer, Request};
use tests_support::lift_file_limit;

const PHONE: &str = "+8615612340000";

/// Three instances over the same stores.
async fn three(store: Store) -> [TestApp; 3] {
    let first = Setup::on(store).unlimited().start().await;
    [first.sibling().await, first.sibling().await, first]
}

/// Makes many calls at once, each on a connection of its own.
async fn at_once(count: usize, call: impl Fn(usize) -> Request) -> Vec<Answer> {
    lift_file_limit();
    join_all((0..count).map(|n| call(n).into_future())).await
}

/// How many answers have this status.
fn count(answers: &[Answer], status: u16) -> usize {
    answers
        .iter()
        .filter(|answer| answer.status == status)
        .count()
}

/// How many live sessions the phone's user has, once a store that a thousand calls kept busy
/// answers.
async fn sessions(app: &TestApp) -> usize {
    let ask = async || app.auth().user_by_phone(PHONE).await.ok();
    tests_support::until("the user", ask).await.1
}
