use std::time::Duration;

use domain::timestamp::Timestamp;

use super::{Dice, Model};
use crate::sample::NOW;

/// One beat of the clock that histories on one store share.
#[derive(Debug, Clone)]
pub struct Beat {
    /// When it is.
    pub now: Timestamp,
    /// Whether the store is swept, and how many at a time.
    pub sweep: Option<usize>,
}

/// What the tasks of one history call in one beat: at once, each its own calls in turn.
pub type Tasks<M> = Vec<Vec<<M as Model>::Call>>;

/// Sums of these are the lifetimes that calls choose from: moments often meet ends exactly.
const PAUSES: [Duration; 8] = [
    Duration::ZERO,
    Duration::ZERO,
    Duration::from_millis(10),
    Duration::from_secs(1),
    Duration::from_millis(29_999),
    Duration::from_secs(60),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// How a history goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// A few calls, one after another, with sweeps between them.
    InTurn,
    /// Some calls, then two or three tasks at once and maybe a sweep, then a look at all.
    AtOnce,
}

impl Plan {
    /// When things happen.
    pub fn clock(self, dice: &mut Dice) -> Vec<Beat> {
        let (beats, sweeps) = match self {
            Self::InTurn => (10, 4),
            Self::AtOnce => (3, 2),
        };
        let mut now = NOW;
        let beat = |number| {
            let is_between = number > 0 && number + 1 < beats;
            let sweeps = is_between && dice.once_in(sweeps);
            // A sweep comes when some things are over.
            now = now + dice.pick(&PAUSES[if sweeps { 5 } else { 0 }..]);
            let sweep = sweeps.then(|| dice.pick(&[20, 1000]));
            Beat { now, sweep }
        };
        (0..beats).map(beat).collect()
    }

    /// What one history calls in each beat.
    pub fn calls<M: Model>(self, dice: &mut Dice, clock: &[Beat]) -> Vec<Tasks<M>> {
        let mut moments = Vec::new();
        let mut tasks = |(number, beat): (usize, &Beat)| {
            moments.push(beat.now);
            let sizes = match self {
                Self::InTurn => vec![1; usize::from(beat.sweep.is_none())],
                Self::AtOnce if number == 0 => vec![4],
                Self::AtOnce if number + 1 == clock.len() => return vec![M::looks()],
                Self::AtOnce => dice
                    .pick(&[[3, 3, 0], [2, 2, 0], [2, 2, 2], [3, 2, 1]])
                    .to_vec(),
            };
            let mut task = |size| (0..size).map(|_| M::random(dice, &moments)).collect();
            sizes.into_iter().map(&mut task).collect()
        };
        clock.iter().enumerate().map(&mut tasks).collect()
    }
}
