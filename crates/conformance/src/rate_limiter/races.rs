use std::sync::Arc;

use domain::ports::RateLimiter;
use domain::rate_limit::{Charge, Decision};

use super::{deny, grant};
use crate::Spawn;
use crate::race::{CONTESTANTS, ROUNDS, race};
use crate::sample::{NOW, charge};

/// How many of each round's charges fit.
const FIT: usize = 3;

/// A limit for each round, of which [`FIT`] charges fit: counted one by one, or in slots.
fn limits() -> Arc<[Charge]> {
    let scarce = |round: usize| match round % 2 {
        0 => charge(&[(3, 3600)]),
        _ => Charge {
            cost: 30,
            ..charge(&[(100, 3600)])
        },
    };
    (0..ROUNDS).map(scarce).collect()
}

/// Whether each contestant's `charges(contestant, round)` were granted, by round.
async fn charge_in_parallel(
    limiter: &Arc<dyn RateLimiter>,
    spawn: Spawn,
    charges: impl Fn(usize, usize) -> Vec<Charge> + Clone + Send + 'static,
) -> Vec<Vec<bool>> {
    let limiter = limiter.clone();
    let rounds = race(spawn, move |contestant, round| {
        let (limiter, charges) = (limiter.clone(), charges(contestant, round));
        async move { limiter.acquire(&charges, NOW).await.unwrap() == Decision::Granted }
    });
    let rounds = rounds.await;
    for granted in &rounds {
        assert_eq!(
            granted.iter().filter(|granted| **granted).count(),
            FIT,
            "as many as fit"
        );
    }
    rounds
}

/// However many charges arrive at once, exactly as many are granted as fit.
pub async fn parallel_charges_stay_within_their_limit(limiter: Arc<dyn RateLimiter>, spawn: Spawn) {
    let limits = limits();
    charge_in_parallel(&limiter, spawn, move |_, round| vec![limits[round].clone()]).await;
}

/// What was refused for a shared limit was not counted against the caller's own.
pub async fn parallel_charges_are_counted_all_or_none(limiter: Arc<dyn RateLimiter>, spawn: Spawn) {
    let (shared, all) = (limits(), ROUNDS as u32);
    let own: Vec<_> = (0..CONTESTANTS).map(|_| charge(&[(all, 3600)])).collect();
    let mine = own.clone();
    let both = move |who: usize, round: usize| vec![mine[who].clone(), shared[round].clone()];
    let rounds = charge_in_parallel(&limiter, spawn, both).await;
    for (contestant, own) in own.into_iter().enumerate() {
        let refused = rounds.iter().filter(|granted| !granted[contestant]).count() as u32;
        let room = Charge {
            cost: refused,
            ..own.clone()
        };
        if refused > 0 {
            grant(&*limiter, &[&room], NOW).await;
        }
        deny(&*limiter, &[&own], NOW, 3600).await;
    }
}

/// Calls that name the same counters in different order all end, and together stay within.
pub async fn charges_in_any_order_do_not_wait_for_each_other(
    limiter: Arc<dyn RateLimiter>,
    spawn: Spawn,
) {
    let limits = [(); 4].map(|()| limits());
    let in_turn = move |contestant: usize, round: usize| {
        let mut charges: Vec<Charge> = limits.iter().map(|limit| limit[round].clone()).collect();
        charges.rotate_left(contestant % 4);
        if contestant.is_multiple_of(2) {
            charges.reverse();
        }
        charges
    };
    charge_in_parallel(&limiter, spawn, in_turn).await;
}

/// Refunds among charges, of the same counters in different order, lose nothing and give nothing
/// away.
pub async fn parallel_refunds_give_everything_back(limiter: Arc<dyn RateLimiter>, spawn: Spawn) {
    let all = [(); 4].map(|()| charge(&[(CONTESTANTS as u32, 3600)]));
    let (shared, each) = (limiter.clone(), all.clone());
    let rounds = race(spawn, move |contestant, _| {
        let (limiter, mut charges) = (shared.clone(), each.clone());
        charges.rotate_left(contestant % 4);
        async move {
            let decision = limiter.acquire(&charges, NOW).await.unwrap();
            assert_eq!(decision, Decision::Granted);
            charges.reverse();
            limiter.refund(&charges, NOW).await.unwrap();
        }
    });
    rounds.await;
    for charge in &all {
        let room = Charge {
            cost: CONTESTANTS as u32,
            ..charge.clone()
        };
        grant(&*limiter, &[&room], NOW).await;
        deny(&*limiter, &[charge], NOW, 3600).await;
    }
}
