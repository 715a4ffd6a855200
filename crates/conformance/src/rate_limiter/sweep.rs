use std::time::Duration;

use domain::ports::RateLimiter;
use domain::rate_limit::{Charge, Decision};
use domain::timestamp::Timestamp;

use super::{acquire, deny, grant};
use crate::sample::{NOW, charge};

/// Counters of an hour, hit long before those of other laws, in a store without others that old;
/// and when they are over.
async fn old_counters(limiter: &dyn RateLimiter, count: usize) -> (Vec<Charge>, Timestamp) {
    let hit_at = NOW - Duration::from_secs(30 * 86_400);
    let over_at = hit_at + Duration::from_secs(3600);
    while limiter.sweep(over_at, 1000).await.unwrap() > 0 {}
    let charges: Vec<_> = std::iter::repeat_with(|| charge(&[(1, 3600)]))
        .take(count)
        .collect();
    for charge in &charges {
        grant(limiter, &[charge], hit_at).await;
    }
    (charges, over_at)
}

/// `sweep` removes counters that no window looks at any more, and says how many.
pub async fn sweep_removes_counters_that_are_over(limiter: &dyn RateLimiter) {
    let (_, over_at) = old_counters(limiter, 3).await;
    assert_eq!(limiter.sweep(over_at, 100).await.unwrap(), 3);
    assert_eq!(limiter.sweep(over_at, 100).await.unwrap(), 0);
}

/// A counter stays while a window looks at it, to the millisecond.
pub async fn sweep_spares_counters_that_still_count(limiter: &dyn RateLimiter) {
    let (charges, over_at) = old_counters(limiter, 2).await;
    let before = over_at - Duration::from_millis(1);
    assert_eq!(limiter.sweep(before, 100).await.unwrap(), 0);
    for charge in &charges {
        let denied = acquire(limiter, &[charge], before).await;
        assert_ne!(denied, Decision::Granted, "a counter was forgotten");
    }
}

/// A counter that was hit again stays when it would have been over.
pub async fn a_counter_hit_again_is_not_swept_with_the_others(limiter: &dyn RateLimiter) {
    let (charges, over_at) = old_counters(limiter, 2).await;
    grant(limiter, &[&charges[1]], over_at).await;
    assert_eq!(limiter.sweep(over_at, 100).await.unwrap(), 1);
    deny(limiter, &[&charges[1]], over_at, 3600).await;
}

/// One `sweep` removes at most `limit` counters.
pub async fn sweep_stops_at_its_limit(limiter: &dyn RateLimiter) {
    let (_, over_at) = old_counters(limiter, 5).await;
    for (limit, removed) in [(0, 0), (2, 2), (2, 2), (2, 1), (2, 0)] {
        assert_eq!(limiter.sweep(over_at, limit).await.unwrap(), removed);
    }
}
