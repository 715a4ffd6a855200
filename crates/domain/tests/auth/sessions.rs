//! Who is signed in: tokens, cookies, refreshing, signing out.

use std::time::Duration;

use domain::auth::{AuthError, Authenticated, Credentials, Grant, SessionView, SignedIn};
use domain::event::Event;
use domain::id::SessionId;
use domain::session::SessionLifetime;
use futures_util::future::join_all;

use crate::support::{DAY, Fake, Fault, MINUTE, NEIGHBOUR, PHONE, World, block_on, tokens, vault};

fn unlimited() -> World {
    World::with(|policy| policy.limits = Default::default())
}

fn is_in(world: &World, entered: &SignedIn) -> bool {
    match world.authenticate(entered) {
        Ok(_) => true,
        Err(AuthError::Unauthenticated) => false,
        Err(other) => panic!("{other:?}"),
    }
}

fn rejected(answer: Result<SignedIn, AuthError>) -> bool {
    matches!(answer, Err(AuthError::RefreshRejected))
}

fn authenticated(world: &World, entered: &SignedIn) -> Authenticated {
    world.authenticate(entered).unwrap()
}

#[test]
fn a_refresh_gives_new_tokens_and_a_later_end() {
    let world = World::new();
    let entered = world.enter(PHONE);
    world.fake.advance(DAY);
    let renewed = world.refresh(&entered).unwrap();
    assert_eq!(renewed.user, entered.user);
    assert!(!renewed.new_user);
    let expected = SessionView {
        last_seen_at: world.fake.now(),
        expires_at: world.fake.now() + 7 * DAY,
        ..entered.session.clone()
    };
    assert_eq!(renewed.session, expected);
    assert_ne!(tokens(&renewed).refresh, tokens(&entered).refresh);
    assert!(is_in(&world, &renewed));
    world.refresh(&renewed).unwrap();
}

#[test]
fn a_refresh_token_used_twice_ends_its_session() {
    let world = World::new();
    let entered = world.enter(PHONE);
    let renewed = world.refresh(&entered).unwrap();
    assert!(rejected(world.refresh(&entered)));
    assert!(!is_in(&world, &renewed));
    assert!(rejected(world.refresh(&renewed)), "the thief is out too");
    let session = entered.session.id;
    assert!(world.events().contains(&Event::RefreshReused { session }));
}

#[test]
fn of_parallel_refreshes_one_wins_and_the_session_ends() {
    for seed in 0..20 {
        let world = World::over(Fake::new(seed, true), |_| {});
        let entered = world.enter(PHONE);
        let token = tokens(&entered).refresh.as_ref().unwrap().expose();
        let answers = block_on(join_all((0..50).map(|_| world.auth.refresh(token))));
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.into_iter().all(rejected));
        assert!(!is_in(&world, &entered));
    }
}

#[test]
fn a_session_ends_idle_or_in_all_whichever_is_first() {
    let world = World::new();
    let mut entered = world.enter(PHONE);
    let start = entered.session.created_at;
    let idle = entered.clone();
    for day in [6, 12, 18, 24, 29] {
        world
            .fake
            .advance(start.since(world.fake.now()) + (start + day * DAY).since(world.fake.now()));
        entered = world.refresh(&entered).unwrap();
    }
    assert_eq!(entered.session.expires_at, start + 30 * DAY);
    assert!(tokens(&entered).access_lifetime <= 5 * MINUTE);
    world.fake.advance(DAY);
    assert!(rejected(world.refresh(&entered)));
    assert!(!is_in(&world, &entered));

    let world = World::new();
    let unused = world.enter(PHONE);
    world.fake.advance(7 * DAY - Duration::from_millis(1));
    let last = unused.clone();
    world.fake.advance(Duration::from_millis(1));
    assert!(rejected(world.refresh(&last)));
    assert!(
        rejected(world.refresh(&idle)),
        "a token of another world's session"
    );
}

#[test]
fn a_fixed_session_is_not_prolonged_by_a_refresh() {
    let world = World::with(|policy| policy.session_lifetime = SessionLifetime::Fixed(DAY));
    let entered = world.enter(PHONE);
    world.fake.advance(DAY - MINUTE);
    let renewed = world.refresh(&entered).unwrap();
    assert_eq!(renewed.session.expires_at, entered.session.expires_at);
    assert_eq!(tokens(&renewed).access_lifetime, MINUTE);
    world.fake.advance(MINUTE);
    assert!(rejected(world.refresh(&renewed)));
}

#[test]
fn what_is_no_token_of_ours_is_refused_before_any_store_is_asked() {
    let world = World::new();
    let entered = world.enter(PHONE);
    let token = tokens(&entered)
        .refresh
        .as_ref()
        .unwrap()
        .expose()
        .to_owned();
    let swapped = token.chars().rev().collect::<String>();
    world.fake.arm(Default::default());
    let odd = [
        "",
        "x",
        "eyJhbGciOiJub25lIn0.e30.",
        swapped.as_str(),
        &token[1..],
    ];
    for text in odd {
        let refreshed = block_on(world.auth.refresh(text));
        assert!(rejected(refreshed), "{text:.20}");
        let cookie = block_on(world.auth.authenticate_cookie(text));
        assert!(matches!(cookie, Err(AuthError::Unauthenticated)));
    }
    let crossed = block_on(world.auth.authenticate_cookie(&token));
    assert!(matches!(crossed, Err(AuthError::Unauthenticated)));
    assert_eq!(world.fake.calls(), [""; 0]);
}

#[test]
fn a_cookie_is_no_refresh_token() {
    let world = World::new();
    let id = world.code_for(PHONE);
    let entered = world
        .sign_in_for(id, &world.digits(id), Grant::Cookie(DAY))
        .unwrap();
    let Credentials::Cookie(cookie) = &entered.credentials else {
        panic!("asked for a cookie");
    };
    assert!(rejected(block_on(world.auth.refresh(cookie.expose()))));
    assert!(is_in(&world, &entered));
}

#[test]
fn an_access_token_is_refused_when_it_expires_is_malformed_or_names_another_user() {
    let world = World::new();
    let (mine, other) = (world.enter(PHONE), world.enter(NEIGHBOUR));
    let access = tokens(&mine).access.expose();
    let crossed = access.replace(&mine.user.id.to_string(), &other.user.id.to_string());
    for text in ["", "x", crossed.as_str()] {
        let answer = block_on(world.auth.authenticate(text));
        assert!(matches!(answer, Err(AuthError::Unauthenticated)), "{text}");
    }
    assert!(is_in(&world, &mine));
    world.fake.advance(5 * MINUTE);
    assert!(!is_in(&world, &mine));
}

#[test]
fn tokens_outlive_a_rotation_until_their_key_is_dropped() {
    let world = World::new();
    let entered = world.enter(PHONE);
    world.auth.rekey(vault(&[1, 2], 2));
    let renewed = world.refresh(&entered).unwrap();
    world.auth.rekey(vault(&[2], 2));
    assert!(rejected(world.refresh(&entered)));
    let answer = world.refresh(&renewed);
    assert!(
        matches!(answer, Err(AuthError::Unavailable { .. })),
        "its user is still sealed under the dropped key: {answer:?}"
    );
}

#[test]
fn a_person_sees_their_own_live_sessions_newest_first() {
    let world = unlimited();
    let first = world.enter(PHONE);
    let second = world.enter(PHONE);
    let third = world.enter(PHONE);
    world.enter(NEIGHBOUR);
    block_on(world.auth.sign_out(&authenticated(&world, &second))).unwrap();
    let listed = block_on(world.auth.sessions(&authenticated(&world, &first))).unwrap();
    let seen: Vec<_> = listed.iter().map(|s| (s.id, s.current)).collect();
    assert_eq!(seen, [(third.session.id, false), (first.session.id, true)]);
}

#[test]
fn signing_out_ends_this_session_at_once_and_no_other() {
    let world = unlimited();
    let (mine, other) = (world.enter(PHONE), world.enter(PHONE));
    let me = authenticated(&world, &mine);
    block_on(world.auth.sign_out(&me)).unwrap();
    block_on(world.auth.sign_out(&me)).unwrap();
    assert!(!is_in(&world, &mine) && is_in(&world, &other));
    assert!(rejected(world.refresh(&mine)));
    let outs = |event: &&Event| matches!(event, Event::SignedOut { sessions: 1, .. });
    assert_eq!(world.events().iter().filter(outs).count(), 1);
}

#[test]
fn one_of_my_sessions_can_be_ended_and_nobody_elses() {
    let world = unlimited();
    let (mine, other) = (world.enter(PHONE), world.enter(PHONE));
    let stranger = world.enter(NEIGHBOUR);
    let me = authenticated(&world, &mine);
    let end = |id| block_on(world.auth.sign_out_one(&me, id));
    let unknown = SessionId::from_bytes([9; 16]);
    for id in [stranger.session.id, unknown] {
        assert!(matches!(end(id), Err(AuthError::NotFound)));
    }
    end(other.session.id).unwrap();
    assert!(matches!(end(other.session.id), Err(AuthError::NotFound)));
    assert!(is_in(&world, &mine) && is_in(&world, &stranger) && !is_in(&world, &other));
}

#[test]
fn signing_out_everywhere_ends_all_of_mine_and_nobody_elses() {
    let world = unlimited();
    let (mine, other) = (world.enter(PHONE), world.enter(PHONE));
    let stranger = world.enter(NEIGHBOUR);
    let me = authenticated(&world, &mine);
    block_on(world.auth.sign_out_everywhere(&me)).unwrap();
    assert!(!is_in(&world, &mine) && !is_in(&world, &other) && is_in(&world, &stranger));
}

#[test]
fn i_am_told_my_whole_phone() {
    let world = World::new();
    let entered = world.enter(PHONE);
    let me = block_on(world.auth.me(&authenticated(&world, &entered))).unwrap();
    assert_eq!(me, entered.user);
    assert_eq!(me.phone.as_e164(), PHONE);
}

#[test]
fn a_short_session_keeps_its_code_used_for_as_long_as_the_code_lives() {
    let world = World::with(|policy| policy.session_lifetime = SessionLifetime::Fixed(MINUTE));
    let id = world.code_for(PHONE);
    let digits = world.digits(id);
    world.fake.arm(Fault::Step("codes.consume"));
    world.sign_in(id, &digits).unwrap();
    world.fake.arm(Fault::None);
    world.fake.advance(2 * MINUTE);
    block_on(world.auth.sweep(100)).unwrap();
    let again = world.sign_in(id, &digits);
    assert!(matches!(again, Err(AuthError::CodeGone)), "{again:?}");
    world.fake.advance(5 * MINUTE);
    block_on(world.auth.sweep(100)).unwrap();
    assert!(world.fake.state().sessions.is_empty());
}
