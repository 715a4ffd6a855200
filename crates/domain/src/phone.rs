//! Phone numbers: parsed once into E.164, never a bare `String` again.

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType, Region};

/// Longest spelling looked at. The longest real one, with separators, is well below it.
const MAX_SPELLING: usize = 64;

/// A possible and valid phone number, held as E.164: `+8613800138000`.
///
/// Every spelling of a number becomes the same value, so one number has one counter and one user.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber {
    e164: Box<str>,
    country: Country,
    calling_code_len: u8,
    kind: PhoneKind,
}

/// Why a text is not a phone number this service could text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a possible phone number of its region")]
pub struct PhoneError;

/// An ISO 3166-1 alpha-2 region, or `001` for numbers of no country.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 3]);

/// What sort of line a number belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PhoneKind {
    /// A landline.
    FixedLine,
    /// A mobile phone.
    Mobile,
    /// A region that does not tell landlines from mobile phones, such as the US.
    FixedLineOrMobile,
    /// Free for the caller.
    TollFree,
    /// Charged above the usual.
    PremiumRate,
    /// Charged to both ends.
    SharedCost,
    /// Voice over IP.
    Voip,
    /// A number of a person, routed anywhere.
    PersonalNumber,
    /// A pager.
    Pager,
    /// A company's universal number.
    Uan,
    /// A mailbox.
    Voicemail,
    /// None of the known kinds.
    Unknown,
}

impl PhoneKind {
    /// Every kind with its name in the configuration.
    pub const NAMES: [(&'static str, Self); 12] = [
        ("fixed_line", Self::FixedLine),
        ("mobile", Self::Mobile),
        ("fixed_line_or_mobile", Self::FixedLineOrMobile),
        ("toll_free", Self::TollFree),
        ("premium_rate", Self::PremiumRate),
        ("shared_cost", Self::SharedCost),
        ("voip", Self::Voip),
        ("personal_number", Self::PersonalNumber),
        ("pager", Self::Pager),
        ("uan", Self::Uan),
        ("voicemail", Self::Voicemail),
        ("unknown", Self::Unknown),
    ];

    /// The kind of that name, such as `fixed_line_or_mobile`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, k)| *k)
    }
}

impl From<PhoneNumberType> for PhoneKind {
    fn from(kind: PhoneNumberType) -> Self {
        match kind {
            PhoneNumberType::FixedLine => Self::FixedLine,
            PhoneNumberType::Mobile => Self::Mobile,
            PhoneNumberType::FixedLineOrMobile => Self::FixedLineOrMobile,
            PhoneNumberType::TollFree => Self::TollFree,
            PhoneNumberType::PremiumRate => Self::PremiumRate,
            PhoneNumberType::SharedCost => Self::SharedCost,
            PhoneNumberType::VoIP => Self::Voip,
            PhoneNumberType::PersonalNumber => Self::PersonalNumber,
            PhoneNumberType::Pager => Self::Pager,
            PhoneNumberType::UAN => Self::Uan,
            PhoneNumberType::VoiceMail => Self::Voicemail,
            PhoneNumberType::Unknown => Self::Unknown,
        }
    }
}

impl Country {
    /// No country: the default region where every number carries its calling code.
    pub const WORLD: Self = Self(*b"001");

    /// Reads a region that the phone metadata knows, such as `CN`.
    pub fn parse(text: &str) -> Option<Self> {
        let wanted = region(text)?;
        let known = PHONE_NUMBER_UTIL
            .get_supported_regions()
            .any(|r| r == wanted);
        (known && *wanted.as_region_str() == *text).then(|| Self::from_text(text))
    }

    fn from_text(text: &str) -> Self {
        let mut bytes = [0; 3];
        for (to, from) in bytes.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Self(bytes)
    }

    /// `CN`.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..len]).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn region(text: &str) -> Option<Region> {
    Region::from_code(text).ok()
}

/// The spellings people use: digits and the separators printed between them.
///
/// libphonenumber alone would also take letters, extensions, `;phone-context=` and the digits of
/// other scripts; each of those is a second spelling of a number that nobody types at a sign-in.
fn is_plain_spelling(text: &str) -> bool {
    text.len() <= MAX_SPELLING
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '.' | '(' | ')' | '/'))
}

impl PhoneNumber {
    /// Reads any common spelling: `+86…`, `0086…`, national in `default_region`, with separators.
    ///
    /// # Errors
    /// [`PhoneError`] if it is not a valid number of its region.
    pub fn parse(spelling: &str, default_region: Country) -> Result<Self, PhoneError> {
        if !is_plain_spelling(spelling) {
            return Err(PhoneError);
        }
        let home = region(default_region.as_str());
        let number = PHONE_NUMBER_UTIL
            .parse(spelling, home)
            .map_err(|_| PhoneError)?;
        if !PHONE_NUMBER_UTIL.is_valid_number(&number) {
            return Err(PhoneError);
        }
        let country = PHONE_NUMBER_UTIL
            .get_region_for_number(&number)
            .ok_or(PhoneError)?;
        Ok(Self::known(
            &number,
            Country::from_text(&country.as_region_str()),
        ))
    }

    /// Reads back what was valid when it was sealed. Newer phone metadata may have withdrawn its
    /// range since, and its user is still its user.
    pub(crate) fn reread(e164: &str) -> Option<Self> {
        let number = PHONE_NUMBER_UTIL.parse(e164, None).ok()?;
        let country = PHONE_NUMBER_UTIL.get_region_for_number(&number);
        let country = country.map_or(Country::WORLD, |c| Country::from_text(&c.as_region_str()));
        Some(Self::known(&number, country))
    }

    fn known(number: &rlibphonenumber::PhoneNumber, country: Country) -> Self {
        Self {
            e164: number.format_as(PhoneNumberFormat::E164).into(),
            country,
            calling_code_len: decimal_digits(number.country_code),
            kind: PHONE_NUMBER_UTIL.get_number_type(number).into(),
        }
    }

    /// Loads the phone metadata (27–90 ms the first time), so that no caller waits for it.
    pub fn warm_up() {
        let _ = Self::parse("+8613800138000", Country::from_text("CN"));
    }

    /// `+8613800138000`.
    pub fn as_e164(&self) -> &str {
        &self.e164
    }

    /// The country whose number this is.
    pub fn country(&self) -> Country {
        self.country
    }

    /// The sort of line this is.
    pub fn kind(&self) -> PhoneKind {
        self.kind
    }

    /// The number less its last four digits: sequential numbers share it.
    pub fn prefix(&self) -> &str {
        &self.e164[..self.e164.len().saturating_sub(4)]
    }

    /// What may be shown of it: `+86138****8000`. At least four digits stay hidden.
    pub fn masked(&self) -> String {
        let (code, national) = self.e164.split_at(1 + usize::from(self.calling_code_len));
        let n = national.len();
        let tail = if n >= 9 {
            4
        } else {
            2.min(n.saturating_sub(4))
        };
        let head = n.saturating_sub(tail + 4).min(3);
        let hidden = "*".repeat(n - head - tail);
        format!(
            "{code}{}{hidden}{}",
            &national[..head],
            &national[n - tail..]
        )
    }
}

fn decimal_digits(number: i32) -> u8 {
    match number {
        ..10 => 1,
        10..100 => 2,
        _ => 3,
    }
}

/// Masked: a phone is personal data, so a stray `{:?}` in a log must not tell it.
impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({})", self.masked())
    }
}

/// Which numbers this service texts.
#[derive(Debug, Clone)]
pub struct PhonePolicy {
    /// The region of a number spelled without a calling code.
    pub default_region: Country,
    /// The countries texted; `None` for all.
    pub countries: Option<Vec<Country>>,
    /// The kinds of line texted.
    pub kinds: Vec<PhoneKind>,
}

impl PhonePolicy {
    /// Whether this service texts that number.
    pub fn allows(&self, phone: &PhoneNumber) -> bool {
        let country = self
            .countries
            .as_ref()
            .is_none_or(|allowed| allowed.contains(&phone.country()));
        country && self.kinds.contains(&phone.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cn() -> Country {
        Country::parse("CN").unwrap()
    }

    #[test]
    fn common_spellings_become_one_number() {
        let spellings = [
            "+8613800138000",
            "13800138000",
            "008613800138000",
            "+86 138 0013 8000",
            "138-0013-8000",
            " +86 (138) 0013-8000 ",
            "+86.138.0013.8000",
        ];
        for spelling in spellings {
            let phone = PhoneNumber::parse(spelling, cn()).expect(spelling);
            assert_eq!(phone.as_e164(), "+8613800138000", "{spelling}");
            assert_eq!(phone.kind(), PhoneKind::Mobile);
            assert_eq!(phone.country(), cn());
        }
    }

    #[test]
    fn odd_spellings_are_refused() {
        let odd = [
            "",
            " ",
            "+",
            "12345",
            "+86138001380001234",
            "tel:+8613800138000",
            "+8613800138000;ext=1",
            "+8613800138000 x1",
            "13800138000;phone-context=+86",
            "1380013800\u{a0}0",
            "\u{661}\u{663}\u{668}00138000",
            "１３８００１３８０００",
            "1-800-FLOWERS",
            "+8613800138000\0",
            "+8613800138000\r\n",
            &"1".repeat(1 << 20),
        ];
        for spelling in odd {
            assert_eq!(
                PhoneNumber::parse(spelling, cn()),
                Err(PhoneError),
                "{spelling:.40?}"
            );
        }
    }

    #[test]
    fn a_masked_number_hides_at_least_four_digits() {
        let masked = |s: &str| PhoneNumber::parse(s, cn()).unwrap().masked();
        assert_eq!(masked("+8615612340000"), "+86156****0000");
        assert_eq!(masked("+12025550123"), "+120****0123");
        assert_eq!(masked("+6561234567").matches('*').count(), 4);
        assert!(!format!("{:?}", PhoneNumber::parse("+8615612340000", cn())).contains("1234"));
    }

    #[test]
    fn a_number_whose_range_was_withdrawn_is_still_read_back() {
        let withdrawn = "+8612000000000";
        assert_eq!(PhoneNumber::parse(withdrawn, cn()), Err(PhoneError));
        assert_eq!(PhoneNumber::reread(withdrawn).unwrap().as_e164(), withdrawn);
    }

    #[test]
    fn the_policy_names_countries_and_kinds() {
        let policy = PhonePolicy {
            default_region: cn(),
            countries: Some(vec![cn()]),
            kinds: vec![PhoneKind::Mobile],
        };
        let phone = |s| PhoneNumber::parse(s, cn()).unwrap();
        assert!(policy.allows(&phone("13800138000")));
        assert!(!policy.allows(&phone("+8601062781234")));
        assert!(!policy.allows(&phone("+12025550123")));
        let anywhere = PhonePolicy {
            countries: None,
            ..policy
        };
        assert!(
            !anywhere.allows(&phone("+12025550123")),
            "the US does not tell mobiles apart"
        );
    }
}
