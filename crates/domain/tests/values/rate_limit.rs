//! Counters, against a model that keeps every moment.

use std::sync::Arc;
use std::time::Duration;

use domain::rate_limit::{Charge, Counter, CounterKey, Limit, LimitError, Scope, Window};
use domain::timestamp::Timestamp;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn charge(windows: &[(u32, u64)], cost: u32) -> Charge {
    let windows = windows.iter().map(|&(count, ms)| Window {
        count,
        period: Duration::from_millis(ms),
    });
    Charge {
        scope: Scope::SendsPerPhone,
        key: CounterKey::from_bytes([0; 16]),
        limit: Arc::new(Limit::new(windows.collect()).unwrap()),
        cost,
    }
}

/// Every charge that was granted and not given back, at its very moment.
#[derive(Default)]
struct Model(Vec<(Timestamp, u32)>);

impl Model {
    /// Whether every window has room, where each charge is counted `longer` than its window.
    fn admits(&self, charge: &Charge, now: Timestamp, longer: Duration) -> bool {
        charge.limit.windows().iter().all(|window| {
            let counted = |(at, _): &&(Timestamp, u32)| *at + window.period + longer > now;
            let sum: u64 = self
                .0
                .iter()
                .filter(counted)
                .map(|hit| u64::from(hit.1))
                .sum();
            sum + u64::from(charge.cost) <= u64::from(window.count)
        })
    }
}

/// What happens to a counter: time passes, then a charge of that cost is tried, or one of the
/// granted ones is given back.
#[derive(Debug, Clone)]
enum Step {
    Charge {
        after: u64,
        cost: u32,
    },
    GiveBack {
        after: u64,
        which: prop::sample::Index,
    },
}

fn steps(longest: u64) -> impl Strategy<Value = Vec<Step>> {
    let after = prop_oneof![
        3 => 0..3_u64,
        3 => 0..longest / 10 + 2,
        1 => 0..longest * 2,
    ];
    let step = (after, 1..4_u32, any::<prop::sample::Index>(), 0..5_u8).prop_map(
        |(after, cost, which, kind)| match kind {
            0 => Step::GiveBack { after, which },
            _ => Step::Charge { after, cost },
        },
    );
    prop::collection::vec(step, 1..120)
}

/// One to three windows; `count` says how many each may hold.
fn limits(count: std::ops::Range<u32>) -> impl Strategy<Value = (Vec<(u32, u64)>, Vec<Step>)> {
    let window = (count, 1..5_000_u64);
    let windows = prop::collection::vec(window, 1..4).prop_filter("close together", |windows| {
        let periods = || windows.iter().map(|w| w.1);
        periods().max() <= periods().min().map(|shortest| shortest * 100)
    });
    windows.prop_flat_map(|windows| {
        let longest = windows.iter().map(|w| w.1).max().unwrap_or(1);
        (Just(windows), steps(longest))
    })
}

/// Plays a history, and checks at every charge what must hold of any limit.
fn play(windows: &[(u32, u64)], steps: &[Step]) {
    let (mut counter, mut model) = (Counter::default(), Model::default());
    let mut now = Timestamp::from_secs(1_800_000_000);
    for step in steps {
        match *step {
            Step::GiveBack { after, which } => {
                now = now + Duration::from_millis(after);
                if model.0.is_empty() {
                    continue;
                }
                let (at, cost) = model.0.swap_remove(which.index(model.0.len()));
                counter.give_back(&charge(windows, cost), at);
            }
            Step::Charge { after, cost } => {
                now = now + Duration::from_millis(after);
                let charge = charge(windows, cost);
                try_charge(&mut counter, &mut model, &charge, now);
            }
        }
        let stored = Counter::from_bytes(&counter.to_bytes());
        assert_eq!(stored.as_ref(), Some(&counter));
    }
}

fn try_charge(counter: &mut Counter, model: &mut Model, charge: &Charge, now: Timestamp) {
    // A slot of one millisecond counts exactly; a longer one at most a slot too long.
    let longer = Duration::from_millis(charge.limit.slot_ms() - 1);
    match counter.admit(charge, now) {
        Ok(()) => {
            assert!(
                model.admits(charge, now, Duration::ZERO),
                "never above a limit"
            );
            counter.record(charge, now);
            model.0.push((now, charge.cost));
        }
        Err(wait) => {
            assert!(
                !model.admits(charge, now, longer),
                "at most a slot too strict"
            );
            assert!(wait > Duration::ZERO);
            let windows = charge.limit.windows();
            if windows.iter().all(|window| charge.cost <= window.count) {
                assert_eq!(counter.admit(charge, now + wait), Ok(()), "{wait:?}");
                assert!(
                    counter.admit(charge, now + (wait - MS)).is_err(),
                    "{wait:?}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn a_small_limit_is_kept_to_the_millisecond((windows, steps) in limits(1..12)) {
        prop_assert_eq!(charge(&windows, 1).limit.slot_ms(), 1);
        play(&windows, &steps);
    }

    #[test]
    fn a_large_limit_is_never_exceeded_and_at_most_a_slot_too_strict(
        (mut windows, steps) in limits(3..40),
    ) {
        windows[0].0 += 65;
        play(&windows, &steps);
    }

    #[test]
    fn any_bytes_are_a_counter_or_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Some(counter) = Counter::from_bytes(&bytes) {
            prop_assert_eq!(counter.to_bytes(), bytes);
        }
    }
}

#[test]
fn the_wait_is_until_the_window_has_room_and_not_a_moment_less() {
    let charge = charge(&[(1, 60_000), (3, 3_600_000)], 1);
    let at = |secs: u64| Timestamp::from_secs(1_000_000 + secs);
    let mut counter = Counter::default();
    for secs in [0, 60, 120] {
        assert_eq!(counter.admit(&charge, at(secs)), Ok(()));
        counter.record(&charge, at(secs));
        assert!(counter.admit(&charge, at(secs + 59)).is_err());
    }
    assert_eq!(
        counter.admit(&charge, at(180)),
        Err(Duration::from_secs(3420))
    );
    assert_eq!(counter.admit(&charge, at(3600)), Ok(()));
}

#[test]
fn a_charge_that_never_fits_is_refused() {
    let charge = charge(&[(5, 60_000)], 6);
    let answer = Counter::default().admit(&charge, Timestamp::default());
    assert_eq!(answer, Err(Duration::from_secs(60)));
}

#[test]
fn a_charge_given_back_leaves_no_trace() {
    let charge = charge(&[(100, 3_600_000)], 3);
    let now = Timestamp::from_secs(7);
    let mut counter = Counter::default();
    counter.record(&charge, now);
    counter.give_back(&charge, now);
    assert!(counter.is_empty());
    counter.give_back(&charge, now);
    assert!(counter.is_empty());
}

#[test]
fn a_full_counter_stays_small() {
    let exact = charge(&[(64, 86_400_000)], 1);
    let slots = charge(&[(100_000, 3_600_000), (2_000_000, 86_400_000)], 1);
    for (charge, most) in [(exact, 64), (slots, 24 * 60 + 1)] {
        let mut counter = Counter::default();
        let mut now = Timestamp::from_secs(1_800_000_000);
        for _ in 0..20_000 {
            if counter.admit(&charge, now).is_ok() {
                counter.record(&charge, now);
            }
            now = now + Duration::from_secs(9);
        }
        assert!(
            counter.to_bytes().len() <= most * 12,
            "{}",
            counter.to_bytes().len()
        );
    }
}

#[test]
fn a_counter_may_be_forgotten_when_no_window_looks_at_it_and_not_before() {
    let charge = charge(&[(1, 1_000), (2, 5_000)], 1);
    let now = Timestamp::from_secs(1_800_000_000);
    let mut counter = Counter::default();
    counter.record(&charge, now);
    assert_eq!(
        counter.expires_at(&charge.limit),
        now + Duration::from_secs(5)
    );
}

#[test]
fn the_end_of_time_and_the_largest_cost_do_not_overflow() {
    let charge = charge(&[(u32::MAX, u64::MAX)], u32::MAX);
    let now = Timestamp::from_millis(u64::MAX - 1);
    let mut counter = Counter::default();
    for _ in 0..3 {
        counter.record(&charge, now);
    }
    assert!(counter.admit(&charge, now).is_err());
    assert_eq!(
        counter.expires_at(&charge.limit),
        Timestamp::from_millis(u64::MAX)
    );
    counter.give_back(&charge, now);
    assert!(counter.is_empty());
    let endless = Window {
        count: 1,
        period: Duration::MAX,
    };
    assert!(Limit::new(vec![endless]).is_ok());
}

#[test]
fn windows_that_make_no_limit_are_refused() {
    let window = |count, ms| Window {
        count,
        period: Duration::from_millis(ms),
    };
    let empty = [vec![], vec![window(0, 1)], vec![window(1, 0)]];
    for windows in empty {
        assert_eq!(Limit::new(windows), Err(LimitError::Empty));
    }
    let below = Window {
        count: 1,
        period: Duration::from_micros(999),
    };
    assert_eq!(Limit::new(vec![below]), Err(LimitError::Empty));
    let apart = vec![window(10, 1_000), window(1_000, 86_400_000)];
    assert_eq!(Limit::new(apart), Err(LimitError::TooFarApart));
}
