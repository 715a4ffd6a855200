//! What is left in the tables.

use std::slice::from_ref;
use std::time::Duration;

use conformance::sample::{self, NOW};
use domain::ports::RateLimiter;
use domain::rate_limit::Decision;
use servers::psql;

use crate::support::fresh;

#[tokio::test]
async fn a_counter_keeps_no_more_than_its_windows_look_at() {
    let (store, url) = fresh().await;
    let charge = sample::charge(&[(5, 60)]);
    let hits = || {
        psql(
            &url,
            "SELECT cardinality(hits) / 2 FROM phone_auth.counters",
        )
    };
    for (secs, kept) in [
        (0, "1"),
        (20, "2"),
        (40, "3"),
        (60, "3"),
        (80, "3"),
        (200, "1"),
    ] {
        let at = NOW + Duration::from_secs(secs);
        let granted = store.acquire(from_ref(&charge), at).await.unwrap();
        assert_eq!((granted, hits().as_str()), (Decision::Granted, kept));
    }
}

#[tokio::test]
async fn a_refunded_counter_leaves_nothing() {
    let (store, url) = fresh().await;
    let charges = [(); 3].map(|()| sample::charge(&[(5, 60)]));
    let granted = store.acquire(&charges, NOW).await.unwrap();
    assert_eq!(granted, Decision::Granted);
    store.refund(&charges[1..], NOW).await.unwrap();
    let left = psql(&url, "SELECT count(*) FROM phone_auth.counters");
    assert_eq!(left, "1");
}
