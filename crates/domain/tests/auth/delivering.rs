//! What becomes of a message, and of the allowance it was charged.

use std::time::Duration;

use domain::auth::AskCode;
use domain::code::DeliveryStatus;
use domain::event::Event;
use domain::id::PhoneCodeId;
use domain::message::{Locale, SmsMessage};
use domain::ports::SmsError;

use crate::support::{
    Fault, HOUR, MINUTE, PHONE, World, block_on, caller, home, limit, refused, vault,
};

/// Asks while the gateway answers with `error`.
fn fail(world: &World, error: SmsError) -> PhoneCodeId {
    world.fake.gateway.lock().push_back(error);
    world.code_for(PHONE)
}

fn slow_down() -> SmsError {
    SmsError::SlowDown {
        retry_after: Some(HOUR),
        source: "enough".into(),
    }
}

#[test]
fn a_message_that_nobody_took_costs_nothing_and_may_be_sent_again_at_once() {
    let errors: [fn() -> SmsError; 3] = [
        || SmsError::Unavailable("down".into()),
        || SmsError::Misconfigured("no balance".into()),
        slow_down,
    ];
    for error in errors {
        let world = World::new();
        let id = fail(&world, error());
        assert!(world.snapshot().counters.is_empty(), "{:?}", error());
        let view = world.status(id);
        assert_eq!(view.status, DeliveryStatus::Failed);
        assert_eq!(view.resend_at, world.fake.now());
        world.resend(id).unwrap();
        world.deliver();
        assert_eq!(world.status(id).status, DeliveryStatus::Sent);
        world.sign_in(id, &world.digits(id)).unwrap();
    }
}

#[test]
fn a_dead_number_is_not_free_for_who_tries_it() {
    let world = World::with(|policy| {
        policy.limits = domain::auth::Limits {
            sends_per_address: limit(&[(1, HOUR)]),
            ..crate::support::limits()
        };
    });
    fail(&world, SmsError::BadNumber("no such line".into()));
    assert_eq!(world.snapshot().counters.len(), 1, "the address only");
    let (scope, _) = refused(world.ask(PHONE));
    assert!(scope.unwrap().is_callers_own());
    world.ask_from(PHONE, &caller("192.0.2.2")).unwrap();
}

#[test]
fn a_message_that_may_have_arrived_stays_charged() {
    let world = World::new();
    world.ask(PHONE).unwrap();
    let charged = world.snapshot().counters;
    let world = World::new();
    let id = fail(&world, SmsError::Unknown("timeout".into()));
    assert_eq!(world.snapshot().counters, charged);
    assert_eq!(world.status(id).status, DeliveryStatus::Failed);
}

#[test]
fn a_message_whose_worker_died_stays_charged_and_is_failed() {
    let world = World::new();
    let id = world.ask(PHONE).unwrap().id;
    let charged = world.snapshot().counters;
    let job = world.fake.jobs.lock().pop_front().unwrap();
    block_on(world.auth.abandon(&job, "a worker died"));
    assert_eq!(world.snapshot().counters, charged);
    assert_eq!(world.status(id).status, DeliveryStatus::Failed);
    assert!(world.events().contains(&Event::CodeDelivered {
        code: id,
        status: DeliveryStatus::Failed,
        error: Some("a worker died".into()),
    }));
}

#[test]
fn a_code_that_expired_in_the_queue_is_not_sent_and_costs_nothing() {
    let world = World::new();
    let id = world.ask(PHONE).unwrap().id;
    world.fake.advance(5 * MINUTE);
    world.deliver();
    assert!(world.fake.sent.lock().is_empty());
    assert!(world.snapshot().counters.is_empty());
    assert_eq!(world.status(id).status, DeliveryStatus::Failed);
}

#[test]
fn a_message_whose_key_is_gone_is_not_sent_and_costs_nothing() {
    let world = World::new();
    world.ask(PHONE).unwrap();
    world.auth.rekey(vault(&[2], 2));
    world.deliver();
    assert!(world.fake.sent.lock().is_empty());
    assert!(world.snapshot().counters.is_empty());
}

#[test]
fn the_allowance_is_back_before_the_failure_can_be_read() {
    let world = World::new();
    world.ask(PHONE).unwrap();
    world
        .fake
        .gateway
        .lock()
        .push_back(SmsError::Unavailable("down".into()));
    world.fake.arm(Fault::None);
    world.deliver();
    assert_eq!(world.fake.calls(), ["limiter.refund", "codes.set_delivery"]);
}

#[test]
fn a_charge_is_given_back_once_and_only_where_it_was_made() {
    let world = World::with(|policy| policy.limits.sends_per_phone = None);
    world.code_for(PHONE);
    let one = world.snapshot().counters;
    fail(&world, SmsError::Unavailable("down".into()));
    assert_eq!(world.snapshot().counters, one, "in the same millisecond");
    world.fake.advance(MINUTE);
    fail(&world, SmsError::Unavailable("down".into()));
    assert_eq!(world.snapshot().counters, one);
}

#[test]
fn a_message_under_way_too_long_is_failed_and_may_be_sent_again() {
    let world = World::new();
    let id = world.ask(PHONE).unwrap().id;
    world.fake.advance(MINUTE - Duration::from_millis(1));
    assert_eq!(world.status(id).status, DeliveryStatus::Queued);
    world.fake.advance(Duration::from_millis(1));
    assert_eq!(world.status(id).status, DeliveryStatus::Failed);
    world.resend(id).unwrap();
}

#[test]
fn the_late_end_of_an_old_message_does_not_hide_the_new_one() {
    let world = World::new();
    let id = world.ask(PHONE).unwrap().id;
    world.fake.advance(MINUTE);
    world.resend(id).unwrap();
    let old = world.fake.jobs.lock().pop_front().unwrap();
    block_on(world.auth.deliver(&old));
    assert!(
        world.fake.sent.lock().is_empty(),
        "the new one is on its way"
    );
    assert_eq!(world.status(id).status, DeliveryStatus::Queued);
    world.deliver();
    assert_eq!(world.status(id).status, DeliveryStatus::Sent);
}

#[test]
fn a_store_that_fails_at_the_end_of_a_message_is_heard_of_and_stops_nothing() {
    for step in 0..2 {
        let world = World::new();
        let id = world.ask(PHONE).unwrap().id;
        world
            .fake
            .gateway
            .lock()
            .push_back(SmsError::Unavailable("down".into()));
        world.fake.arm(Fault::Nth(step));
        world.deliver();
        let ends = |event: &&Event| matches!(event, Event::CodeDelivered { .. });
        let troubles = |event: &&Event| matches!(event, Event::Trouble { .. });
        assert_eq!(world.events().iter().filter(ends).count(), 1);
        assert_eq!(world.events().iter().filter(troubles).count(), 1);
        world.fake.advance(MINUTE);
        assert_eq!(world.status(id).status, DeliveryStatus::Failed);
    }
}

#[test]
fn what_a_gateway_said_is_heard_with_its_causes() {
    let world = World::new();
    let code = fail(&world, slow_down());
    assert!(world.events().contains(&Event::CodeDelivered {
        code,
        status: DeliveryStatus::Failed,
        error: Some("the gateway limits this number: enough".into()),
    }));
}

fn sent(world: &World) -> SmsMessage {
    world.fake.sent.lock().last().unwrap().clone()
}

#[test]
fn the_text_is_in_the_persons_language_and_holds_the_digits_once_at_its_end() {
    for (locale, word) in [(Locale::En, "sign-in code"), (Locale::Zh, "验证码")] {
        let world = World::new();
        let caller = &home();
        block_on(world.auth.ask_code(AskCode {
            phone: PHONE,
            locale,
            caller,
            idempotency_key: None,
        }))
        .unwrap();
        world.deliver();
        let message = sent(&world);
        let digits = message.code.expose();
        assert!(message.text.contains(word));
        assert!(message.text.ends_with(&format!("\n@example.org #{digits}")));
        assert_eq!(message.text.matches(digits).count(), 1);
        let runs = message.text.split(|c: char| !c.is_ascii_digit());
        assert_eq!(runs.filter(|run| run.len() >= 6).count(), 1);
        assert_eq!(message.to.as_e164(), PHONE);
        assert_eq!(message.template, SmsMessage::SIGN_IN_CODE);
    }
}

#[test]
fn a_message_says_how_long_its_code_is_still_valid() {
    let world = World::new();
    let id = world.code_for(PHONE);
    assert_eq!(sent(&world).minutes, 5);
    world.fake.advance(3 * MINUTE + MINUTE / 2);
    world.resend(id).unwrap();
    world.deliver();
    assert_eq!(sent(&world).minutes, 2);
    assert!(sent(&world).text.contains("valid for 2 min"));
}
