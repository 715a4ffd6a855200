//! What an operator does with a user.

use domain::auth::{AuthError, Part};
use domain::event::Event;

use crate::support::{Fault, NEIGHBOUR, PHONE, World, block_on};

#[test]
fn an_operator_finds_a_user_by_any_spelling_of_the_phone() {
    let world = World::new();
    let user = world.enter(PHONE).user;
    world.enter(PHONE);
    let found = block_on(world.auth.user_by_phone("138-0013-8000")).unwrap();
    assert_eq!(found, (user, 2));
}

#[test]
fn a_phone_that_is_none_and_one_that_nobody_proved_are_told_apart() {
    let world = World::new();
    world.code_for(PHONE);
    let find = |phone| block_on(world.auth.user_by_phone(phone));
    assert!(matches!(find("138"), Err(AuthError::PhoneInvalid)));
    assert!(matches!(find(PHONE), Err(AuthError::NotFound)));
    assert!(
        matches!(find("+12025550123"), Err(AuthError::NotFound)),
        "a country that is not texted any more may still have users"
    );
}

#[test]
fn an_operator_signs_a_user_out_everywhere() {
    let world = World::new();
    let (mine, other) = (world.enter(PHONE), world.enter(NEIGHBOUR));
    world.enter(PHONE);
    assert_eq!(block_on(world.auth.sign_out_user(PHONE)).unwrap(), 2);
    assert_eq!(block_on(world.auth.sign_out_user(PHONE)).unwrap(), 0);
    assert!(matches!(
        world.authenticate(&mine),
        Err(AuthError::Unauthenticated)
    ));
    world.authenticate(&other).unwrap();
}

#[test]
fn a_deleted_user_is_out_and_the_phone_begins_anew() {
    let world = World::new();
    let mine = world.enter(PHONE);
    let me = world.authenticate(&mine).unwrap();
    let user = block_on(world.auth.delete_user(PHONE)).unwrap();
    assert_eq!(user, mine.user.id);
    assert!(matches!(
        world.authenticate(&mine),
        Err(AuthError::Unauthenticated)
    ));
    assert!(matches!(
        world.refresh(&mine),
        Err(AuthError::RefreshRejected)
    ));
    assert!(matches!(
        block_on(world.auth.me(&me)),
        Err(AuthError::Unauthenticated)
    ));
    assert!(world.events().contains(&Event::UserDeleted { user }));
    let anew = world.enter(PHONE);
    assert!(anew.new_user);
    assert_ne!(anew.user.id, user);
}

/// Else the sessions of a user that cannot be found any more would live on.
#[test]
fn a_deletion_that_failed_at_any_step_can_be_repeated_until_nobody_is_in() {
    let steps = {
        let world = World::new();
        world.enter(PHONE);
        world.fake.arm(Fault::None);
        block_on(world.auth.delete_user(PHONE)).unwrap();
        world.fake.calls()
    };
    for (number, step) in steps.iter().enumerate() {
        let world = World::new();
        let entered = world.enter(PHONE);
        world.fake.arm(Fault::Nth(number));
        let failed = block_on(world.auth.delete_user(PHONE));
        assert!(
            matches!(failed, Err(AuthError::Unavailable { .. })),
            "{step}"
        );
        match block_on(world.auth.delete_user(PHONE)) {
            Ok(_) | Err(AuthError::NotFound) => {}
            other => panic!("{step}: {other:?}"),
        }
        let answer = world.authenticate(&entered);
        assert!(matches!(answer, Err(AuthError::Unauthenticated)), "{step}");
        assert!(world.fake.state().users.is_empty());
    }
}

#[test]
fn a_sweep_removes_what_is_over_and_tells_which_store_failed() {
    let world = World::new();
    world.enter(PHONE);
    assert_eq!(block_on(world.auth.sweep(100)).unwrap(), 0);
    world.fake.advance(crate::support::DAY * 31);
    assert_eq!(block_on(world.auth.sweep(100)).unwrap(), 2);
    for (number, part) in [Part::Codes, Part::Sessions, Part::RateLimits]
        .iter()
        .enumerate()
    {
        world.fake.arm(Fault::Nth(number));
        let answer = block_on(world.auth.sweep(100));
        assert!(matches!(answer, Err(AuthError::Unavailable { part: p, .. }) if p == *part));
        assert_eq!(world.fake.calls().len(), 3, "the others are swept");
    }
}
