use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::ports::{RateLimiter, StoreError};
use domain::rate_limit::{Charge, CounterKey, Decision, Limit, Scope, Window};
use domain::timestamp::Timestamp;

use crate::Spawn;
use crate::history::{self, Dice, Model, Scene};

/// Random calls, one after another, are answered as [`Counters`] answers.
pub async fn any_history_is_as_the_model_says(limiter: Arc<dyn RateLimiter>, _: Spawn) {
    history::any_history_is_as_the_model_says::<Counters>(limiter).await;
}

/// Random calls at once are answered as [`Counters`] answers in some order of them.
pub async fn any_race_has_an_order(limiter: Arc<dyn RateLimiter>, spawn: Spawn) {
    history::any_race_has_an_order::<Counters>(limiter, spawn).await;
}

/// The counters of a limiter, by their numbers: how much was charged at which moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counters(BTreeMap<u8, BTreeMap<Timestamp, u32>>);

/// `(count, seconds)` of each counter's windows: counted to the millisecond and in slots. Each has
/// a scope of its own, so that an answer names one of them.
const LIMITS: [(Scope, &[(u32, u64)]); 5] = [
    (Scope::SendsPerPhone, &[(1, 60)]),
    (Scope::SendsPerAddress, &[(2, 60), (3, 360)]),
    (Scope::SendsPerNetwork, &[(40, 600)]),
    (Scope::SendsPerCountry, &[(100, 120)]),
    (Scope::SpendOverall, &[(70, 61), (200, 600)]),
];

/// A call of a [`RateLimiter`], with the numbers of counters and what they are charged.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "named as in the port")]
pub enum Call {
    Acquire(Vec<(u8, u32)>),
    Refund {
        charges: Vec<(u8, u32)>,
        ago: Duration,
    },
    Clear(Vec<u8>),
}

/// An answer of a [`RateLimiter`].
#[derive(Debug, PartialEq)]
#[allow(missing_docs, reason = "the types say it")]
pub enum Answer {
    Done,
    Granted,
    /// Of a model: every limit that has to be waited for so long.
    Denied {
        scopes: Vec<Scope>,
        retry_after: Duration,
    },
}

fn key(scene: &Scene, number: u8) -> CounterKey {
    CounterKey::from_bytes(scene.bytes(number))
}

fn limit(number: u8) -> Limit {
    let window = |(count, secs): &(u32, u64)| Window {
        count: *count,
        period: Duration::from_secs(*secs),
    };
    let (_, windows) = LIMITS[usize::from(number)];
    Limit::new(windows.iter().map(window).collect()).unwrap()
}

fn charges(scene: &Scene, charges: &[(u8, u32)]) -> Vec<Charge> {
    let charge = |(number, cost): &(u8, u32)| Charge {
        scope: LIMITS[usize::from(*number)].0,
        key: key(scene, *number),
        limit: Arc::new(limit(*number)),
        cost: *cost,
    };
    charges.iter().map(charge).collect()
}

impl Counters {
    /// How long until every window has room; zero if there is room now.
    fn wait(&self, number: u8, cost: u32, now: Timestamp) -> Duration {
        let limit = limit(number);
        let waits = limit
            .windows()
            .iter()
            .map(|window| self.wait_for(number, window, cost, now));
        waits.max().unwrap_or_default()
    }

    fn wait_for(&self, number: u8, window: &Window, cost: u32, now: Timestamp) -> Duration {
        if cost > window.count {
            return window.period;
        }
        let hits = || self.0.get(&number).into_iter().flatten();
        let charged = |at: Timestamp| -> u32 {
            hits()
                .filter(|(hit, _)| **hit + window.period > at)
                .map(|(_, cost)| cost)
                .sum()
        };
        // There is room now, or there will be when something charged has left the window.
        let leaves = hits()
            .map(|(hit, _)| *hit + window.period)
            .filter(|at| *at > now);
        let mut moments = std::iter::once(now).chain(leaves);
        let room = moments.find(|at| charged(*at) + cost <= window.count);
        room.map_or(window.period, |at| at.since(now))
    }

    fn acquire(&mut self, charges: &[(u8, u32)], now: Timestamp) -> Answer {
        let wait = |(number, cost): &(u8, u32)| self.wait(*number, *cost, now);
        let retry_after = charges.iter().map(wait).max().unwrap_or_default();
        if retry_after > Duration::ZERO {
            let longest = charges.iter().filter(|charge| wait(charge) == retry_after);
            let scopes = longest
                .map(|(number, _)| LIMITS[usize::from(*number)].0)
                .collect();
            return Answer::Denied {
                scopes,
                retry_after,
            };
        }
        for (number, cost) in charges {
            let hits = self.0.entry(*number).or_default();
            *hits.entry(limit(*number).slot_of(now)).or_default() += cost;
        }
        Answer::Granted
    }

    fn refund(&mut self, charges: &[(u8, u32)], at: Timestamp) {
        for (number, cost) in charges {
            let hits = self.0.entry(*number).or_default();
            if let Some(hit) = hits.get_mut(&limit(*number).slot_of(at)) {
                *hit = hit.saturating_sub(*cost);
            }
        }
    }
}

fn some_charges(dice: &mut Dice) -> Vec<(u8, u32)> {
    let some = dice.some_below(LIMITS.len() as u8);
    let charge = |number| {
        let (_, windows) = LIMITS[usize::from(number)];
        let all = windows[0].0;
        let half = all.div_ceil(2);
        (
            number,
            dice.pick(&[0, 1, 1, 2.min(all), half, half, all, all + 1]),
        )
    };
    some.into_iter().map(charge).collect()
}

impl Model for Counters {
    type Port = dyn RateLimiter;
    type Call = Call;
    type Answer = Answer;
    /// A counter that is over is as good as none: nobody sees it swept.
    const SWEPT: u8 = 0;

    fn random(dice: &mut Dice, moments: &[Timestamp]) -> Call {
        match dice.below(8) {
            0 => Call::Clear(dice.some_below(LIMITS.len() as u8)),
            1 | 2 => {
                let at = dice.pick(moments);
                let ago = moments[moments.len() - 1].since(at);
                let charges = some_charges(dice);
                Call::Refund { charges, ago }
            }
            _ => Call::Acquire(some_charges(dice)),
        }
    }

    fn looks() -> Vec<Call> {
        let numbers = 0..LIMITS.len() as u8;
        numbers
            .map(|number| Call::Acquire(vec![(number, 1)]))
            .collect()
    }

    fn answer(&mut self, call: &Call, scene: &Scene) -> Answer {
        match call {
            Call::Acquire(charges) => return self.acquire(charges, scene.now),
            Call::Refund { charges, ago } => self.refund(charges, scene.now - *ago),
            Call::Clear(numbers) => numbers
                .iter()
                .for_each(|number| drop(self.0.remove(number))),
        }
        Answer::Done
    }

    fn allows(right: &Answer, seen: &Answer) -> bool {
        let Answer::Denied {
            scopes,
            retry_after,
        } = right
        else {
            return right == seen;
        };
        matches!(seen, Answer::Denied { scopes: named, retry_after: wait }
            if wait == retry_after && named.iter().all(|scope| scopes.contains(scope)))
    }

    fn sweep(&mut self, _: u8, _: Timestamp) -> bool {
        false
    }

    async fn ask(limiter: &Self::Port, call: &Call, scene: &Scene) -> Result<Answer, StoreError> {
        match call {
            Call::Acquire(some) => {
                let decision = limiter.acquire(&charges(scene, some), scene.now).await?;
                if let Decision::Denied { scope, retry_after } = decision {
                    let scopes = vec![scope];
                    return Ok(Answer::Denied {
                        scopes,
                        retry_after,
                    });
                }
                return Ok(Answer::Granted);
            }
            Call::Refund { charges: some, ago } => {
                limiter
                    .refund(&charges(scene, some), scene.now - *ago)
                    .await?;
            }
            Call::Clear(numbers) => {
                let keys: Vec<_> = numbers.iter().map(|number| key(scene, *number)).collect();
                limiter.clear(&keys).await?;
            }
        }
        Ok(Answer::Done)
    }

    async fn ask_to_sweep(
        limiter: &Self::Port,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, StoreError> {
        limiter.sweep(now, limit).await
    }
}
