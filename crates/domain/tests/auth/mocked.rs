//! One port mocked, the others as they are: how a team tests its own code against ours.

use std::sync::Arc;

use domain::auth::{Auth, AuthError, Part, Ports};
use domain::ports::{
    Inserted, MockCodeStore, MockRateLimiter, MockSessionStore, MockTokenIssuer, StoreError,
    TokenError,
};

use crate::support::{PHONE, World, policy, vault};

/// A world where one port is another.
fn swapped(change: impl FnOnce(&mut Ports)) -> World {
    let mut world = World::new();
    let mut ports = world.fake.ports();
    change(&mut ports);
    world.auth = Auth::new(ports, policy(), vault(&[1], 1));
    world
}

#[test]
fn a_limiter_that_cannot_answer_admits_nobody_and_no_code_is_kept() {
    let mut limiter = MockRateLimiter::new();
    let down = |_: &[_], _| Err(StoreError::unavailable("down"));
    limiter.expect_acquire().times(1).returning(down);
    let world = swapped(|ports| {
        ports.limiter = Arc::new(limiter);
        // Any call to it fails the test.
        ports.codes = Arc::new(MockCodeStore::new());
    });
    let answer = world.ask(PHONE);
    let Err(AuthError::Unavailable { part, .. }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(part, Part::RateLimits);
}

#[test]
fn an_issuer_that_will_not_sign_costs_no_try() {
    let mut tokens = MockTokenIssuer::new();
    let refuse = |_: &_| Err(TokenError::Rejected);
    tokens.expect_issue().times(1).returning(refuse);
    let world = swapped(|ports| ports.tokens = Arc::new(tokens));
    let id = world.code_for(PHONE);
    let before = world.snapshot();
    world.sign_in(id, &world.digits(id)).unwrap_err();
    assert_eq!(world.snapshot().codes, before.codes);
    assert_eq!(world.snapshot().counters, before.counters);
}

#[test]
fn a_code_that_another_process_used_a_moment_ago_is_gone() {
    let mut sessions = MockSessionStore::new();
    let used = |_: &_, _| Ok(Inserted::CodeAlreadyUsed);
    sessions.expect_insert().times(1).returning(used);
    let world = swapped(|ports| ports.sessions = Arc::new(sessions));
    let id = world.code_for(PHONE);
    let before = world.snapshot().counters;
    let answer = world.sign_in(id, &world.digits(id));
    assert!(matches!(answer, Err(AuthError::CodeGone)));
    assert_eq!(
        world.snapshot().counters,
        before,
        "right digits are no failure"
    );
}
