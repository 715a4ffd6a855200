use std::sync::Arc;

use domain::ports::RateLimiter;
use domain::rate_limit::{Charge, Decision};

use super::{deny, grant};
use crate::Spawn;
use crate::race::{CONTESTANTS, ROUNDS, race};
use crate::sample::{NOW, charge};

/// Each contestant charges `charges(contestant)` again and again; returns how often each was
/// granted.
async fn charge_in_parallel(
    limiter: &Arc<dyn RateLimiter>,
    spawn: Spawn,
    charges: impl Fn(usize) -> Vec<Charge>,
) -> Vec<u32> {
    race(spawn, |contestant| {
        let (limiter, charges) = (limiter.clone(), charges(contestant));
        async move {
            let mut granted = 0;
            for _ in 0..ROUNDS {
                let decision = limiter.acquire(&charges, NOW).await.unwrap();
                granted += u32::from(decision == Decision::Granted);
            }
            granted
        }
    })
    .await
}

/// However many charges arrive at once, exactly as many are granted as fit.
pub async fn parallel_charges_stay_within_their_limit(limiter: Arc<dyn RateLimiter>, spawn: Spawn) {
    for count in [1, 10, 64, 300] {
        let charge = charge(&[(count, 3600)]);
        let granted = charge_in_parallel(&limiter, spawn, |_| vec![charge.clone()]).await;
        assert_eq!(granted.iter().sum::<u32>(), count);
    }
}

/// What was refused for a shared limit was not counted against the caller's own.
pub async fn parallel_charges_are_counted_all_or_none(limiter: Arc<dyn RateLimiter>, spawn: Spawn) {
    let shared = charge(&[(200, 3600)]);
    let own: Vec<_> = (0..CONTESTANTS).map(|_| charge(&[(200, 3600)])).collect();
    let both = |contestant: usize| vec![own[contestant].clone(), shared.clone()];
    let granted = charge_in_parallel(&limiter, spawn, both).await;
    assert_eq!(granted.iter().sum::<u32>(), 200);
    for (own, granted) in own.into_iter().zip(granted) {
        let rest = Charge {
            cost: 200 - granted,
            ..own
        };
        if rest.cost > 0 {
            grant(&*limiter, &[&rest], NOW).await;
        }
        deny(&*limiter, &[&Charge { cost: 1, ..rest }], NOW, 3600).await;
    }
}

/// Calls that name the same counters in different order all end, and together stay within.
pub async fn charges_in_any_order_do_not_wait_for_each_other(
    limiter: Arc<dyn RateLimiter>,
    spawn: Spawn,
) {
    let charges: Vec<_> = (0..4).map(|_| charge(&[(150, 3600)])).collect();
    let granted = charge_in_parallel(&limiter, spawn, |contestant| {
        let mut charges = charges.clone();
        charges.rotate_left(contestant % 4);
        if contestant % 2 == 0 {
            charges.reverse();
        }
        charges
    })
    .await;
    assert_eq!(granted.iter().sum::<u32>(), 150);
}

/// Refunds among charges lose nothing and give nothing away.
pub async fn parallel_refunds_give_everything_back(limiter: Arc<dyn RateLimiter>, spawn: Spawn) {
    let charge = charge(&[(CONTESTANTS as u32, 3600)]);
    race(spawn, |_| {
        let (limiter, charges) = (limiter.clone(), [charge.clone()]);
        async move {
            for _ in 0..ROUNDS {
                assert_eq!(
                    limiter.acquire(&charges, NOW).await.unwrap(),
                    Decision::Granted
                );
                limiter.refund(&charges, NOW).await.unwrap();
            }
        }
    })
    .await;
    let all = Charge {
        cost: CONTESTANTS as u32,
        ..charge.clone()
    };
    grant(&*limiter, &[&all], NOW).await;
    deny(&*limiter, &[&charge], NOW, 3600).await;
}
