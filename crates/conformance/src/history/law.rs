use std::env;
use std::sync::Arc;
use std::time::Duration;

use domain::ports::StoreError;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, OptionFuture, join, join_all};

use super::{Answered, Beat, Dice, Model, Moments, Plan, Scene, Story, Swept, Tasks, run, sweep};
use crate::race::{Spawn, together};
use crate::sample::{self, NOW};

/// How many histories are replayed on a store. In a quarter of them calls run at once.
const HISTORIES: usize = 10_000;

/// How many run side by side on one store: they share its round trips and commits.
const BATCH: usize = 100;

/// How often histories are played that meet a store which cannot answer in time, as on a machine
/// that is busy with other things. What became of such a call is not known, so they prove nothing.
const TRIES: usize = 5;

/// After every end that a history knows.
const FAR: Duration = Duration::from_secs(365 * 86_400);

/// Replays histories whose calls come one after another.
pub(crate) async fn any_history_is_as_the_model_says<M: Model>(port: Arc<M::Port>) {
    let store = Store::<M> { port, spawn: None };
    for seed in seeds(3) {
        store.check(Plan::InTurn, seed).await;
    }
}

/// Replays histories in which calls run at once.
pub(crate) async fn any_race_has_an_order<M: Model>(port: Arc<M::Port>, spawn: Spawn) {
    let spawn = Some(spawn);
    let store = Store::<M> { port, spawn };
    for seed in seeds(1) {
        store.check(Plan::AtOnce, seed).await;
    }
}

/// A seed for each batch of so many quarters of the histories.
fn seeds(quarters: usize) -> impl Iterator<Item = u64> {
    let histories = variable("HISTORIES").map_or(HISTORIES, |count| count as usize);
    let seed = variable("HISTORY_SEED");
    let batches = (histories * quarters).div_ceil(4 * BATCH);
    (0..batches).map(move |_| seed.unwrap_or_else(sample::number))
}

fn variable(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let number = text.parse().ok();
    Some(number.unwrap_or_else(|| panic!("{name} is a number, not {text}")))
}

/// The tasks of one history in each beat.
type History<M> = Vec<Tasks<M>>;

type Task<M> = BoxFuture<'static, Vec<Answered<M>>>;

struct Store<M: Model> {
    port: Arc<M::Port>,
    /// How to run tasks at once; without it, they take turns.
    spawn: Option<Spawn>,
}

impl<M: Model> Store<M> {
    async fn check(&self, plan: Plan, seed: u64) {
        let mut dice = Dice::new(seed);
        let clock = plan.clock(&mut dice);
        let histories = (0..BATCH).map(|_| plan.calls::<M>(&mut dice, &clock));
        let histories: Vec<_> = histories.collect();
        if let Err(mut story) = self.replay(&clock, &histories).await {
            if plan != Plan::AtOnce {
                story = self.cut_down(&clock, histories).await.unwrap_or(story);
            }
            panic!("HISTORY_SEED={seed}\n{story}");
        }
    }

    /// Plays the histories on new ids, again if the store could not answer.
    ///
    /// # Errors
    /// The story of one that goes wrong.
    #[allow(
        clippy::print_stderr,
        reason = "a test shows it where it fails in the end"
    )]
    async fn replay(&self, clock: &[Beat], histories: &[History<M>]) -> Result<(), String> {
        let mut outcome = self.play(clock, histories).await;
        for _ in 1..TRIES {
            match &outcome {
                Err(story) if is_without_answer(story) => eprintln!("Played again:\n{story}"),
                _ => break,
            }
            outcome = self.play(clock, histories).await;
        }
        outcome
    }

    async fn play(&self, clock: &[Beat], histories: &[History<M>]) -> Result<(), String> {
        let moments = Arc::new(Moments::default());
        let story = |_| Story::new(Scene::new(sample::bytes(), NOW));
        let mut stories: Vec<Story<M>> = histories.iter().map(story).collect();
        // What others left would be counted as ours.
        sweep::<M>(&self.port, NOW + FAR, 1000, &moments).await;
        for (number, beat) in clock.iter().enumerate() {
            let now: Vec<_> = histories.iter().map(|history| &history[number]).collect();
            self.beat(beat, &now, &mut stories, &moments).await?;
        }
        Ok(())
    }

    async fn beat(
        &self,
        beat: &Beat,
        now: &[&Tasks<M>],
        stories: &mut [Story<M>],
        moments: &Arc<Moments>,
    ) -> Result<(), String> {
        let mut tasks = Vec::new();
        for (own, story) in now.iter().zip(&mut *stories) {
            let scene = story.scene(beat.now);
            tasks.extend(
                own.iter()
                    .map(|calls| self.task(calls.clone(), scene, moments)),
            );
        }
        let sweep = beat
            .sweep
            .map(|limit| sweep::<M>(&self.port, beat.now, limit, moments));
        let (seen, swept) = join(self.run(tasks), OptionFuture::from(sweep)).await;
        if let Some(swept) = swept.as_ref().filter(|_| self.spawn.is_none()) {
            all_is_swept(swept, stories)?;
        }
        let mut seen = seen.into_iter();
        for (tasks, story) in now.iter().zip(stories) {
            let own = seen.by_ref().take(tasks.len()).collect();
            story.goes_on(own, swept.clone())?;
        }
        Ok(())
    }

    fn task(&self, calls: Vec<M::Call>, scene: Scene, moments: &Arc<Moments>) -> Task<M> {
        let (port, moments) = (self.port.clone(), moments.clone());
        async move { run::<M>(&port, &calls, &scene, &moments).await }.boxed()
    }

    async fn run(&self, tasks: Vec<Task<M>>) -> Vec<Vec<Answered<M>>> {
        match self.spawn {
            Some(spawn) => together(spawn, tasks).await,
            None => join_all(tasks).await,
        }
    }

    /// The story of one history that goes wrong alone, without the beats that it does so without.
    async fn cut_down(&self, clock: &[Beat], histories: Vec<History<M>>) -> Option<String> {
        for mut history in histories {
            let mut clock = clock.to_vec();
            let Err(mut shortest) = self.replay(&clock, &[history.clone()]).await else {
                continue;
            };
            for number in (0..clock.len()).rev() {
                let (mut fewer, mut shorter) = (clock.clone(), history.clone());
                fewer.remove(number);
                shorter.remove(number);
                if let Err(story) = self.replay(&fewer, &[shorter.clone()]).await {
                    (clock, history, shortest) = (fewer, shorter, story);
                }
            }
            return Some(shortest);
        }
        None
    }
}

/// Whether the store could not answer a call of the story.
fn is_without_answer(story: &str) -> bool {
    story.contains(&StoreError::unavailable("").to_string())
}

/// Nobody else is at work, so as many are removed as are over. A store that forgets by its own
/// clock says 0.
fn all_is_swept<M: Model>(swept: &Swept, stories: &[Story<M>]) -> Result<(), String> {
    let over: usize = stories.iter().map(Story::over).sum();
    match swept.removed {
        Ok(removed) if M::SWEPT == 0 || removed == 0 || removed == over => Ok(()),
        _ => Err(stories[0].with_end(&format!("A sweep removed {:?}, not {over}.", swept.removed))),
    }
}
