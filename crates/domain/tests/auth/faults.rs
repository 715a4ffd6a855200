//! A failure costs the person nothing: every port fails at every step of every use case.

use std::sync::Arc;

use domain::auth::{AuthError, Grant, SignIn, SignedIn};
use domain::event::Event;
use domain::id::PhoneCodeId;
use domain::rate_limit::Counter;
use futures_util::future::join_all;

use crate::support::{
    Fake, Fault, MINUTE, PHONE, State, World, block_on, home, idempotent, policy,
};

/// Everything that a use case may need: a live code and somebody signed in.
struct Scene {
    world: World,
    id: PhoneCodeId,
    digits: String,
    entered: SignedIn,
}

impl Scene {
    /// A phone with a live code, one wrong try behind it, and its user signed in.
    fn new() -> Self {
        Self::over(Fake::new(1, false))
    }

    fn over(fake: Arc<Fake>) -> Self {
        let world = World::over(fake, |_| {});
        let entered = world.enter(PHONE);
        world.fake.advance(MINUTE);
        let id = world.code_for(PHONE);
        world.miss(id);
        world.fake.advance(MINUTE);
        let digits = world.digits(id);
        Self {
            world,
            id,
            digits,
            entered,
        }
    }

    /// What the stores hold that somebody could miss.
    fn worth(&self) -> State {
        self.world.snapshot()
    }
}

type Act = fn(&Scene) -> Result<(), AuthError>;

const USE_CASES: [(&str, Act); 10] = [
    ("ask", |s| s.world.ask(PHONE).map(drop)),
    ("ask under a key", |s| {
        idempotent(&s.world, PHONE, "k").map(drop)
    }),
    ("resend", |s| s.world.resend(s.id).map(drop)),
    ("status", |s| {
        block_on(s.world.auth.code_status(s.id)).map(drop)
    }),
    ("sign in", |s| s.world.sign_in(s.id, &s.digits).map(drop)),
    ("sign in by phone", |s| {
        s.world.sign_in_by_phone(PHONE, &s.digits).map(drop)
    }),
    ("sign in with a cookie", |s| {
        let grant = Grant::Cookie(MINUTE);
        s.world.sign_in_for(s.id, &s.digits, grant).map(drop)
    }),
    ("refresh", |s| s.world.refresh(&s.entered).map(drop)),
    ("sign out one", |s| {
        let me = s.world.authenticate(&s.entered)?;
        block_on(s.world.auth.sign_out_one(&me, s.entered.session.id))
    }),
    ("sign out everywhere", |s| {
        let me = s.world.authenticate(&s.entered)?;
        block_on(s.world.auth.me(&me))?;
        block_on(s.world.auth.sessions(&me))?;
        block_on(s.world.auth.sign_out_everywhere(&me))
    }),
];

/// The steps of a use case when nothing fails.
fn steps_of(act: Act) -> Vec<&'static str> {
    let scene = Scene::new();
    scene.world.fake.arm(Fault::None);
    act(&scene).unwrap();
    scene.world.fake.calls()
}

/// The part that an operator is told of when that step fails.
fn part_of(step: &str) -> &str {
    match step.split_once('.') {
        Some(("limiter", _)) => "rate_limits",
        Some((port, _)) => port,
        None => step,
    }
}

/// From the session on the person is signed in, whatever becomes of the rest.
fn comes_after_the_session(steps: &[&str], number: usize) -> bool {
    let stored = steps.iter().position(|step| *step == "sessions.insert");
    stored.is_some_and(|stored| number > stored)
}

fn troubles(world: &World) -> Vec<&'static str> {
    let trouble = |event: Event| match event {
        Event::Trouble { part, .. } => Some(part.as_str()),
        _ => None,
    };
    world.events().into_iter().filter_map(trouble).collect()
}

#[test]
fn a_step_that_fails_changes_nothing_and_the_same_call_works_afterwards() {
    for (name, act) in USE_CASES {
        let steps = steps_of(act);
        assert!(!steps.is_empty());
        for (number, step) in steps.iter().enumerate() {
            if comes_after_the_session(&steps, number) {
                continue;
            }
            let scene = Scene::new();
            let before = scene.worth();
            let places = *scene.world.fake.places.lock();
            scene.world.fake.arm(Fault::Nth(number));
            match act(&scene) {
                Err(AuthError::Unavailable { part, .. }) => {
                    assert_eq!(part.as_str(), part_of(step), "{name}: {step}");
                }
                other => panic!("{name}: {step}: {other:?}"),
            }
            assert_eq!(scene.worth(), before, "{name}: {step}");
            assert_eq!(*scene.world.fake.places.lock(), places, "{name}: {step}");
            assert!(scene.world.fake.jobs.lock().is_empty(), "{name}: {step}");
            act(&scene).unwrap();
        }
    }
}

#[test]
fn a_step_that_fails_after_the_session_is_heard_of_and_signs_in_all_the_same() {
    for (name, act) in USE_CASES {
        let steps = steps_of(act);
        for (number, step) in steps.iter().enumerate() {
            if !comes_after_the_session(&steps, number) {
                continue;
            }
            let scene = Scene::new();
            scene.world.fake.arm(Fault::Nth(number));
            act(&scene).unwrap();
            assert_eq!(troubles(&scene.world), [part_of(step)], "{name}");
            let again = scene.world.sign_in(scene.id, &scene.digits);
            assert!(matches!(again, Err(AuthError::CodeGone)), "{name}: {step}");
            assert_eq!(scene.world.fake.state().sessions.len(), 2);
        }
    }
}

/// Trouble seldom comes alone: nothing can be given back then, but nothing is accepted either.
#[test]
fn a_port_that_stays_down_is_never_taken_for_a_yes() {
    for (name, act) in USE_CASES {
        let steps = steps_of(act);
        for (number, step) in steps.iter().enumerate() {
            if comes_after_the_session(&steps, number) {
                continue;
            }
            let scene = Scene::new();
            let before = scene.worth();
            let (port, _) = step.split_once('.').unwrap();
            scene.world.fake.arm(Fault::DownFrom(number, port));
            let answer = act(&scene);
            assert!(
                matches!(answer, Err(AuthError::Unavailable { .. })),
                "{name}: {step}"
            );
            let after = scene.worth();
            assert_eq!(after.sessions, before.sessions, "{name}: {step}");
            assert!(scene.world.fake.jobs.lock().is_empty(), "{name}: {step}");
            for (id, code) in &after.codes {
                let tried = before.codes.get(id).map_or(0, |code| code.attempts);
                assert!(code.attempts >= tried, "{name}: {step}");
            }
        }
    }
}

/// How much a counter counts: the last four bytes of each of its entries.
fn counted(counter: &Counter) -> u32 {
    let bytes = counter.to_bytes();
    let (entries, _) = bytes.as_chunks::<12>();
    let counts = entries.iter().filter_map(|entry| entry.last_chunk::<4>());
    counts.map(|count| u32::from_be_bytes(*count)).sum()
}

/// The store did it, and the answer was lost: nobody can know, so the strict side is right.
#[test]
fn an_answer_lost_at_any_step_never_signs_a_code_in_twice_or_refunds_what_was_not_charged() {
    for (name, act) in USE_CASES {
        for (number, step) in steps_of(act).iter().enumerate() {
            let scene = Scene::new();
            let before = scene.worth();
            scene.world.fake.arm(Fault::LostAnswer(number));
            let _ = act(&scene);
            scene.world.fake.arm(Fault::None);
            // A success clears the phone's failures, and nothing else takes anything away.
            let after = scene.worth();
            if !name.starts_with("sign in") {
                for (key, counter) in &before.counters {
                    assert!(
                        counted(&after.counters[key]) >= counted(counter),
                        "{name}: {step}"
                    );
                }
            }
            let _ = act(&scene);
            let _ = scene.world.sign_in(scene.id, &scene.digits);
            let state = scene.world.snapshot();
            let of_code = state.sessions.values().filter(|s| s.code == scene.id);
            assert!(of_code.count() <= 1, "{name}: {step}");
            assert_eq!(state.users.len(), 1);
        }
    }
}

#[test]
fn a_person_whose_every_step_fails_once_still_signs_in_with_all_tries_left() {
    let scene = Scene::new();
    let steps = steps_of(|s| s.world.sign_in(s.id, &s.digits).map(drop));
    let stored = steps.iter().position(|s| *s == "sessions.insert").unwrap();
    let left = scene.world.status(scene.id).attempts_remaining;
    for round in 0..3 * usize::from(policy().tries) {
        scene.world.fake.arm(Fault::Nth(round % (stored + 1)));
        scene.world.sign_in(scene.id, &scene.digits).unwrap_err();
    }
    scene.world.fake.arm(Fault::None);
    assert_eq!(scene.world.status(scene.id).attempts_remaining, left);
    scene.world.sign_in(scene.id, &scene.digits).unwrap();
}

#[test]
fn a_new_user_is_heard_of_though_the_first_sign_in_failed_later() {
    let world = World::new();
    let id = world.code_for(PHONE);
    let steps = steps_of(|s| s.world.sign_in(s.id, &s.digits).map(drop));
    let stored = steps.iter().position(|s| *s == "sessions.insert").unwrap();
    world.fake.arm(Fault::Nth(stored));
    world.sign_in(id, &world.digits(id)).unwrap_err();
    world.sign_in(id, &world.digits(id)).unwrap();
    let made = |event: &&Event| matches!(event, Event::UserCreated { .. });
    assert_eq!(world.events().iter().filter(made).count(), 1);
}

#[test]
fn parallel_calls_that_fail_give_back_what_each_of_them_took() {
    for seed in 0..20 {
        let scene = Scene::over(Fake::new(seed, true));
        let before = scene.worth();
        let (id, caller) = (scene.id.to_string(), &home());
        let sign_in = SignIn {
            code: &scene.digits,
            caller,
            grant: Grant::Tokens,
        };
        scene.world.fake.arm(Fault::DownFrom(0, "tokens"));
        let calls = (0..4).map(|_| scene.world.auth.sign_in(&id, sign_in));
        let answers = block_on(join_all(calls));
        assert!(answers.iter().all(Result::is_err));
        assert_eq!(scene.worth(), before);
        scene.world.fake.arm(Fault::None);
        scene.world.sign_in(scene.id, &scene.digits).unwrap();
    }
}
