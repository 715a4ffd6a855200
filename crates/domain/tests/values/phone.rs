//! Spellings of phone numbers.

use domain::phone::{Country, PhoneKind, PhoneNumber};
use domain::rate_limit::Scope;
use parking_lot::Mutex;
use proptest::prelude::*;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};

use crate::vault;

fn cn() -> Country {
    Country::parse("CN").unwrap()
}

/// What people put between and around digits.
const GAPS: [&str; 8] = ["", " ", "-", ".", "  ", " - ", " (", ") "];

/// A spelling of +86 138 0013 8000, with gaps anywhere.
fn spelling(start: usize, gaps: &[usize]) -> String {
    let starts = ["+86", "0086", "", "+86 ", "00 86 ", "(+86)", "+(86)", " "];
    let digits = "13800138000".chars().zip(gaps);
    let body = digits.flat_map(|(digit, gap)| GAPS[*gap].chars().chain([digit]));
    starts[start].chars().chain(body).collect()
}

#[test]
fn ten_thousand_spellings_of_one_number_reach_one_phone_one_index_and_one_counter() {
    let vault = vault(&[1], 1);
    let own = PhoneNumber::parse("+8613800138000", cn()).unwrap();
    let index = vault.indexes(&own);
    let counter = vault.counter_key(Scope::SendsPerPhone, own.as_e164().as_bytes());
    let mut seen = std::collections::HashSet::new();
    let mut noise = 1_u64;
    while seen.len() < 10_000 {
        let mut pick = |below: u64| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((noise >> 33) % below) as usize
        };
        let start = pick(8);
        // The first gap is the start's own.
        let gaps: Vec<_> = (0..11).map(|i| if i == 0 { 0 } else { pick(8) }).collect();
        let spelling = spelling(start, &gaps);
        if spelling.len() > 64 || !seen.insert(spelling.clone()) {
            continue;
        }
        let phone = PhoneNumber::parse(&spelling, cn());
        assert_eq!(phone.as_ref(), Ok(&own), "{spelling}");
        let phone = phone.unwrap();
        assert_eq!(vault.indexes(&phone), index);
        let key = vault.counter_key(Scope::SendsPerPhone, phone.as_e164().as_bytes());
        assert_eq!(key, counter);
    }
}

/// One number of each region, as the phone metadata gives them.
fn examples() -> Vec<PhoneNumber> {
    let regions = PHONE_NUMBER_UTIL.get_supported_regions();
    let numbers = regions.filter_map(|region| PHONE_NUMBER_UTIL.get_example_number(region).ok());
    let texts = numbers.map(|number| number.format_as(PhoneNumberFormat::E164).into_owned());
    let parse = |text: String| PhoneNumber::parse(&text, Country::WORLD).ok();
    texts.filter_map(parse).collect()
}

#[test]
fn a_number_of_any_region_reads_back_from_its_e164_form() {
    let examples = examples();
    assert!(examples.len() > 200, "{}", examples.len());
    for phone in examples {
        for region in [Country::WORLD, cn(), phone.country()] {
            assert_eq!(
                PhoneNumber::parse(phone.as_e164(), region),
                Ok(phone.clone())
            );
        }
        let vault = vault(&[1], 1);
        let sealed = vault.seal(&phone, &crate::Counting::default());
        assert_eq!(vault.open(&sealed), Ok(phone));
    }
}

#[test]
fn a_masked_number_of_any_region_hides_four_digits_or_all_and_keeps_its_length() {
    for phone in examples() {
        let (whole, masked) = (phone.as_e164(), phone.masked());
        assert_eq!(masked.len(), whole.len(), "{masked}");
        assert!(masked.matches('*').count() >= 4, "{masked}");
        assert_eq!(format!("{phone:?}"), format!("PhoneNumber({masked})"));
        assert_eq!(phone.prefix().len(), whole.len() - 4);
    }
}

proptest! {
    #[test]
    fn any_text_is_a_phone_or_none(text in "\\PC{0,80}", odd in "[+0-9 ()./-]{0,40}") {
        for text in [text, odd] {
            if let Ok(phone) = PhoneNumber::parse(&text, cn()) {
                let again = PhoneNumber::parse(phone.as_e164(), Country::WORLD);
                prop_assert_eq!(again, Ok(phone.clone()));
                prop_assert!(phone.as_e164().starts_with('+'));
                prop_assert!(phone.as_e164()[1..].bytes().all(|b| b.is_ascii_digit()));
                prop_assert!(phone.as_e164().len() <= 16);
            }
        }
    }

    #[test]
    fn a_letter_or_a_foreign_digit_anywhere_is_refused(
        at in 0..=14_usize,
        odd in "[a-zA-Z;#,*\\u{0}-\\u{1f}\\u{a0}\\u{660}-\\u{669}\\u{ff10}-\\u{ff19}\\u{1d7ce}]",
    ) {
        let mut text = "+8613800138000".to_owned();
        text.insert_str(at, &odd);
        prop_assert!(PhoneNumber::parse(&text, cn()).is_err());
    }
}

#[test]
fn every_kind_has_a_name_of_its_own() {
    for (name, kind) in PhoneKind::NAMES {
        assert_eq!(PhoneKind::from_name(name), Some(kind));
    }
    assert_eq!(PhoneKind::from_name("Mobile"), None);
}

#[test]
fn a_country_is_two_capital_letters_that_the_metadata_knows() {
    for text in ["", "C", "cn", "CHN", "XX", "ZZ", "001", "中国", "C\0"] {
        assert_eq!(Country::parse(text), None, "{text}");
    }
    assert_eq!(cn().to_string(), "CN");
}

/// Everything that a crate logs below us, wherever its threshold is.
struct EveryWord;

static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl log::Log for EveryWord {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        HEARD.lock().push(record.args().to_string());
    }

    fn flush(&self) {}
}

#[test]
fn reading_a_number_logs_no_digit_of_it_at_any_level() {
    log::set_logger(&EveryWord).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    for spelling in ["+8613800138000", "010 6278 1234", "+12025550123", "+860"] {
        let _ = PhoneNumber::parse(spelling, cn());
    }
    log::error!("the logger hears");
    let heard = HEARD.lock().clone();
    assert!(heard.iter().any(|line| line == "the logger hears"));
    let tells = |line: &String| line.bytes().filter(u8::is_ascii_digit).count() > 3;
    assert!(!heard.iter().any(tells), "{heard:?}");
}
