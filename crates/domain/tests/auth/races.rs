//! Calls at once: every port call waits in a random order, the same in every run.

use std::task::{Context, Waker};

use domain::auth::{AuthError, Limits};
use futures_util::future::{join, join_all};

use crate::support::{Fake, HOUR, PHONE, World, block_on, for_tokens, home, limit};

#[test]
fn of_parallel_right_codes_one_signs_in() {
    for seed in 0..50 {
        let world = World::over(Fake::new(seed, true), |policy| policy.tries = 10);
        let id = world.code_for(PHONE);
        let (text, digits, caller) = (&id.to_string(), &world.digits(id), &home());
        let tries = (0..10).map(|_| {
            let sign_in = for_tokens(digits, caller);
            world.auth.sign_in(text, sign_in)
        });
        let answers = block_on(join_all(tries));
        assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 1, "{seed}");
        for answer in answers.into_iter().filter(Result::is_err) {
            assert!(matches!(answer, Err(AuthError::CodeGone)), "{answer:?}");
        }
        let state = world.snapshot();
        assert_eq!((state.users.len(), state.sessions.len()), (1, 1));
    }
}

#[test]
fn of_a_thousand_parallel_wrong_codes_five_are_judged() {
    let world = World::over(Fake::new(7, true), |policy| {
        policy.limits.failures_per_phone = None;
        policy.limits.failures_per_address = None;
    });
    let id = world.code_for(PHONE);
    let (text, wrong, caller) = (&id.to_string(), &world.wrong(), &home());
    let tries = (0..1000).map(|_| {
        let sign_in = for_tokens(wrong, caller);
        world.auth.sign_in(text, sign_in)
    });
    let answers = block_on(join_all(tries));
    let mut left: Vec<_> = answers.iter().filter_map(remaining).collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
    let late = world.sign_in(id, &world.digits(id));
    assert!(matches!(late, Err(AuthError::CodeGone)));
}

fn remaining<T>(answer: &Result<T, AuthError>) -> Option<u8> {
    match answer {
        Err(AuthError::CodeIncorrect { remaining }) => Some(*remaining),
        _ => None,
    }
}

#[test]
fn parallel_first_sign_ins_of_one_phone_make_one_user() {
    for seed in 0..20 {
        let fake = Fake::new(seed, true);
        let world = World::over(fake, |policy| policy.limits = Default::default());
        let ids: Vec<_> = (0..20).map(|_| world.code_for(PHONE)).collect();
        let texts: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let digits: Vec<_> = ids.iter().map(|id| world.digits(*id)).collect();
        let caller = &home();
        let entering = texts.iter().zip(&digits).map(|(id, code)| {
            let sign_in = for_tokens(code, caller);
            world.auth.sign_in(id, sign_in)
        });
        let entered = block_on(join_all(entering));
        let entered: Vec<_> = entered.into_iter().map(Result::unwrap).collect();
        assert_eq!(entered.iter().filter(|e| e.new_user).count(), 1);
        assert!(entered.iter().all(|e| e.user == entered[0].user));
        assert_eq!(world.fake.state().users.len(), 1);
    }
}

#[test]
fn a_code_tried_by_id_and_by_phone_at_once_signs_in_once() {
    for seed in 0..50 {
        let world = World::over(Fake::new(seed, true), |_| {});
        let id = world.code_for(PHONE);
        let (text, digits, caller) = (&id.to_string(), &world.digits(id), &home());
        let sign_in = for_tokens(digits, caller);
        let by_id = world.auth.sign_in(text, sign_in);
        let by_phone = world.auth.sign_in_by_phone(PHONE, sign_in);
        let (by_id, by_phone) = block_on(join(by_id, by_phone));
        assert!(by_id.is_ok() != by_phone.is_ok(), "{seed}");
        assert_eq!(world.snapshot().sessions.len(), 1);
    }
}

/// Else a session of nobody would open doors until it ends.
#[test]
fn a_user_deleted_during_a_sign_in_leaves_no_session() {
    let mut signed_in = 0;
    for seed in 0..200 {
        let world = World::over(Fake::new(seed, true), |_| {});
        world.enter(PHONE);
        world.fake.advance(HOUR);
        let id = world.code_for(PHONE);
        let (text, digits, caller) = (&id.to_string(), &world.digits(id), &home());
        let sign_in = for_tokens(digits, caller);
        let entering = world.auth.sign_in(text, sign_in);
        let (answer, deleted) = block_on(join(entering, world.auth.delete_user(PHONE)));
        deleted.unwrap();
        signed_in += usize::from(answer.is_ok());
        assert!(
            matches!(answer, Ok(_) | Err(AuthError::CodeGone)),
            "{answer:?}"
        );
        let state = world.snapshot();
        let mut live = state.sessions.values().filter(|s| s.revoked_at.is_none());
        assert!(live.all(|s| state.users.contains_key(&s.user)), "{seed}");
    }
    assert!((1..200).contains(&signed_in), "{signed_in}");
}

/// The budget of a phone holds over its codes, however many guess at once, at whichever face.
#[test]
fn parallel_wrong_guesses_at_all_codes_of_a_phone_stay_within_its_budget() {
    for seed in 0..20 {
        let fake = Fake::new(seed, true);
        let world = World::over(fake, |policy| {
            policy.limits = Limits {
                failures_per_phone: limit(&[(7, HOUR)]),
                ..Limits::default()
            };
        });
        let ids = [(); 3].map(|()| world.code_for(PHONE).to_string());
        let (wrong, caller) = (&world.wrong(), &home());
        let sign_in = for_tokens(wrong, caller);
        let by_id = ids.iter().cycle().take(60);
        let by_id = join_all(by_id.map(|id| world.auth.sign_in(id, sign_in)));
        let by_phone = (0..20).map(|_| world.auth.sign_in_by_phone(PHONE, sign_in));
        let (by_id, by_phone) = block_on(join(by_id, join_all(by_phone)));
        let answers = by_id.iter().chain(&by_phone);
        assert!(answers.filter_map(remaining).count() <= 7, "{seed}");
    }
}

/// A client that hangs up ends its call in the middle: nothing is given back then, and nothing
/// is accepted.
#[test]
fn a_call_dropped_at_any_moment_leaves_the_strict_side() {
    let mut signed_in = 0;
    for polls in 0..60 {
        let world = World::over(Fake::new(polls, true), |_| {});
        let id = world.code_for(PHONE);
        let before = world.snapshot();
        let (text, digits, caller) = (&id.to_string(), &world.digits(id), &home());
        let sign_in = for_tokens(digits, caller);
        {
            let mut call = Box::pin(world.auth.sign_in(text, sign_in));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                if call.as_mut().poll(&mut context).is_ready() {
                    signed_in += 1;
                    break;
                }
            }
        }
        let after = world.snapshot();
        assert!(after.codes[&id].attempts >= before.codes[&id].attempts);
        let again = world.sign_in(id, digits);
        assert!(again.is_ok() || matches!(again, Err(AuthError::CodeGone)));
        assert_eq!(world.snapshot().sessions.len(), 1, "{polls}");
    }
    assert!((1..59).contains(&signed_in), "{signed_in}");
}
