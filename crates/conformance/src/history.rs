//! Random histories, replayed on a store and on a plain [`Model`] of its port.
//!
//! A history is a few calls that name the same few things, so that they meet. Every answer of the
//! store has to be the model's. Where calls run at once, there has to be an order of them in which
//! the model gives the same answers, and in which no call comes before one that had ended when it
//! began: the store is linearizable. That order is searched, not guessed.
//!
//! Every store port has two laws made of them. `HISTORIES=1000000` says how many are replayed
//! instead of 10,000, and `HISTORY_SEED=…` repeats those of one seed. A history that goes wrong is
//! cut down to the calls that matter, and told. Where a store cannot answer in time, its histories
//! are played again.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::ports::{StoreError, with_causes};
use domain::timestamp::Timestamp;

mod dice;
mod law;
mod order;
mod plan;
mod story;

pub use dice::{Dice, Scene};
pub(crate) use law::{any_history_is_as_the_model_says, any_race_has_an_order};
pub use plan::{Beat, Plan, Tasks};
pub use story::Story;

/// What a port is, in the simplest way: plain data, one call after another.
pub trait Model: Clone + PartialEq + Default + Send + Sync + 'static {
    /// The port.
    type Port: ?Sized + Send + Sync + 'static;
    /// A call of it, in which small numbers stand for ids.
    type Call: Clone + Debug + Send + Sync + 'static;
    /// An answer.
    type Answer: PartialEq + Debug + Send + 'static;
    /// How many things of a history a sweep may remove; they are numbered from 0.
    const SWEPT: u8;

    /// A random call, that makes nothing which is over at once. `moments` are those of the history
    /// so far; the last of them is now.
    fn random(dice: &mut Dice, moments: &[Timestamp]) -> Self::Call;

    /// Calls that show all there is.
    fn looks() -> Vec<Self::Call>;

    /// Makes the call on the model.
    fn answer(&mut self, call: &Self::Call, scene: &Scene) -> Self::Answer;

    /// Whether a store may answer so: the contract may leave it a choice.
    fn allows(right: &Self::Answer, seen: &Self::Answer) -> bool {
        right == seen
    }

    /// Removes the thing of that number if it is over at `now`, and says whether it was.
    fn sweep(&mut self, number: u8, now: Timestamp) -> bool;

    /// Makes the call on a store.
    fn ask(
        port: &Self::Port,
        call: &Self::Call,
        scene: &Scene,
    ) -> impl Future<Output = Result<Self::Answer, StoreError>> + Send;

    /// Sweeps the store.
    fn ask_to_sweep(
        port: &Self::Port,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;
}

/// Orders what happens to one store.
#[derive(Debug, Default)]
pub struct Moments(AtomicUsize);

impl Moments {
    fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// A call that was answered between two moments.
pub struct Answered<M: Model> {
    call: M::Call,
    answer: Result<M::Answer, String>,
    from: usize,
    to: usize,
}

/// A sweep that went on between two moments.
#[derive(Debug, Clone)]
pub struct Swept {
    removed: Result<usize, String>,
    from: usize,
    to: usize,
}

impl Swept {
    /// A store that forgets by its own clock says that it removed nothing, and then it did not.
    fn removed_some(&self) -> bool {
        self.removed.as_ref().is_ok_and(|removed| *removed > 0)
    }

    /// The models afterwards, if it met nobody.
    fn alone<M: Model>(&self, before: &[M], now: Timestamp) -> Vec<M> {
        let mut models = before.to_vec();
        for model in models.iter_mut().filter(|_| self.removed_some()) {
            for number in 0..M::SWEPT {
                model.sweep(number, now);
            }
        }
        models
    }
}

/// Makes the calls of one task.
pub async fn run<M: Model>(
    port: &M::Port,
    calls: &[M::Call],
    scene: &Scene,
    moments: &Moments,
) -> Vec<Answered<M>> {
    let mut seen = Vec::with_capacity(calls.len());
    for call in calls {
        let from = moments.next();
        let answer = M::ask(port, call, scene).await;
        let answer = answer.map_err(|error| with_causes(&error));
        let to = moments.next();
        let call = call.clone();
        seen.push(Answered {
            call,
            answer,
            from,
            to,
        });
    }
    seen
}

/// Sweeps, `limit` at a time, until nothing is over.
pub async fn sweep<M: Model>(
    port: &M::Port,
    now: Timestamp,
    limit: usize,
    moments: &Moments,
) -> Swept {
    let (from, mut all) = (moments.next(), 0);
    let removed = loop {
        match M::ask_to_sweep(port, now, limit).await {
            Ok(some) if some < limit => break Ok(all + some),
            Ok(some) => all += some,
            Err(error) => break Err(with_causes(&error)),
        }
    };
    let to = moments.next();
    Swept { removed, from, to }
}
