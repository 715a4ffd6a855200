//! Signing in with a code and the phone it was sent to.

use domain::auth::AuthError;
use domain::event::Event;
use domain::rate_limit::Scope;

use crate::support::{DAY, Fault, MINUTE, NEIGHBOUR, PHONE, World, limit, refused};

fn unlimited() -> World {
    World::with(|policy| policy.limits.sends_per_phone = None)
}

#[test]
fn any_spelling_of_the_phone_signs_in_with_its_code() {
    let world = World::new();
    let id = world.code_for(PHONE);
    let entered = world.sign_in_by_phone("138 0013 8000", &world.digits(id));
    assert_eq!(entered.unwrap().user.phone.as_e164(), PHONE);
    let again = world.sign_in_by_phone(PHONE, &world.digits(id));
    assert!(matches!(again, Err(AuthError::CodeGone)));
}

#[test]
fn a_strangers_newer_codes_do_not_void_the_owners() {
    let world = unlimited();
    let owners = world.code_for(PHONE);
    for _ in 0..4 {
        world.fake.advance(MINUTE / 2);
        world.code_for(PHONE);
    }
    world
        .sign_in_by_phone(PHONE, &world.digits(owners))
        .unwrap();
}

#[test]
fn each_live_code_signs_in_once() {
    let world = unlimited();
    let ids = [world.code_for(PHONE), world.code_for(PHONE)];
    for id in ids {
        world.sign_in_by_phone(PHONE, &world.digits(id)).unwrap();
        world
            .sign_in_by_phone(PHONE, &world.digits(id))
            .unwrap_err();
    }
    assert_eq!(world.fake.state().sessions.len(), 2);
}

#[test]
fn a_wrong_guess_is_a_try_of_every_live_code_and_as_many_failures_of_the_phone() {
    let world = World::with(|policy| {
        policy.limits.sends_per_phone = None;
        policy.limits.failures_per_phone = limit(&[(9, DAY)]);
    });
    let ids = [(); 3].map(|()| world.code_for(PHONE));
    for left in [4, 3, 2] {
        let answer = world.sign_in_by_phone(PHONE, &world.wrong());
        let as_told =
            matches!(answer, Err(AuthError::CodeIncorrect { remaining }) if remaining == left);
        assert!(as_told, "{answer:?}");
        for id in ids {
            assert_eq!(world.status(id).attempts_remaining, left);
        }
    }
    let before = world.snapshot();
    let answer = world.sign_in_by_phone(PHONE, &world.digits(ids[0]));
    assert_eq!(refused(answer).0, Some(Scope::FailuresPerPhone));
    assert_eq!(world.snapshot(), before);
}

#[test]
fn a_wrong_guess_tells_the_tries_of_the_code_that_has_most() {
    let world = unlimited();
    let old = world.code_for(PHONE);
    for _ in 0..3 {
        world.miss(old);
    }
    world.fake.advance(MINUTE);
    world.code_for(PHONE);
    let answer = world.sign_in_by_phone(PHONE, &world.wrong());
    assert!(matches!(
        answer,
        Err(AuthError::CodeIncorrect { remaining: 4 })
    ));
}

#[test]
fn a_wrong_guess_is_heard_of() {
    let world = World::new();
    let code = world.code_for(PHONE);
    world.sign_in_by_phone(PHONE, &world.wrong()).unwrap_err();
    assert!(world.events().contains(&Event::CodeIncorrect { code }));
}

#[test]
fn a_phone_without_a_live_code_costs_nothing() {
    let world = World::new();
    let id = world.code_for(PHONE);
    let before = world.snapshot();
    let answer = world.sign_in_by_phone(NEIGHBOUR, "123456");
    assert!(matches!(answer, Err(AuthError::CodeGone)));
    assert_eq!(world.snapshot(), before);
    world.fake.advance(5 * MINUTE);
    let late = world.sign_in_by_phone(PHONE, &world.digits(id));
    assert!(matches!(late, Err(AuthError::CodeGone)));
    assert_eq!(world.snapshot(), before);
}

#[test]
fn phones_and_codes_of_no_form_are_told_apart() {
    let world = World::new();
    world.code_for(PHONE);
    let before = world.snapshot();
    let answer = |phone, code| world.sign_in_by_phone(phone, code).unwrap_err();
    assert!(matches!(answer("138", "123456"), AuthError::PhoneInvalid));
    assert!(matches!(
        answer("+12025550123", "123456"),
        AuthError::PhoneNotAllowed
    ));
    assert!(matches!(
        answer(PHONE, "12345"),
        AuthError::CodeMalformed { length: 6 }
    ));
    assert_eq!(world.snapshot(), before);
}

/// A store that fails between two codes must not let a guess be judged for free either: no code
/// is judged before each is counted.
#[test]
fn a_failure_at_any_step_costs_no_code_of_the_phone_a_try() {
    let setup = || {
        let world = unlimited();
        let ids = [(); 3].map(|()| world.code_for(PHONE));
        (world, ids)
    };
    let (world, ids) = setup();
    world.fake.arm(Fault::None);
    world
        .sign_in_by_phone(PHONE, &world.digits(ids[0]))
        .unwrap();
    let steps = world.fake.calls();
    let stored = steps.iter().position(|s| *s == "sessions.insert").unwrap();
    for (number, step) in steps[..=stored].iter().enumerate() {
        let (world, ids) = setup();
        let before = world.snapshot();
        world.fake.arm(Fault::Nth(number));
        let answer = world.sign_in_by_phone(PHONE, &world.digits(ids[0]));
        assert!(matches!(answer, Err(AuthError::Unavailable { .. })));
        let mut after = world.snapshot();
        after.users.clear();
        assert_eq!(after, before, "{step}");
        world
            .sign_in_by_phone(PHONE, &world.digits(ids[0]))
            .unwrap();
    }
}
