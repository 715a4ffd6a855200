//! The message again.

use std::time::Duration;

use domain::auth::AuthError;
use domain::code::DeliveryStatus;
use domain::id::PhoneCodeId;
use futures_util::future::join_all;

use crate::support::{Fake, HOUR, MINUTE, NEIGHBOUR, PHONE, World, block_on, home, refused};

#[test]
fn a_resend_repeats_the_digits_and_keeps_the_expiry_and_the_tries_used() {
    let world = World::new();
    let id = world.code_for(PHONE);
    let digits = world.digits(id);
    world.miss(id);
    let first = world.status(id);
    world.fake.advance(MINUTE);
    let again = world.resend(id).unwrap();
    assert_eq!(again.status, DeliveryStatus::Queued);
    assert_eq!(again.expires_at, first.expires_at);
    assert_eq!(again.attempts_remaining, 4);
    world.deliver();
    assert_eq!(world.fake.sent.lock().len(), 2);
    assert_eq!(world.digits(id), digits);
    let ids: Vec<_> = world
        .fake
        .sent
        .lock()
        .iter()
        .map(|m| m.id.clone())
        .collect();
    assert_eq!(ids, [format!("{id}-1"), format!("{id}-2")]);
}

#[test]
fn each_resend_waits_its_turn_to_the_millisecond() {
    let world = World::with(|policy| policy.code_lifetime = HOUR);
    let id = world.code_for(PHONE);
    for wait in [60, 120, 300, 300] {
        let wait = Duration::from_secs(wait);
        assert_eq!(world.status(id).resend_at, world.fake.now() + wait);
        assert_eq!(refused(world.resend(id)), (None, wait.as_secs()));
        world.fake.advance(wait - Duration::from_millis(1));
        refused(world.resend(id));
        world.fake.advance(Duration::from_millis(1));
        world.resend(id).unwrap();
        world.deliver();
    }
}

#[test]
fn of_parallel_resends_one_sends() {
    for seed in 0..20 {
        let fake = Fake::new(seed, true);
        let world = World::over(fake, |policy| policy.limits = Default::default());
        let id = world.code_for(PHONE);
        world.fake.advance(MINUTE);
        let caller = home();
        let answers = block_on(join_all(
            (0..20).map(|_| world.auth.resend_code(id, &caller)),
        ));
        assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 1);
        for answer in answers.into_iter().filter(Result::is_err) {
            assert_eq!(refused(answer), (None, 120));
        }
        world.deliver();
        assert_eq!(world.fake.sent.lock().len(), 2);
    }
}

#[test]
fn what_is_no_live_code_is_not_sent_again() {
    let world = World::new();
    let unknown = PhoneCodeId::from_bytes([9; 16]);
    let gone = |id| matches!(world.resend(id), Err(AuthError::CodeGone));
    assert!(gone(unknown));
    let used = world.code_for(PHONE);
    world.sign_in(used, &world.digits(used)).unwrap();
    let exhausted = world.code_for(NEIGHBOUR);
    for _ in 0..5 {
        world.miss(exhausted);
    }
    world.fake.advance(MINUTE);
    let expired = world.code_for(PHONE);
    assert!(gone(used));
    assert!(gone(exhausted));
    world.fake.advance(5 * MINUTE);
    assert!(gone(expired));
    assert_eq!(world.fake.sent.lock().len(), 3);
}
