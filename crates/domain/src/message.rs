//! What to send: the text of a code in the person's language.

use std::fmt;

use zeroize::Zeroizing;

use crate::code::Code;
use crate::phone::PhoneNumber;

/// A language this product speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// Chinese, simplified.
    Zh,
}

impl Locale {
    /// `en` or `zh`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }

    /// The language of a BCP 47 tag such as `zh-Hans-CN`, if this product speaks it.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        match language.to_ascii_lowercase().as_str() {
            "en" => Some(Self::En),
            "zh" => Some(Self::Zh),
            _ => None,
        }
    }
}

/// A message that carries a code, both as text and as a template with parameters: some gateways
/// take text, others only the id of a template that they approved.
#[derive(Clone)]
pub struct SmsMessage {
    /// The same for every try of this message, and for no other: a gateway may use it to drop
    /// duplicates.
    pub id: String,
    /// Where to.
    pub to: PhoneNumber,
    /// The language of the text.
    pub locale: Locale,
    /// The rendered text. Its last line is read by browsers (WebOTP): `@host #digits`.
    pub text: Zeroizing<String>,
    /// The template's name: [`SmsMessage::SIGN_IN_CODE`].
    pub template: &'static str,
    /// The template's parameter `code`.
    pub code: Code,
    /// The template's parameter `minutes`: how long the code is valid, rounded up.
    pub minutes: u64,
}

impl fmt::Debug for SmsMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmsMessage")
            .field("id", &self.id)
            .field("to", &self.to)
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

/// Renders messages in the name of one brand for one site.
#[derive(Debug, Clone)]
pub struct Templates {
    brand: String,
    host: String,
}

impl SmsMessage {
    /// The template that carries a sign-in code, with the parameters `code` and `minutes`.
    pub const SIGN_IN_CODE: &'static str = "sign_in_code";
}

impl Templates {
    /// Messages in the name of `brand`, for pages served from `host` (no scheme, no port).
    pub fn new(brand: impl Into<String>, host: impl Into<String>) -> Self {
        Self {
            brand: brand.into(),
            host: host.into(),
        }
    }

    /// In whose name.
    pub fn brand(&self) -> &str {
        &self.brand
    }

    /// The message that carries a sign-in code. The digits stand in it once, in the line that
    /// browsers read, so that nothing else in it can be taken for them.
    pub fn sign_in_code(
        &self,
        id: String,
        to: PhoneNumber,
        locale: Locale,
        code: Code,
        minutes: u64,
    ) -> SmsMessage {
        let (brand, host, digits) = (&self.brand, &self.host, code.expose());
        let text = Zeroizing::new(match locale {
            Locale::En => format!(
                "{brand}: your sign-in code is at the end of this message, valid for {minutes} min. \
                 Never share it.\n\n@{host} #{digits}"
            ),
            Locale::Zh => format!(
                "【{brand}】登录验证码见文末，{minutes} 分钟内有效，请勿告诉他人。\n\n@{host} #{digits}"
            ),
        });
        SmsMessage {
            id,
            to,
            locale,
            text,
            template: SmsMessage::SIGN_IN_CODE,
            code,
            minutes,
        }
    }
}
