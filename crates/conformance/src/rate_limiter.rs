//! The laws of [`RateLimiter`].

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use domain::ports::{RateLimiter, StoreError};
use domain::rate_limit::{Charge, Decision, Scope};
use domain::timestamp::Timestamp;

use crate::sample::{self, NOW, charge};
use crate::{Broken, Spawn};

mod history;
mod model;
mod races;
mod sweep;

pub use history::*;
pub use model::*;
pub use races::*;
pub use sweep::*;

/// Checks every law, one after another.
///
/// # Errors
/// [`Broken`] names the first law that does not hold.
pub async fn all(limiter: Arc<dyn RateLimiter>, spawn: Spawn) -> Result<(), Broken> {
    crate::rate_limiter_laws!([crate::law::check_laws] rate_limiter, limiter, spawn)
}

/// Makes a test of every law of `RateLimiter`, in a module `rate_limiter_laws`.
///
/// It takes the name of an async function that opens an empty store: `async fn open() ->
/// Arc<dyn RateLimiter>`. The tests run on tokio. Add `, forgets_by_itself` for a store whose `sweep`
/// has nothing to remove.
#[macro_export]
macro_rules! rate_limiter_laws {
    ([$($with:tt)*] $($args:tt)*) => {
        $($with)*! { $($args)*,
            laws: [
                it_answers,
                a_charge_is_granted_until_its_window_is_full,
                the_wait_ends_when_the_window_has_room,
                a_hit_counts_to_the_end_of_its_window,
                hits_of_clocks_that_differ_are_counted_in_order,
                every_window_of_a_limit_holds,
                a_cost_counts_in_full,
                counters_do_not_share,
                no_charge_is_granted,
                all_charges_are_counted_or_none,
                the_longest_wait_is_reported,
                a_refund_gives_room_back,
                a_refund_leaves_what_others_were_charged,
                a_refund_of_what_was_forgotten_gives_nothing,
                a_cleared_counter_starts_anew,
                sweep_spares_counters_that_still_count,
                any_history_is_as_the_counters_say,
            ],
            sweeping: [
                sweep_removes_counters_that_are_over,
                a_counter_hit_again_is_not_swept_with_the_others,
                sweep_stops_at_its_limit,
            ],
            races: [
                any_history_is_as_the_model_says,
                any_race_has_an_order,
                parallel_charges_stay_within_their_limit,
                parallel_charges_are_counted_all_or_none,
                charges_in_any_order_do_not_wait_for_each_other,
                parallel_refunds_give_everything_back,
            ]
        }
    };
    ($open:expr) => {
        $crate::rate_limiter_laws!([$crate::test_laws] rate_limiter, rate_limiter_laws, $open);
    };
    ($open:expr, forgets_by_itself) => {
        $crate::rate_limiter_laws!([$crate::test_laws_but_sweeping] rate_limiter, rate_limiter_laws, $open);
    };
}

fn at(secs: u64) -> Timestamp {
    NOW + Duration::from_secs(secs)
}

async fn acquire(limiter: &dyn RateLimiter, charges: &[&Charge], now: Timestamp) -> Decision {
    let charges: Vec<Charge> = charges.iter().map(|charge| (*charge).clone()).collect();
    limiter.acquire(&charges, now).await.unwrap()
}

async fn grant(limiter: &dyn RateLimiter, charges: &[&Charge], now: Timestamp) {
    assert_eq!(acquire(limiter, charges, now).await, Decision::Granted);
}

async fn deny(limiter: &dyn RateLimiter, charges: &[&Charge], now: Timestamp, wait: u64) {
    let scope = charges[0].scope;
    let denied = Decision::Denied {
        scope,
        retry_after: Duration::from_secs(wait),
    };
    assert_eq!(acquire(limiter, charges, now).await, denied);
}

/// A store in use is healthy.
pub async fn it_answers(limiter: &dyn RateLimiter) {
    limiter.health().await.unwrap();
}

/// As many as the window's count are granted, and not one more.
pub async fn a_charge_is_granted_until_its_window_is_full(limiter: &dyn RateLimiter) {
    for count in [1, 3, 64, 65] {
        let charge = charge(&[(count, 3600)]);
        for _ in 0..count {
            grant(limiter, &[&charge], NOW).await;
        }
        deny(limiter, &[&charge], NOW, 3600).await;
    }
}

/// The reported wait is exact, and a refused call costs nothing.
pub async fn the_wait_ends_when_the_window_has_room(limiter: &dyn RateLimiter) {
    let charge = charge(&[(2, 60)]);
    grant(limiter, &[&charge], at(0)).await;
    grant(limiter, &[&charge], at(10)).await;
    deny(limiter, &[&charge], at(10), 50).await;
    deny(limiter, &[&charge], at(59), 1).await;
    grant(limiter, &[&charge], at(60)).await;
    deny(limiter, &[&charge], at(60), 10).await;
}

/// A hit is not forgotten a moment too early, when another one is counted.
pub async fn a_hit_counts_to_the_end_of_its_window(limiter: &dyn RateLimiter) {
    let (charge, moment) = (charge(&[(2, 60)]), Duration::from_millis(1));
    grant(limiter, &[&charge], at(0)).await;
    grant(limiter, &[&charge], at(60) - moment).await;
    let refused = Decision::Denied {
        scope: charge.scope,
        retry_after: moment,
    };
    assert_eq!(acquire(limiter, &[&charge], at(60) - moment).await, refused);
}

/// A process whose clock is behind charges, too: its hit leaves the window when its time comes.
pub async fn hits_of_clocks_that_differ_are_counted_in_order(limiter: &dyn RateLimiter) {
    let charge = charge(&[(2, 60)]);
    grant(limiter, &[&charge], at(10)).await;
    grant(limiter, &[&charge], at(5)).await;
    deny(limiter, &[&charge], at(10), 55).await;
    grant(limiter, &[&charge], at(65)).await;
    deny(limiter, &[&charge], at(65), 5).await;
}

/// A limit of several windows admits what fits all of them.
pub async fn every_window_of_a_limit_holds(limiter: &dyn RateLimiter) {
    let charge = charge(&[(1, 60), (2, 3600)]);
    grant(limiter, &[&charge], at(0)).await;
    deny(limiter, &[&charge], at(1), 59).await;
    grant(limiter, &[&charge], at(60)).await;
    deny(limiter, &[&charge], at(120), 3480).await;
    grant(limiter, &[&charge], at(3600)).await;
}

/// A charge takes as much room as it costs; one that never fits is refused.
pub async fn a_cost_counts_in_full(limiter: &dyn RateLimiter) {
    let one = charge(&[(1000, 60)]);
    let some = Charge {
        cost: 400,
        ..one.clone()
    };
    let too_much = Charge {
        cost: 1001,
        ..one.clone()
    };
    deny(limiter, &[&too_much], NOW, 60).await;
    grant(limiter, &[&some], NOW).await;
    grant(limiter, &[&some], NOW).await;
    deny(limiter, &[&some], NOW, 60).await;
    grant(
        limiter,
        &[&Charge {
            cost: 200,
            ..one.clone()
        }],
        NOW,
    )
    .await;
    deny(limiter, &[&one], NOW, 60).await;
}

/// A full counter is nothing to another one, of whatever scope.
pub async fn counters_do_not_share(limiter: &dyn RateLimiter) {
    let full = charge(&[(1, 60)]);
    grant(limiter, &[&full], NOW).await;
    let mut key = *full.key.as_bytes();
    key[15] ^= 1;
    let neighbour = Charge {
        key: domain::rate_limit::CounterKey::from_bytes(key),
        ..full.clone()
    };
    grant(limiter, &[&neighbour], NOW).await;
    deny(limiter, &[&full], NOW, 60).await;
}

/// Nothing to count is nothing to refuse.
pub async fn no_charge_is_granted(limiter: &dyn RateLimiter) {
    grant(limiter, &[], NOW).await;
    limiter.refund(&[], NOW).await.unwrap();
    limiter.clear(&[]).await.unwrap();
}

/// A call that one limit refuses counts nothing against the others, whatever their order.
pub async fn all_charges_are_counted_or_none(limiter: &dyn RateLimiter) {
    let (first, full, last) = (charge(&[(1, 60)]), charge(&[(1, 60)]), charge(&[(1, 60)]));
    grant(limiter, &[&full], NOW).await;
    deny(limiter, &[&first, &full, &last], NOW, 60).await;
    grant(limiter, &[&first, &last], NOW).await;
    deny(limiter, &[&first], NOW, 60).await;
    deny(limiter, &[&last], NOW, 60).await;
}

/// Of several limits that refuse, the one to wait for longest is named.
pub async fn the_longest_wait_is_reported(limiter: &dyn RateLimiter) {
    let long = Charge {
        scope: Scope::SendsPerCountry,
        ..charge(&[(1, 3600)])
    };
    let short = Charge {
        scope: Scope::SendsPerPrefix,
        ..charge(&[(1, 60)])
    };
    let roomy = Charge {
        scope: Scope::SendsOverall,
        ..charge(&[(9, 86_400)])
    };
    grant(limiter, &[&long, &short, &roomy], NOW).await;
    let retry_after = Duration::from_secs(3600);
    let denied = Decision::Denied {
        scope: Scope::SendsPerCountry,
        retry_after,
    };
    assert_eq!(
        acquire(limiter, &[&long, &short, &roomy], NOW).await,
        denied
    );
    assert_eq!(
        acquire(limiter, &[&roomy, &short, &long], NOW).await,
        denied
    );
}

/// `refund` takes back what was charged at that moment, and no more.
pub async fn a_refund_gives_room_back(limiter: &dyn RateLimiter) {
    for count in [2, 65] {
        let filler = Charge {
            cost: count - 1,
            ..charge(&[(count, 3600)])
        };
        let charge = Charge {
            cost: 1,
            ..filler.clone()
        };
        grant(limiter, &[&filler], at(0)).await;
        grant(limiter, &[&charge], at(300)).await;
        limiter.refund(from_ref(&charge), at(300)).await.unwrap();
        limiter.refund(from_ref(&charge), at(300)).await.unwrap();
        grant(limiter, &[&charge], at(600)).await;
        deny(limiter, &[&charge], at(600), 3000).await;
    }
}

/// Of several charges at one moment, a refund takes back as many as it names.
pub async fn a_refund_leaves_what_others_were_charged(limiter: &dyn RateLimiter) {
    let charge = charge(&[(3, 60)]);
    for _ in 0..3 {
        grant(limiter, &[&charge], NOW).await;
    }
    limiter.refund(from_ref(&charge), NOW).await.unwrap();
    grant(limiter, &[&charge], NOW).await;
    deny(limiter, &[&charge], NOW, 60).await;
}

/// A refund of a charge that has left its window does not make room for a later one.
pub async fn a_refund_of_what_was_forgotten_gives_nothing(limiter: &dyn RateLimiter) {
    let charge = charge(&[(1, 60)]);
    limiter.refund(from_ref(&charge), at(0)).await.unwrap();
    grant(limiter, &[&charge], at(0)).await;
    grant(limiter, &[&charge], at(60)).await;
    limiter.refund(from_ref(&charge), at(0)).await.unwrap();
    deny(limiter, &[&charge], at(60), 60).await;
}

/// `clear` forgets the counters it is given, and no other.
pub async fn a_cleared_counter_starts_anew(limiter: &dyn RateLimiter) {
    let (cleared, kept) = (charge(&[(1, 60)]), charge(&[(1, 60)]));
    grant(limiter, &[&cleared, &kept], NOW).await;
    limiter
        .clear(&[cleared.key, sample::counter_key()])
        .await
        .unwrap();
    grant(limiter, &[&cleared], NOW).await;
    deny(limiter, &[&kept], NOW, 60).await;
}

/// A limiter that cannot answer says so; it admits nothing. For one whose storage is out of reach,
/// so it is no part of [`all`].
pub async fn a_limiter_that_is_down_admits_nothing(limiter: &dyn RateLimiter) {
    let charge = charge(&[(1, 60)]);
    let decision = limiter.acquire(from_ref(&charge), NOW).await;
    assert!(
        matches!(decision, Err(StoreError::Unavailable(_))),
        "{decision:?}"
    );
    assert!(limiter.refund(from_ref(&charge), NOW).await.is_err());
    assert!(limiter.clear(&[charge.key]).await.is_err());
    assert!(limiter.health().await.is_err());
}
