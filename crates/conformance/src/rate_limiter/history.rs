use std::collections::HashMap;
use std::time::Duration;

use domain::ports::RateLimiter;
use domain::rate_limit::{Charge, Counter, CounterKey, Decision, Scope};
use domain::timestamp::Timestamp;

use crate::sample::{NOW, charge, number};

/// How far the clocks of two processes are apart, in milliseconds.
const APART: u64 = 5000;

/// Acquires, refunds, clears and sweeps in random order are answered as plain counters answer.
pub async fn any_history_is_as_the_counters_say(limiter: &dyn RateLimiter) {
    let charges = charges();
    let mut model = Model::default();
    let mut latest = NOW;
    for step in 0..600 {
        latest = latest + Duration::from_millis(below(9000));
        // Clocks of processes differ.
        let now = latest - Duration::from_millis(below(APART));
        let some = pick(&charges);
        match below(12) {
            0 => {
                let keys: Vec<CounterKey> = some.iter().take(1).map(|charge| charge.key).collect();
                keys.iter().for_each(|key| drop(model.counters.remove(key)));
                limiter.clear(&keys).await.unwrap();
            }
            1 | 2 => {
                if let Some((granted, at)) = model.take_granted() {
                    model.refund(&granted, at);
                    limiter.refund(&granted, at).await.unwrap();
                }
            }
            3 => {
                let over_for_all = latest - Duration::from_millis(APART);
                let limit = below(5) as usize;
                limiter.sweep(over_for_all, limit).await.unwrap();
            }
            _ => {
                let waits = model.waits(&some, now);
                let decision = limiter.acquire(&some, now).await.unwrap();
                assert!(
                    is_right(decision, &waits),
                    "step {step}: {decision:?}, not {waits:?}"
                );
                if decision == Decision::Granted {
                    model.record(&some, now);
                }
            }
        }
    }
}

/// Granted if nothing refuses; else the longest wait, whichever limit it is if two are equal.
fn is_right(decision: Decision, waits: &[(Scope, Duration)]) -> bool {
    match decision {
        Decision::Granted => waits.is_empty(),
        Decision::Denied { scope, retry_after } => {
            let longest = waits.iter().map(|(_, wait)| *wait).max();
            longest == Some(retry_after) && waits.contains(&(scope, retry_after))
        }
    }
}

fn below(bound: u64) -> u64 {
    number() % bound
}

/// Counted to the millisecond and in slots, with one window and several, cheap and dear. Each has
/// a scope of its own, so that an answer names one of them.
fn charges() -> Vec<Charge> {
    let limits: [&[(u32, u64)]; 6] = [
        &[(1, 20)],
        &[(3, 60), (5, 300)],
        &[(40, 600)],
        &[(100, 120)],
        &[(70, 61), (200, 600)],
        &[(5000, 90)],
    ];
    let scopes = [
        Scope::SendsPerPhone,
        Scope::SendsPerAddress,
        Scope::SendsPerNetwork,
        Scope::SendsPerPrefix,
        Scope::SendsPerCountry,
        Scope::SpendOverall,
    ];
    scopes
        .into_iter()
        .zip(limits)
        .map(|(scope, limit)| Charge {
            scope,
            ..charge(limit)
        })
        .collect()
}

/// Some of the charges, in random order, of random cost.
fn pick(charges: &[Charge]) -> Vec<Charge> {
    let mut some: Vec<Charge> = charges.iter().filter(|_| below(2) == 0).cloned().collect();
    for i in (1..some.len()).rev() {
        some.swap(i, below(i as u64 + 1) as usize);
    }
    for charge in &mut some {
        let dear = u64::from(charge.limit.windows()[0].count / 5).max(1);
        // Of no cost, too: limits count money.
        charge.cost = below(dear + 2) as u32;
    }
    some
}

/// What the limiter should be: the domain's counters, and nobody else.
#[derive(Default)]
struct Model {
    counters: HashMap<CounterKey, Counter>,
    granted: Vec<(Vec<Charge>, Timestamp)>,
}

impl Model {
    fn waits(&mut self, charges: &[Charge], now: Timestamp) -> Vec<(Scope, Duration)> {
        let wait = |charge: &Charge| {
            let counter = self.counters.entry(charge.key).or_default();
            counter
                .admit(charge, now)
                .err()
                .map(|wait| (charge.scope, wait))
        };
        charges.iter().filter_map(wait).collect()
    }

    fn record(&mut self, charges: &[Charge], now: Timestamp) {
        for charge in charges {
            self.counters
                .entry(charge.key)
                .or_default()
                .record(charge, now);
        }
        self.granted.push((charges.to_vec(), now));
    }

    fn take_granted(&mut self) -> Option<(Vec<Charge>, Timestamp)> {
        let count = self.granted.len() as u64;
        (count > 0).then(|| self.granted.swap_remove(below(count) as usize))
    }

    fn refund(&mut self, charges: &[Charge], at: Timestamp) {
        for charge in charges {
            self.counters
                .entry(charge.key)
                .or_default()
                .give_back(charge, at);
        }
    }
}
