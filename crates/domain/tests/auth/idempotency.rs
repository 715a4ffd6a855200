//! The same call twice.

use std::time::Duration;

use domain::auth::{AskCode, AuthError, Policy};
use domain::message::Locale;
use domain::session::Caller;
use futures_util::future::{join_all, join3};

use crate::support::{Fake, MINUTE, NEIGHBOUR, PHONE, World, block_on, home, idempotent};

fn ask<'a>(phone: &'a str, caller: &'a Caller, key: &'a str) -> AskCode<'a> {
    AskCode {
        phone,
        locale: Locale::En,
        caller,
        idempotency_key: Some(key),
    }
}

#[test]
fn the_same_call_gets_the_same_answer_whatever_happened_since_and_sends_nothing() {
    let world = World::new();
    let first = idempotent(&world, PHONE, "k").unwrap();
    world.deliver();
    world.miss(first.id);
    world.fake.advance(MINUTE);
    world.resend(first.id).unwrap();
    world.deliver();
    let before = world.snapshot();
    assert_eq!(idempotent(&world, "138-0013-8000", "k").unwrap(), first);
    world.sign_in(first.id, &world.digits(first.id)).unwrap();
    assert_eq!(idempotent(&world, PHONE, "k").unwrap(), first);
    world.deliver();
    assert_eq!(world.fake.sent.lock().len(), 2);
    assert!(before.codes.contains_key(&first.id));
}

#[test]
fn another_phone_or_language_under_the_same_key_is_a_conflict() {
    let world = World::new();
    idempotent(&world, PHONE, "k").unwrap();
    let before = world.snapshot();
    let other_phone = idempotent(&world, NEIGHBOUR, "k");
    assert!(matches!(other_phone, Err(AuthError::IdempotencyConflict)));
    let caller = home();
    let other_language = block_on(world.auth.ask_code(AskCode {
        locale: Locale::Zh,
        ..ask(PHONE, &caller, "k")
    }));
    assert!(matches!(
        other_language,
        Err(AuthError::IdempotencyConflict)
    ));
    assert_eq!(world.snapshot(), before);
    idempotent(&world, NEIGHBOUR, "another").unwrap();
}

#[test]
fn a_hundred_parallel_duplicates_send_one_message() {
    for seed in 0..10 {
        let world = World::over(Fake::new(seed, true), |_| {});
        let caller = home();
        let calls = (0..100).map(|_| world.auth.ask_code(ask(PHONE, &caller, "k")));
        let answers = block_on(join_all(calls));
        let first = answers[0].as_ref().unwrap();
        assert!(answers.iter().all(|a| a.as_ref().unwrap() == first));
        world.deliver();
        assert_eq!(world.fake.sent.lock().len(), 1);
        assert_eq!(world.fake.state().codes.len(), 1);
    }
}

#[test]
fn a_call_that_waited_too_long_for_another_is_not_carried_out() {
    for seed in 0..10 {
        let world = World::over(Fake::new(seed, true), |_| {});
        let caller = home();
        let [first, second] =
            [PHONE, NEIGHBOUR].map(|phone| world.auth.ask_code(ask(phone, &caller, "k")));
        let time_passes = async { world.fake.advance(Duration::from_secs(3)) };
        let (first, second, ()) = block_on(join3(first, second, time_passes));
        first.unwrap();
        assert!(matches!(second, Err(AuthError::Unavailable { .. })));
        assert_eq!(world.fake.state().codes.len(), 1);
    }
}

#[test]
fn duplicates_on_two_processes_send_one_message() {
    for seed in 0..50 {
        let fake = Fake::new(seed, true);
        let unlimited = |policy: &mut Policy| policy.limits = Default::default();
        let here = World::over(fake.clone(), unlimited);
        let there = World::over(fake, unlimited);
        let caller = home();
        let calls = [&here, &there].map(|world| world.auth.ask_code(ask(PHONE, &caller, "k")));
        let answers = block_on(join_all(calls));
        assert_eq!(
            answers[0].as_ref().unwrap(),
            answers[1].as_ref().unwrap(),
            "{seed}"
        );
        here.deliver();
        assert_eq!(here.fake.sent.lock().len(), 1);
    }
}

#[test]
fn a_key_is_free_again_when_its_code_is_over_and_its_next_code_signs_in() {
    for swept in [false, true] {
        let world = World::new();
        let mut ids = Vec::new();
        for _ in 0..3 {
            let code = idempotent(&world, PHONE, "k").unwrap();
            assert_eq!(idempotent(&world, PHONE, "k").unwrap(), code);
            world.deliver();
            world.sign_in(code.id, &world.digits(code.id)).unwrap();
            world.fake.advance(5 * MINUTE);
            if swept {
                block_on(world.auth.sweep(100)).unwrap();
            }
            ids.push(code.id);
        }
        ids.dedup();
        assert_eq!(ids.len(), 3);
    }
}

#[test]
fn a_key_names_its_code_until_the_code_is_over() {
    let unlimited = |policy: &mut Policy| policy.limits = Default::default();
    let world = World::over(Fake::new(0, false), unlimited);
    for _ in 0..7 {
        world.fake.advance(MINUTE);
        let first = idempotent(&world, PHONE, "k").unwrap();
        world.fake.advance(5 * MINUTE - Duration::from_millis(1));
        assert_eq!(idempotent(&world, PHONE, "k").unwrap(), first);
        world.fake.advance(Duration::from_millis(1));
        assert_ne!(idempotent(&world, PHONE, "k").unwrap().id, first.id);
        world.fake.advance(5 * MINUTE);
    }
}

#[test]
fn a_call_that_failed_may_be_made_again_under_its_key() {
    let world = World::new();
    *world.fake.places.lock() = 0;
    idempotent(&world, PHONE, "k").unwrap_err();
    *world.fake.places.lock() = 1;
    idempotent(&world, PHONE, "k").unwrap();
    world.deliver();
    assert_eq!(world.fake.sent.lock().len(), 1);
}
