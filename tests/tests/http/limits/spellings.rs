//! Ten thousand spellings of one number reach one counter and one user.

use std::collections::BTreeSet;

use tests_support::app::{Setup, Store};
use tests_support::http::Connection;
use tests_support::on_every_store;

on_every_store!(ten_thousand_spellings_reach_one_counter_and_one_user);

const NATIONAL: &str = "15612340000";
const PHONE: &str = "+8615612340000";
const COUNT: usize = 10_000;

/// Different spellings: a prefix, and separators between the digits.
fn spellings() -> BTreeSet<String> {
    let separators = ["", " ", "-", "."];
    let spelling = |n: usize| {
        let mut text = ["", "+86", "0086", "+86 ", "(+86)", "0086-"][n % 6].to_owned();
        let mut choice = n / 6;
        for digit in NATIONAL.chars() {
            text.push(digit);
            text.push_str(separators[choice % 4]);
            choice /= 4;
        }
        text
    };
    // The second batch differs from the first in the last separators, not only in the first.
    let all = (0..COUNT).flat_map(|n| [spelling(n), spelling(6 * 4_usize.pow(6) * n + n % 6)]);
    all.collect::<BTreeSet<_>>()
        .into_iter()
        .take(COUNT)
        .collect()
}

async fn ten_thousand_spellings_reach_one_counter_and_one_user(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let spellings = spellings();
    assert_eq!(spellings.len(), COUNT);
    let user = app.sign_in(PHONE).await.user;
    let mut connection = Connection::open(app.address()).await.unwrap();
    for spelling in &spellings {
        let answer = connection.call(&app.ask(spelling)).await.unwrap();
        assert_eq!(answer.status, 429, "{spelling}: {}", answer.text());
    }
    assert_eq!(app.message_count(), 1);
    for spelling in spellings.iter().step_by(COUNT / 20) {
        app.clock.advance_secs(1);
        assert_eq!(app.sign_in(spelling).await.user, user, "{spelling}");
    }
}
