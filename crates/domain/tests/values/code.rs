//! Digits, and what became of their message.

use std::time::Duration;

use domain::code::{Code, CodeLength, Delivery, DeliveryStatus, ResendWaits};
use domain::timestamp::Timestamp;
use proptest::prelude::*;

const STATES: [DeliveryStatus; 4] = [
    DeliveryStatus::Queued,
    DeliveryStatus::Sent,
    DeliveryStatus::Failed,
    DeliveryStatus::Delivered,
];

fn deliveries() -> impl Strategy<Value = Delivery> {
    (1..4_u8, prop::sample::select(STATES.to_vec())).prop_map(|(send, status)| Delivery {
        send,
        status,
        queued_at: Timestamp::from_secs(u64::from(send)),
    })
}

/// How far a message has come: of two outcomes the further one is kept.
fn progress(delivery: &Delivery) -> (u8, usize) {
    let stage = STATES.iter().position(|status| *status == delivery.status);
    (delivery.send, stage.unwrap())
}

proptest! {
    #[test]
    fn a_code_is_exactly_its_number_of_ascii_digits(text in "[0-9]{0,12}|\\PC{0,12}") {
        for digits in 0..=255_u8 {
            let Some(length) = CodeLength::new(digits) else {
                prop_assert!(!(6..=10).contains(&digits));
                continue;
            };
            let code = Code::parse(&text, length);
            let is_one = text.len() == usize::from(digits)
                && text.chars().all(|c| c.is_ascii_digit());
            prop_assert_eq!(code.is_some(), is_one);
            if let Some(code) = code {
                prop_assert_eq!(code.expose(), &text);
            }
        }
    }

    #[test]
    fn codes_are_equal_when_their_digits_are(first in "[0-1]{6}", second in "[0-1]{6,7}") {
        let parse = |text: &str| Code::parse(text, CodeLength::new(text.len() as u8).unwrap());
        prop_assert_eq!(parse(&first) == parse(&second), first == second);
    }

    #[test]
    fn a_status_is_known_by_its_name_and_supersedes_what_yields_to_it(newer in deliveries()) {
        let status = newer.status;
        prop_assert_eq!(DeliveryStatus::from_name(status.as_str()), Some(status));
        let superseded: Vec<_> = newer.supersedes().collect();
        for status in STATES {
            let yields = newer.with(status).yields_to(&newer);
            prop_assert_eq!(superseded.contains(&status), yields);
        }
    }

    /// Outcomes arrive in any order, more than once, from several processes: all stores agree.
    #[test]
    fn the_order_in_which_outcomes_arrive_does_not_matter(
        outcomes in prop::collection::vec(deliveries(), 1..12),
    ) {
        let first = Delivery::first(Timestamp::from_secs(1));
        let keep = |held: Delivery, newer: &Delivery| {
            if held.yields_to(newer) { *newer } else { held }
        };
        let forwards = outcomes.iter().fold(first, keep);
        let backwards = outcomes.iter().rev().fold(first, keep);
        prop_assert_eq!(forwards, backwards);
        let furthest = outcomes.iter().map(progress).max().max(Some(progress(&first)));
        prop_assert_eq!(Some(progress(&forwards)), furthest);
    }

    #[test]
    fn waits_come_in_turn_and_the_last_repeats(waits in prop::collection::vec(0..999_u64, 1..5)) {
        let waits: Vec<_> = waits.into_iter().map(Duration::from_secs).collect();
        let resend = ResendWaits::new(waits.clone()).unwrap();
        for send in 0..=255_u8 {
            let expected = waits.get(usize::from(send.max(1)) - 1).or(waits.last());
            prop_assert_eq!(Some(&resend.after(send)), expected);
        }
    }
}

#[test]
fn a_code_is_sent_255_times_at_most() {
    let now = Timestamp::from_secs(1);
    let mut delivery = Delivery::first(now);
    for send in 2..=255 {
        delivery = delivery.next(now).unwrap();
        assert_eq!(delivery.send, send);
    }
    assert_eq!(delivery.next(now), None);
}

#[test]
fn no_waits_are_no_resend_waits() {
    assert_eq!(ResendWaits::new(vec![]), None);
}
