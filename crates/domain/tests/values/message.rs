//! Texts of messages.

use domain::code::{Code, CodeLength};
use domain::message::{Locale, SmsMessage, Templates};
use domain::phone::{Country, PhoneNumber};
use proptest::prelude::*;

fn message(locale: Locale, digits: &str) -> SmsMessage {
    let length = CodeLength::new(digits.len() as u8).unwrap();
    let to = PhoneNumber::parse("+8613800138000", Country::WORLD).unwrap();
    let code = Code::parse(digits, length).unwrap();
    Templates::new("phone-auth", "sign-in.example.org").sign_in_code(
        "1".into(),
        to,
        locale,
        code,
        10,
    )
}

proptest! {
    #[test]
    fn the_digits_stand_once_at_the_end_where_a_browser_reads_them(digits in "[0-9]{6,10}") {
        for locale in [Locale::En, Locale::Zh] {
            let message = message(locale, &digits);
            let last = message.text.lines().last().unwrap();
            prop_assert_eq!(last, format!("@sign-in.example.org #{digits}"));
            prop_assert_eq!(message.text.matches(&digits).count(), 1);
            prop_assert_eq!(message.code.expose(), &digits);
        }
    }

    #[test]
    fn any_tag_is_a_language_or_none(tag in "\\PC*") {
        let _ = Locale::from_tag(&tag);
    }
}

/// A second part would double what every sign-in costs: 160 characters of the GSM alphabet, or 70
/// of any (3GPP TS 23.038).
#[test]
fn a_message_of_six_digits_is_one_sms() {
    let english = message(Locale::En, "012345");
    assert!(english.text.is_ascii() && english.text.len() <= 160);
    let chinese = message(Locale::Zh, "012345");
    assert!(chinese.text.encode_utf16().count() <= 70);
}

#[test]
fn a_language_is_told_by_the_first_part_of_its_tag() {
    for tag in ["zh", "zh-CN", "ZH-Hans-CN", "zh_TW"] {
        assert_eq!(Locale::from_tag(tag), Some(Locale::Zh), "{tag}");
    }
    for tag in ["en", "en-GB", "EN_us"] {
        assert_eq!(Locale::from_tag(tag), Some(Locale::En), "{tag}");
    }
    for tag in ["", "-", "fr", "zhx", "english", " en"] {
        assert_eq!(Locale::from_tag(tag), None, "{tag}");
    }
}
