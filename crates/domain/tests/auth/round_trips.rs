//! How often a call waits for a store. Where the stores are servers, each wait is a round trip.
//!
//! Every store here answers a turn after it is asked, and a call is polled once a turn: operations
//! under way at once share a turn, as they would share the time of a round trip.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use domain::auth::{AskCode, Grant, SignIn, SignedIn};
use domain::message::Locale;

use crate::support::{MINUTE, NEIGHBOUR, PHONE, World, block_on, home, tokens};

/// A phone with a live code, its user signed in, and stores that are servers from here on.
fn far() -> (World, String, String, SignedIn) {
    let world = World::new();
    let entered = world.enter(PHONE);
    world.fake.advance(MINUTE);
    let id = world.code_for(PHONE);
    let digits = world.digits(id);
    *world.fake.distance.lock() = 1;
    (world, id.to_string(), digits, entered)
}

/// The turns until a call is done.
fn turns<T, E: std::fmt::Debug>(call: impl Future<Output = Result<T, E>>) -> usize {
    let (mut call, mut waited) = (pin!(call), 0);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match call.as_mut().poll(&mut context) {
            Poll::Pending => waited += 1,
            Poll::Ready(done) => {
                done.unwrap();
                return waited;
            }
        }
    }
}

#[test]
fn asking_for_a_code_waits_for_the_stores_twice() {
    let (world, ..) = far();
    let ask = AskCode {
        phone: NEIGHBOUR,
        locale: Locale::En,
        caller: &home(),
        idempotency_key: None,
    };
    assert_eq!(turns(world.auth.ask_code(ask)), 2);
}

#[test]
fn signing_in_waits_for_the_stores_five_times() {
    let (world, id, digits, _) = far();
    let sign_in = SignIn {
        code: &digits,
        caller: &home(),
        grant: Grant::Tokens,
    };
    assert_eq!(turns(world.auth.sign_in(&id, sign_in)), 5);
}

#[test]
fn a_session_check_waits_for_the_stores_once() {
    let (world, .., entered) = far();
    let token = tokens(&entered).access.expose();
    assert_eq!(turns(world.auth.authenticate(token)), 1);
}

#[test]
fn a_refresh_waits_for_the_stores_three_times() {
    let (world, .., entered) = far();
    let token = tokens(&entered).refresh.as_ref().unwrap();
    assert_eq!(turns(world.auth.refresh(token.expose())), 3);
}

#[test]
fn signing_out_waits_for_the_stores_twice() {
    let (world, .., entered) = far();
    let token = tokens(&entered).access.expose();
    let sign_out = async {
        let caller = world.auth.authenticate(token).await?;
        world.auth.sign_out(&caller).await
    };
    assert_eq!(turns(sign_out), 2);
    let again = block_on(world.auth.authenticate(token));
    assert!(again.is_err());
}
