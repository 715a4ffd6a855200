//! Ids and moments.

use std::collections::HashSet;
use std::time::Duration;

use domain::id::{PhoneCodeId, SessionId, UserId};
use domain::timestamp::Timestamp;
use proptest::prelude::*;

use crate::Counting;

proptest! {
    #[test]
    fn an_id_reads_back_as_its_own_kind_only(bytes in any::<[u8; 16]>()) {
        let id = UserId::from_bytes(bytes);
        let text = id.to_string();
        prop_assert_eq!(text.parse(), Ok(id));
        prop_assert!(text.parse::<PhoneCodeId>().is_err());
        prop_assert!(text.parse::<SessionId>().is_err());
        prop_assert_eq!(format!("{id:?}"), text);
    }

    #[test]
    fn an_id_has_one_spelling(text in "(pc_)?[0-9a-fA-F]{30,34}|\\PC*") {
        if let Ok(id) = text.parse::<PhoneCodeId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn a_later_id_sorts_later(first in 0..1_u64 << 47, after in 1..1_u64 << 47) {
        let entropy = Counting::default();
        let id = |ms| SessionId::generate(Timestamp::from_millis(ms), &entropy);
        let (first, second) = (id(first), id(first + after));
        prop_assert!(first < second);
        prop_assert!(first.to_string() < second.to_string());
    }

    #[test]
    fn any_moment_is_shown_and_reads_back_to_the_second(
        ms in prop_oneof![any::<u64>(), 0..4_000_000_000_000_u64],
    ) {
        let moment = Timestamp::from_millis(ms);
        let text = moment.to_string();
        prop_assert_eq!(text.len(), "2026-01-02T03:04:05Z".len());
        let read = Timestamp::parse_rfc3339(&text).unwrap();
        let last = Timestamp::from_secs(253_402_300_799);
        prop_assert_eq!(read.as_secs(), moment.as_secs().min(last.as_secs()));
    }

    #[test]
    fn any_text_is_a_moment_or_none(text in "\\PC*") {
        let _ = Timestamp::parse_rfc3339(&text);
    }

    #[test]
    fn adding_and_subtracting_never_wraps(ms in any::<u64>(), secs in any::<u64>()) {
        let (moment, time) = (Timestamp::from_millis(ms), Duration::from_secs(secs));
        prop_assert!(moment + time >= moment);
        prop_assert!(moment - time <= moment);
        let gone = u128::from((moment + time).since(moment).as_millis() as u64);
        prop_assert!(gone <= time.as_millis());
    }
}

#[test]
fn no_two_ids_of_one_moment_are_alike() {
    let (now, entropy) = (Timestamp::from_secs(1_800_000_000), Counting::default());
    let ids: HashSet<_> = (0..20)
        .map(|_| SessionId::generate(now, &entropy))
        .collect();
    assert_eq!(ids.len(), 20);
}

#[test]
fn moments_of_every_spelling_of_rfc_3339_are_read_and_others_are_not() {
    let at = |text| Timestamp::parse_rfc3339(text).map(Timestamp::as_millis);
    assert_eq!(at("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(at("1970-01-01T01:00:00.5+01:00"), Some(500));
    assert_eq!(at("9999-12-31T23:59:59Z"), Some(253_402_300_799_000));
    let others = [
        "",
        "2027-01-01",
        "2027-01-01T00:00:00",
        "2027-02-30T00:00:00Z",
        "2027-01-01 ",
        "1969-12-31T23:59:59Z",
        "1969-12-31T23:59:59.9999Z",
        "0000-01-01T00:00:00Z",
    ];
    for text in others {
        assert_eq!(at(text), None, "{text}");
    }
}
