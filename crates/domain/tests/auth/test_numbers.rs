//! Numbers with a fixed code.

use std::time::Duration;

use domain::auth::{AuthError, TestNumber};
use domain::code::{Code, CodeLength, DeliveryStatus};
use domain::rate_limit::Scope;

use crate::support::{Fake, HOUR, World, phone, refused};

fn world(until: Option<Duration>) -> World {
    let fake = Fake::new(1, false);
    let until = until.map(|time| fake.now() + time);
    let code = Code::parse("424242", CodeLength::new(6).unwrap()).unwrap();
    World::over(fake, |policy| {
        let test = TestNumber { code, until };
        policy.test_numbers.insert(phone("+12025550123"), test);
    })
}

const TEST: &str = "+12025550123";

#[test]
fn a_test_number_signs_in_with_its_fixed_code_and_reaches_no_gateway() {
    let world = world(None);
    let id = world.ask(TEST).unwrap().id;
    world.deliver();
    assert!(world.fake.sent.lock().is_empty());
    assert_eq!(world.status(id).status, DeliveryStatus::Delivered);
    assert!(world.sign_in(id, "424243").is_err());
    world.sign_in(id, "424242").unwrap();
}

#[test]
fn a_test_number_skips_waits_and_the_limits_of_messages_but_not_its_callers() {
    let world = world(None);
    let id = world.ask(TEST).unwrap().id;
    for _ in 0..29 {
        world.resend(id).unwrap();
        world.ask(TEST).unwrap();
    }
    world.ask(TEST).unwrap();
    assert_eq!(refused(world.ask(TEST)).0, Some(Scope::SendsPerAddress));
}

#[test]
fn a_test_number_is_one_like_any_other_from_its_end_on() {
    let world = world(Some(HOUR));
    let id = world.ask(TEST).unwrap().id;
    world.sign_in(id, "424242").unwrap();
    world.fake.advance(HOUR - Duration::from_millis(1));
    let last = world.ask(TEST).unwrap().id;
    world.fake.advance(Duration::from_millis(1));
    assert!(matches!(world.ask(TEST), Err(AuthError::PhoneNotAllowed)));
    assert!(matches!(
        world.sign_in(last, "424242"),
        Err(AuthError::CodeIncorrect { .. })
    ));
}
