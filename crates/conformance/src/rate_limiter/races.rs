use std::sync::Arc;

use domain::ports::RateLimiter;
use domain::rate_limit::{Charge, Decision};

use super::{deny, grant};
use crate::Spawn;
use crate::race::{CONTESTANTS, ROUNDS, race};
use crate::sample::{NOW, charge};

/// Each contestant charges `charges(contestant)` in every round; returns how often each was
/// granted.
async fn charge_in_parallel(
    limiter: &Arc<dyn RateLimiter>,
    spawn: Spawn,
    charges: impl Fn(usize) -> Vec<Charge> + Clone + Send + 'static,
) -> Vec<u32> {
    let limiter = limiter.clone();
    let rounds = race(spawn, move |contestant, _| {
        let (limiter, charges) = (limiter.clone(), charges(contestant));
        async move { limiter.acquire(&charges, NOW).await.unwrap() == Decision::Granted }
    });
    let rounds = rounds.await;
    let granted = |contestant: usize| rounds.iter().map(|r| u32::from(r[contestant])).sum();
    (0..CONTESTANTS).map(granted).collect()
}

/// However many charges arrive at once, exactly as many are granted as fit.
pub async fn parallel_charges_stay_within_their_limit(limiter: Arc<dyn RateLimiter>, spawn: Spawn) {
    for count in [1, 10, 64, 300] {
        let charge = charge(&[(count, 3600)]);
        let granted = charge_in_parallel(&limiter, spawn, move |_| vec![charge.clone()]).await;
        assert_eq!(granted.iter().sum::<u32>(), count);
    }
}

/// What was refused for a shared limit was not counted against the caller's own.
pub async fn parallel_charges_are_counted_all_or_none(limiter: Arc<dyn RateLimiter>, spawn: Spawn) {
    let all = CONTESTANTS as u32 * ROUNDS as u32;
    let shared = charge(&[(all / 2, 3600)]);
    let own: Vec<_> = (0..CONTESTANTS)
        .map(|_| charge(&[(ROUNDS as u32, 3600)]))
        .collect();
    let mine = own.clone();
    let both = move |contestant: usize| vec![mine[contestant].clone(), shared.clone()];
    let granted = charge_in_parallel(&limiter, spawn, both).await;
    assert_eq!(granted.iter().sum::<u32>(), all / 2);
    for (own, granted) in own.into_iter().zip(granted) {
        let rest = Charge {
            cost: ROUNDS as u32 - granted,
            ..own.clone()
        };
        if rest.cost > 0 {
            grant(&*limiter, &[&rest], NOW).await;
        }
        deny(&*limiter, &[&own], NOW, 3600).await;
    }
}

/// Calls that name the same counters in different order all end, and together stay within.
pub async fn charges_in_any_order_do_not_wait_for_each_other(
    limiter: Arc<dyn RateLimiter>,
    spawn: Spawn,
) {
    let charges: Vec<_> = (0..4).map(|_| charge(&[(150, 3600)])).collect();
    let in_turn = move |contestant: usize| {
        let mut charges = charges.clone();
        charges.rotate_left(contestant % 4);
        if contestant.is_multiple_of(2) {
            charges.reverse();
        }
        charges
    };
    let granted = charge_in_parallel(&limiter, spawn, in_turn).await;
    assert_eq!(granted.iter().sum::<u32>(), 150);
}

/// Refunds among charges lose nothing and give nothing away.
pub async fn parallel_refunds_give_everything_back(limiter: Arc<dyn RateLimiter>, spawn: Spawn) {
    let charge = charge(&[(CONTESTANTS as u32, 3600)]);
    let (shared, charges) = (limiter.clone(), [charge.clone()]);
    let rounds = race(spawn, move |_, _| {
        let (limiter, charges) = (shared.clone(), charges.clone());
        async move {
            assert_eq!(
                limiter.acquire(&charges, NOW).await.unwrap(),
                Decision::Granted
            );
            limiter.refund(&charges, NOW).await.unwrap();
        }
    });
    rounds.await;
    let all = Charge {
        cost: CONTESTANTS as u32,
        ..charge.clone()
    };
    grant(&*limiter, &[&all], NOW).await;
    deny(&*limiter, &[&charge], NOW, 3600).await;
}
