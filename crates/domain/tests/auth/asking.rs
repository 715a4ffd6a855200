//! Asking for a code.

use std::time::Duration;

use domain::auth::{AuthError, CodeView, Limits};
use domain::code::DeliveryStatus;
use domain::id::PhoneCodeId;
use domain::rate_limit::Scope;

use crate::support::{HOUR, MINUTE, NEIGHBOUR, PHONE, World, block_on, caller, limit, refused};

#[test]
fn asking_answers_at_once_and_makes_nobody() {
    let world = World::new();
    let view = world.ask("138 0013 8000").unwrap();
    let now = world.fake.now();
    let expected = CodeView {
        id: view.id,
        phone: "+86138****8000".into(),
        status: DeliveryStatus::Queued,
        code_length: 6,
        expires_at: now + 5 * MINUTE,
        resend_at: now + MINUTE,
        attempts_remaining: 5,
    };
    assert_eq!(view, expected);
    assert_eq!(world.status(view.id), expected);
    assert!(world.fake.sent.lock().is_empty(), "a worker sends it");
    assert!(world.fake.state().users.is_empty());
    world.deliver();
    assert_eq!(world.status(view.id).status, DeliveryStatus::Sent);
    assert_eq!(world.fake.sent.lock().len(), 1);
}

#[test]
fn a_known_and_an_unknown_number_get_the_same_answer() {
    let world = World::new();
    world.enter(PHONE);
    world.fake.advance(MINUTE);
    let known = world.ask(PHONE).unwrap();
    let unknown = world.ask(NEIGHBOUR).unwrap();
    let same = CodeView {
        id: known.id,
        phone: known.phone.clone(),
        ..unknown
    };
    assert_eq!(known, same);
}

#[test]
fn numbers_that_are_none_or_are_not_texted_are_told_apart_and_cost_nothing() {
    let world = World::new();
    for spelling in ["", "12345", "hello", "+86138001380001"] {
        let answer = world.ask(spelling);
        assert!(
            matches!(answer, Err(AuthError::PhoneInvalid)),
            "{spelling}: {answer:?}"
        );
    }
    for spelling in ["+12025550123", "010 6278 1234"] {
        let answer = world.ask(spelling);
        assert!(
            matches!(answer, Err(AuthError::PhoneNotAllowed)),
            "{spelling}: {answer:?}"
        );
    }
    assert_eq!(world.fake.calls(), [""; 0]);
}

#[test]
fn the_second_message_to_a_phone_waits_and_a_refused_call_is_not_counted() {
    let world = World::new();
    world.ask(PHONE).unwrap();
    let before = world.snapshot();
    for _ in 0..100 {
        assert_eq!(refused(world.ask(PHONE)), (Some(Scope::SendsPerPhone), 60));
    }
    assert_eq!(world.snapshot(), before);
    world.fake.advance(MINUTE - Duration::from_millis(1));
    assert_eq!(refused(world.ask(PHONE)), (Some(Scope::SendsPerPhone), 0));
    world.fake.advance(Duration::from_millis(1));
    world.ask(PHONE).unwrap();
}

#[test]
fn every_limit_on_sending_refuses_by_itself() {
    type Change = fn(&mut Limits);
    let cases: [(Scope, Change); 7] = [
        (Scope::SendsPerPhone, |l| {
            l.sends_per_phone = limit(&[(1, HOUR)])
        }),
        (Scope::SendsPerAddress, |l| {
            l.sends_per_address = limit(&[(1, HOUR)])
        }),
        (Scope::SendsPerNetwork, |l| {
            l.sends_per_network = limit(&[(1, HOUR)])
        }),
        (Scope::SendsPerPrefix, |l| {
            l.sends_per_prefix = limit(&[(1, HOUR)])
        }),
        (Scope::SendsPerCountry, |l| {
            l.sends_per_country = limit(&[(1, HOUR)])
        }),
        (Scope::SendsOverall, |l| {
            l.sends_overall = limit(&[(1, HOUR)])
        }),
        (Scope::SpendOverall, |l| {
            l.spend_overall = limit(&[(89, HOUR)])
        }),
    ];
    for (scope, change) in cases {
        let world = World::with(|policy| change(&mut policy.limits));
        let caller = caller("2001:db8:1:2::3");
        world.ask_from(PHONE, &caller).unwrap();
        world.fake.advance(MINUTE);
        let before = world.snapshot();
        let answer = world.ask_from(PHONE, &caller);
        assert_eq!(refused(answer).0, Some(scope));
        assert_eq!(world.snapshot(), before, "{scope:?}");
        world.fake.advance(HOUR);
        world.ask_from(PHONE, &caller).unwrap();
    }
}

#[test]
fn who_shares_an_address_shares_its_allowance_and_who_does_not_does_not() {
    let same = [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8:1:2::3", "2001:db8:1:2:ffff::"),
    ];
    let other = [
        ("192.0.2.1", "192.0.2.2"),
        ("2001:db8:1:2::3", "2001:db8:1:3::3"),
    ];
    for (pairs, shared) in [(same, true), (other, false)] {
        for (first, second) in pairs {
            let world = World::with(|p| p.limits.sends_per_address = limit(&[(1, HOUR)]));
            world.ask_from(PHONE, &caller(first)).unwrap();
            let answer = world.ask_from(NEIGHBOUR, &caller(second));
            assert_eq!(answer.is_err(), shared, "{first} {second}");
        }
    }
}

#[test]
fn a_site_that_rotates_its_ipv6_prefixes_meets_the_limit_of_its_network() {
    let world = World::with(|p| p.limits.sends_per_network = limit(&[(1, HOUR)]));
    world.ask_from(PHONE, &caller("2001:db8:1:2::3")).unwrap();
    let answer = world.ask_from(NEIGHBOUR, &caller("2001:db8:1:ffff::3"));
    assert_eq!(refused(answer).0, Some(Scope::SendsPerNetwork));
    world.ask_from(NEIGHBOUR, &caller("2001:db8:2::3")).unwrap();
}

#[test]
fn with_every_limit_off_nothing_is_refused() {
    let world = World::with(|policy| policy.limits = Default::default());
    for _ in 0..100 {
        world.ask(PHONE).unwrap();
    }
    let last = world.code_for(PHONE);
    world.sign_in(last, &world.digits(last)).unwrap();
}

#[test]
fn a_full_queue_is_told_before_anything_is_spent() {
    let world = World::new();
    *world.fake.places.lock() = 1;
    world.ask(PHONE).unwrap();
    let before = world.snapshot();
    let answer = world.ask(NEIGHBOUR);
    assert!(matches!(answer, Err(AuthError::Unavailable { part, .. }) if part.as_str() == "queue"));
    assert_eq!(world.snapshot(), before);
    world.deliver();
    world.ask(NEIGHBOUR).unwrap();
}

#[test]
fn a_refused_call_gives_its_place_in_the_queue_back() {
    let world = World::new();
    world.ask(PHONE).unwrap();
    let places = *world.fake.places.lock();
    world.ask(PHONE).unwrap_err();
    assert_eq!(*world.fake.places.lock(), places);
}

#[test]
fn the_status_of_a_code_that_never_was_is_not_found() {
    let world = World::new();
    let unknown = PhoneCodeId::from_bytes([9; 16]);
    let answer = block_on(world.auth.code_status(unknown));
    assert!(matches!(answer, Err(AuthError::NotFound)));
}
