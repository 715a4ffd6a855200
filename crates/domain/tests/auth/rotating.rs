//! Keys change while people sign in.

use domain::auth::AuthError;
use domain::rate_limit::Scope;

use crate::support::{DAY, MINUTE, PHONE, World, block_on, limit, refused, vault};

#[test]
fn a_code_issued_before_a_rotation_still_signs_in_and_moves_its_user_to_the_new_key() {
    let world = World::new();
    let user = world.enter(PHONE).user;
    world.fake.advance(MINUTE);
    let id = world.code_for(PHONE);
    let digits = world.digits(id);
    world.auth.rekey(vault(&[1, 2], 2));
    let entered = world.sign_in(id, &digits).unwrap();
    assert_eq!(entered.user, user);
    world.auth.rekey(vault(&[2], 2));
    assert_eq!(world.enter(PHONE).user, user);
    let found = block_on(world.auth.user_by_phone(PHONE)).unwrap();
    assert_eq!(found, (user, 3));
}

#[test]
fn a_new_user_of_an_old_code_is_sealed_under_the_new_key() {
    let world = World::new();
    let id = world.code_for(PHONE);
    world.auth.rekey(vault(&[1, 2], 2));
    let user = world.sign_in(id, &world.digits(id)).unwrap().user;
    world.auth.rekey(vault(&[2], 2));
    assert_eq!(block_on(world.auth.user_by_phone(PHONE)).unwrap().0, user);
}

#[test]
fn a_code_of_a_key_that_is_gone_is_our_trouble_and_costs_no_try() {
    let world = World::new();
    let id = world.code_for(PHONE);
    let digits = world.digits(id);
    let before = world.snapshot();
    world.auth.rekey(vault(&[2], 2));
    let answer = world.sign_in(id, &digits);
    assert!(matches!(answer, Err(AuthError::Unavailable { part, .. }) if part.as_str() == "keys"));
    world.auth.rekey(vault(&[1, 2], 2));
    assert_eq!(world.snapshot(), before);
    world.sign_in(id, &digits).unwrap();
}

#[test]
fn a_rotation_gives_nobody_a_fresh_budget() {
    let world = World::with(|policy| {
        policy.limits.sends_per_phone = limit(&[(2, DAY)]);
        policy.limits.failures_per_phone = limit(&[(1, DAY)]);
    });
    let first = world.code_for(PHONE);
    world.miss(first);
    world.auth.rekey(vault(&[1, 2], 2));
    let second = world.code_for(PHONE);
    let answer = world.sign_in(second, &world.digits(second));
    assert_eq!(refused(answer).0, Some(Scope::FailuresPerPhone));
    assert_eq!(refused(world.ask(PHONE)).0, Some(Scope::SendsPerPhone));
}
