//! Short histories with calls at once, in every order in which threads can take the locks.

use std::sync::Arc;

use conformance::history::{
    Answered, Beat, Dice, Model, Moments, Plan, Scene, Story, Swept, Tasks,
};
use conformance::history::{run, sweep};
use conformance::sample::NOW;
use conformance::{
    code_store::Codes, rate_limiter::Counters, session_store::Sessions, user_repo::Users,
};
use futures_util::FutureExt;
use loom::thread;

use crate::{MemoryCodeStore, MemoryRateLimiter, MemorySessionStore, MemoryUserRepo};

/// Of each store. The seeds are always the same: what is explored is explored whole.
const HISTORIES: u64 = 100;

/// How often a thread is overtaken where it need not wait: hardly any bug needs it more often.
const PREEMPTIONS: usize = 2;

fn explore<M: Model>(open: fn() -> Arc<M::Port>) {
    for seed in 0..HISTORIES {
        let mut dice = Dice::new(seed);
        let clock = Plan::AtOnce.clock(&mut dice);
        let history = Plan::AtOnce.calls::<M>(&mut dice, &clock);
        let mut explorer = loom::model::Builder::new();
        explorer.preemption_bound = Some(PREEMPTIONS);
        explorer.check(move || {
            let stage = Stage::<M> {
                port: open(),
                moments: Arc::default(),
            };
            let mut story = Story::new(scene(seed));
            for (beat, tasks) in clock.iter().zip(&history) {
                stage.play(beat, tasks, &mut story);
            }
        });
    }
}

fn scene(seed: u64) -> Scene {
    let mut dice = Dice::new(!seed);
    Scene::new([(); 32].map(|()| dice.number() as u8), NOW)
}

struct Stage<M: Model> {
    port: Arc<M::Port>,
    moments: Arc<Moments>,
}

impl<M: Model> Stage<M> {
    fn play(&self, beat: &Beat, tasks: &Tasks<M>, story: &mut Story<M>) {
        let scene = story.scene(beat.now);
        let sweep = beat
            .sweep
            .map(|limit| thread::spawn(self.sweep(scene, limit)));
        let mut tasks: Vec<_> = tasks.iter().map(|calls| self.task(scene, calls)).collect();
        // The last runs here: a thread more would be many orders more.
        let here = tasks.pop();
        let threads: Vec<_> = tasks.into_iter().map(thread::spawn).collect();
        let here = here.map(|task| task());
        let seen = threads.into_iter().map(|thread| thread.join().unwrap());
        let seen = seen.chain(here).collect();
        let swept = sweep.map(|thread| thread.join().unwrap());
        story
            .goes_on(seen, swept)
            .unwrap_or_else(|story| panic!("{story}"));
    }

    fn task(&self, scene: Scene, calls: &[M::Call]) -> impl FnOnce() -> Vec<Answered<M>> + use<M> {
        let (port, moments, calls) = (self.port.clone(), self.moments.clone(), calls.to_vec());
        move || at_once(run::<M>(&port, &calls, &scene, &moments))
    }

    fn sweep(&self, scene: Scene, limit: usize) -> impl FnOnce() -> Swept + use<M> {
        let (port, moments) = (self.port.clone(), self.moments.clone());
        move || at_once(sweep::<M>(&port, scene.now, limit, &moments))
    }
}

/// The stores here never wait, but for each other's locks.
fn at_once<T>(task: impl Future<Output = T>) -> T {
    task.now_or_never().unwrap()
}

#[test]
fn codes_have_an_order_whoever_is_overtaken() {
    explore::<Codes>(|| Arc::new(MemoryCodeStore::new()));
}

#[test]
fn users_have_an_order_whoever_is_overtaken() {
    explore::<Users>(|| Arc::new(MemoryUserRepo::new()));
}

#[test]
fn sessions_have_an_order_whoever_is_overtaken() {
    explore::<Sessions>(|| Arc::new(MemorySessionStore::new()));
}

#[test]
fn counters_have_an_order_whoever_is_overtaken() {
    explore::<Counters>(|| Arc::new(MemoryRateLimiter::new()));
}
