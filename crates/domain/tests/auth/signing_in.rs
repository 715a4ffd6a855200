//! Signing in with a code and its id.

use std::time::Duration;

use domain::auth::{AuthError, Credentials, Grant, SignIn};
use domain::event::Event;
use domain::id::PhoneCodeId;
use domain::rate_limit::Scope;

use crate::support::{
    DAY, HOUR, MINUTE, NEIGHBOUR, PHONE, World, block_on, caller, home, limit, refused, tokens,
};

#[test]
fn a_right_code_makes_a_user_and_a_session() {
    let world = World::new();
    let id = world.code_for(PHONE);
    let entered = world.sign_in(id, &world.digits(id)).unwrap();
    let now = world.fake.now();
    assert!(entered.new_user);
    assert_eq!(entered.user.phone.as_e164(), PHONE);
    assert_eq!(entered.user.created_at, now);
    assert_eq!(entered.session.user, entered.user.id);
    assert_eq!(entered.session.expires_at, now + 7 * DAY);
    assert_eq!(entered.session.user_agent.as_deref(), Some("test/1.0"));
    assert!(entered.session.current);
    assert_eq!(tokens(&entered).access_lifetime, 5 * MINUTE);
    assert_eq!(tokens(&entered).refresh_expires_at, now + 7 * DAY);
    assert_eq!(
        world.authenticate(&entered).unwrap().view(),
        entered.session
    );
    let events = world.events();
    assert!(events.contains(&Event::UserCreated {
        user: entered.user.id
    }));
}

#[test]
fn the_second_sign_in_of_a_phone_finds_its_user() {
    let world = World::new();
    let first = world.enter(PHONE);
    let second = world.enter(PHONE);
    assert!(!second.new_user);
    assert_eq!(second.user, first.user);
    assert_ne!(second.session.id, first.session.id);
    assert_ne!(world.enter(NEIGHBOUR).user.id, first.user.id);
}

#[test]
fn a_code_is_accepted_once() {
    let world = World::new();
    let id = world.code_for(PHONE);
    let digits = world.digits(id);
    world.sign_in(id, &digits).unwrap();
    let again = world.sign_in(id, &digits);
    assert!(matches!(again, Err(AuthError::CodeGone)));
    assert_eq!(world.fake.state().sessions.len(), 1);
}

#[test]
fn tries_run_down_and_then_a_right_code_is_answered_like_a_wrong_one() {
    let world = World::new();
    let id = world.code_for(PHONE);
    for left in (0..5).rev() {
        let answer = world.sign_in(id, &world.wrong());
        assert!(
            matches!(answer, Err(AuthError::CodeIncorrect { remaining }) if remaining == left),
            "{answer:?}"
        );
        assert_eq!(world.status(id).attempts_remaining, left);
    }
    for code in [world.wrong(), world.digits(id)] {
        assert!(matches!(world.sign_in(id, &code), Err(AuthError::CodeGone)));
    }
    assert_eq!(world.status(id).attempts_remaining, 0);
}

#[test]
fn a_code_is_accepted_until_a_millisecond_before_its_expiry() {
    let lifetime = 5 * MINUTE;
    for (age, accepted) in [
        (lifetime - Duration::from_millis(1), true),
        (lifetime, false),
    ] {
        let world = World::new();
        let id = world.code_for(PHONE);
        world.fake.advance(age);
        let answer = world.sign_in(id, &world.digits(id));
        assert_eq!(answer.is_ok(), accepted, "{age:?}");
        assert!(accepted || matches!(answer, Err(AuthError::CodeGone)));
    }
}

#[test]
fn digits_are_worth_nothing_under_another_id() {
    let world = World::new();
    let (mine, other) = (world.code_for(PHONE), world.code_for(NEIGHBOUR));
    assert_ne!(world.digits(mine), world.digits(other));
    let crossed = world.sign_in(mine, &world.digits(other));
    assert!(matches!(
        crossed,
        Err(AuthError::CodeIncorrect { remaining: 4 })
    ));
}

#[test]
fn what_is_not_the_right_number_of_ascii_digits_costs_no_try() {
    let world = World::new();
    let id = world.code_for(PHONE);
    let digits = world.digits(id);
    let before = world.snapshot();
    let odd = [
        String::new(),
        digits[1..].to_owned(),
        format!("{digits}0"),
        format!(" {digits}"),
        format!("+{}", &digits[1..]),
        "１２３４５６".to_owned(),
        "\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}".to_owned(),
        "𝟏𝟐𝟑𝟒𝟓𝟔".to_owned(),
        "12345\0".to_owned(),
        "a".repeat(1 << 20),
    ];
    for code in odd {
        let answer = world.sign_in(id, &code);
        assert!(
            matches!(answer, Err(AuthError::CodeMalformed { length: 6 })),
            "{code:.20?}"
        );
    }
    assert_eq!(world.snapshot(), before);
}

#[test]
fn an_id_that_was_never_issued_or_is_none_is_answered_like_a_dead_one() {
    let world = World::new();
    let caller = home();
    let unknown = PhoneCodeId::from_bytes([9; 16]).to_string();
    for id in ["", "pc_", "usr_00", unknown.as_str(), &"x".repeat(1 << 20)] {
        let sign_in = SignIn {
            code: "123456",
            caller: &caller,
            grant: Grant::Tokens,
        };
        let answer = block_on(world.auth.sign_in(id, sign_in));
        assert!(matches!(answer, Err(AuthError::CodeGone)), "{id:.20}");
    }
    assert!(world.fake.state().counters.is_empty());
}

#[test]
fn wrong_codes_add_up_over_codes_and_resends_until_a_success_clears_them() {
    let world = World::with(|policy| {
        policy.limits.sends_per_phone = None;
        policy.limits.failures_per_phone = limit(&[(7, DAY)]);
    });
    let first = world.code_for(PHONE);
    for _ in 0..5 {
        world.miss(first);
    }
    let second = world.code_for(PHONE);
    world.miss(second);
    world.sign_in(second, &world.digits(second)).unwrap();

    let third = world.code_for(PHONE);
    for _ in 0..4 {
        world.miss(third);
    }
    world.fake.advance(MINUTE);
    world.resend(third).unwrap();
    world.miss(third);
    let fourth = world.code_for(PHONE);
    for _ in 0..2 {
        world.miss(fourth);
    }
    let tries = world.status(fourth).attempts_remaining;
    for code in [world.wrong(), world.digits(fourth)] {
        let (scope, wait) = refused(world.sign_in(fourth, &code));
        assert_eq!((scope, wait), (Some(Scope::FailuresPerPhone), 86_340));
    }
    assert_eq!(world.status(fourth).attempts_remaining, tries);
    world.fake.advance(DAY - MINUTE);
    let fifth = world.code_for(PHONE);
    world.sign_in(fifth, &world.digits(fifth)).unwrap();
}

#[test]
fn guesses_at_a_dead_code_cost_the_phone_nothing() {
    let world = World::new();
    let id = world.code_for(PHONE);
    world.sign_in(id, &world.digits(id)).unwrap();
    let before = world.snapshot().counters;
    for _ in 0..300 {
        let answer = world.sign_in(id, &world.wrong());
        assert!(matches!(answer, Err(AuthError::CodeGone)));
    }
    assert_eq!(world.snapshot().counters, before);
}

#[test]
fn wrong_codes_from_one_address_meet_its_limit_whatever_the_phone() {
    let world = World::with(|p| p.limits.failures_per_address = limit(&[(3, HOUR)]));
    let mine = world.code_for(PHONE);
    for _ in 0..3 {
        world.miss(mine);
    }
    let other = world.code_for(NEIGHBOUR);
    let before = world.snapshot();
    let answer = world.sign_in(other, &world.digits(other));
    assert_eq!(refused(answer).0, Some(Scope::FailuresPerAddress));
    assert_eq!(world.snapshot(), before);
    let (code, caller) = (&world.digits(other), &caller("192.0.2.2"));
    let sign_in = SignIn {
        code,
        caller,
        grant: Grant::Tokens,
    };
    block_on(world.auth.sign_in(&other.to_string(), sign_in)).unwrap();
}

#[test]
fn right_codes_do_not_count_against_their_address() {
    let world = World::with(|policy| {
        policy.limits = domain::auth::Limits {
            failures_per_address: limit(&[(2, HOUR)]),
            failures_per_phone: limit(&[(2, HOUR)]),
            ..Default::default()
        };
    });
    for _ in 0..10 {
        world.enter(PHONE);
    }
    assert!(world.snapshot().counters.is_empty());
}

#[test]
fn each_grant_holds_its_session_by_its_own_credentials() {
    let world = World::new();
    let enter = |grant| {
        world.fake.advance(MINUTE);
        let id = world.code_for(PHONE);
        world.sign_in_for(id, &world.digits(id), grant).unwrap()
    };
    let access_only = enter(Grant::AccessOnly(DAY));
    assert_eq!(tokens(&access_only).access_lifetime, DAY);
    assert_eq!(tokens(&access_only).refresh, None);
    let cookie = enter(Grant::Cookie(DAY));
    assert!(matches!(cookie.credentials, Credentials::Cookie(_)));
    for entered in [&access_only, &cookie] {
        assert_eq!(entered.session.expires_at, entered.session.created_at + DAY);
        world.authenticate(entered).unwrap();
    }
    world.fake.advance(DAY);
    for entered in [&access_only, &cookie] {
        let answer = world.authenticate(entered);
        assert!(matches!(answer, Err(AuthError::Unauthenticated)));
    }
}

#[test]
fn no_access_token_outlives_its_session() {
    let world = World::with(|policy| policy.access_lifetime = 60 * DAY);
    let entered = world.enter(PHONE);
    assert_eq!(tokens(&entered).access_lifetime, 7 * DAY);
}

#[test]
fn a_user_of_more_sessions_than_allowed_loses_the_oldest() {
    let world = World::with(|policy| {
        policy.sessions_per_user = 3;
        policy.limits = Default::default();
    });
    let entered: Vec<_> = (0..5).map(|_| world.enter(PHONE)).collect();
    let live: Vec<_> = entered
        .iter()
        .map(|entered| world.authenticate(entered).is_ok())
        .collect();
    assert_eq!(live, [false, false, true, true, true]);
}
