//! The sections that make up what the use cases go by.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::auth::{Limits, Policy, TestNumber};
use domain::code::{Code, CodeLength, ResendWaits};
use domain::message::Templates;
use domain::phone::{Country, PhoneKind, PhoneNumber, PhonePolicy};
use domain::rate_limit::{Limit, Scope, Window};
use domain::session::SessionLifetime;

use super::layers::dotted;
use super::reader::Reader;
use super::sections::all_of;
use super::values::{
    DAY, HOUR, MINUTE, Origin, SECOND, duration, looks_like_a_code, moment, one_of, thousandths,
    windows, within,
};

/// How many waits `code.resend_after` may have.
pub(super) const MOST_WAITS: u8 = 10;

/// The most failed tries of a phone in a window (NIST SP 800-63B-4 §3.2.2).
const MOST_FAILURES: u32 = 100;

pub(super) fn read(r: &mut Reader, origin: Option<&Origin>) -> Option<Policy> {
    let waits = resend_waits(r);
    all_of!(Policy {
        phones: phones(r),
        code_length: r.integer("code.length", 6..=10).and_then(CodeLength::new),
        // NIST SP 800-63B-4 §3.1.3.2: 10 minutes at most.
        code_lifetime: r.duration("code.lifetime", SECOND..=10 * MINUTE),
        tries: r.integer("code.tries", 1..=10),
        limits: limits(r, phones.as_ref(), waits.as_ref()),
        resend_waits: waits.and_then(ResendWaits::new),
        access_lifetime: r.duration("tokens.access_lifetime", SECOND..=HOUR),
        session_lifetime: session_lifetime(r),
        sessions_per_user: r.integer("limits.sessions_per_user", 1..=1000),
        test_numbers: test_numbers(r, code_length),
        templates: templates(r, origin),
    })
}

fn phones(r: &mut Reader) -> Option<PhonePolicy> {
    let kinds = one_of(PhoneKind::NAMES.iter().map(|(name, _)| *name));
    all_of!(PhonePolicy {
        default_region: default_region(r),
        countries: r.get(
            "phone.allowed_countries",
            "a list of ISO 3166 regions, such as [\"CN\", \"SG\"], or [\"*\"] for all",
            |e| match e.list()?.as_slice() {
                [] => None,
                [all] if all == "*" => Some(None),
                some => some
                    .iter()
                    .map(|name| Country::parse(name))
                    .collect::<Option<_>>()
                    .map(Some),
            },
        ),
        kinds: r.get("phone.allowed_kinds", &format!("a list of {kinds}"), |e| {
            let names = e.list().filter(|names| !names.is_empty())?;
            names
                .iter()
                .map(|name| PhoneKind::from_name(name))
                .collect()
        }),
    })
}

fn default_region(r: &mut Reader) -> Option<Country> {
    let want = "an ISO 3166 region, such as \"CN\"";
    let region = r.get("phone.default_region", want, |e| Country::parse(&e.text()?));
    // One that is set all the same is not asked for a default.
    let countries = vec![region.map_or_else(|| "*".to_owned(), |region| region.to_string())];
    r.default_to("phone.allowed_countries", countries);
    region
}

/// The country that a key ends with.
pub(super) fn country_of_key(r: &mut Reader, key: &str, name: &str) -> Option<Country> {
    let country = Country::parse(name);
    if country.is_none() {
        r.refuse(
            key,
            "names no country: write an ISO 3166 region instead, such as CN",
        );
    }
    country
}

fn resend_waits(r: &mut Reader) -> Option<Vec<Duration>> {
    let bounds = SECOND..=HOUR;
    let want = format!(
        "a list of 1 to {MOST_WAITS} durations {}, such as [\"60s\", \"5m\"]",
        within(&bounds)
    );
    r.get("code.resend_after", &want, |e| {
        let list = e
            .list()
            .filter(|list| (1..=usize::from(MOST_WAITS)).contains(&list.len()))?;
        list.iter().map(|text| duration(text, &bounds)).collect()
    })
}

fn templates(r: &mut Reader, origin: Option<&Origin>) -> Option<Templates> {
    let want = "1 to 30 characters without line breaks and without a run of 6 digits, which could \
                be mistaken for a code";
    let brand = r.get("sms.brand", want, |e| {
        e.text().filter(|text| {
            (1..=30).contains(&text.trim().chars().count())
                && !text.chars().any(char::is_control)
                && !looks_like_a_code(text)
        })
    })?;
    Some(Templates::new(brand, origin?.host()))
}

fn session_lifetime(r: &mut Reader) -> Option<SessionLifetime> {
    // NIST SP 800-63B-4 §2.1.3: 30 days at most.
    let idle = r.duration("tokens.refresh_idle", SECOND..=30 * DAY);
    let total = r.duration("tokens.refresh_lifetime", SECOND..=30 * DAY);
    Some(SessionLifetime::Refreshed {
        idle: idle?,
        total: total?,
    })
}

fn limits(
    r: &mut Reader,
    phones: Option<&PhonePolicy>,
    waits: Option<&Vec<Duration>>,
) -> Option<Limits> {
    let least = waits.and_then(|waits| waits.first());
    let least = least.map(|wait| Window {
        count: 1,
        period: *wait,
    });
    let limits = all_of!(Limits {
        sends_per_phone: limit(r, Scope::SendsPerPhone, 1, least),
        sends_per_address: limit(r, Scope::SendsPerAddress, 1, None),
        sends_per_network: limit(r, Scope::SendsPerNetwork, 1, None),
        sends_per_prefix: limit(r, Scope::SendsPerPrefix, 1, None),
        sends_per_country: limit(r, Scope::SendsPerCountry, 1, None),
        sends_overall: limit(r, Scope::SendsOverall, 1, None),
        spend_overall: limit(r, Scope::SpendOverall, 1000, None),
        prices: prices(r),
        failures_per_phone: limit(r, Scope::FailuresPerPhone, 1, None),
        failures_per_address: limit(r, Scope::FailuresPerAddress, 1, None),
    })?;
    let few = |limit: &Arc<Limit>| limit.windows().iter().all(|w| w.count <= MOST_FAILURES);
    if !limits.failures_per_phone.as_ref().is_some_and(few) {
        let remedy =
            format!("write a limit of at most {MOST_FAILURES} in each window, such as \"20/24h\"");
        r.refuse_value("limits.failures_per_phone", &remedy);
    }
    check_prices(r, &limits, phones);
    Some(limits)
}

/// `"COUNT/WINDOW, ..."` or `"off"`, with one more window that is always there.
fn limit(
    r: &mut Reader,
    scope: Scope,
    unit: u32,
    extra: Option<Window>,
) -> Option<Option<Arc<Limit>>> {
    let key = format!("limits.{}", scope.as_str());
    let want = "a count and a window of 1s to 31d, or several separated by commas, such as \
                \"5/1h, 10/24h\", or \"off\"";
    let mut all = r.get(&key, want, |e| match e.text()?.as_str() {
        "off" => Some(Vec::new()),
        text => windows(text, unit),
    })?;
    all.extend(extra);
    if all.is_empty() {
        return Some(None);
    }
    match Limit::new(all) {
        Ok(limit) => Some(Some(Arc::new(limit))),
        Err(e) => {
            let beside = if extra.is_some() {
                " (code.resend_after is a window too)"
            } else {
                ""
            };
            r.refuse_value(
                &key,
                &format!("{e}{beside}: write windows closer to each other"),
            );
            None
        }
    }
}

fn prices(r: &mut Reader) -> Option<HashMap<Country, u32>> {
    let prices = r.names_below("sms.prices").into_iter().map(|name| {
        let key = dotted(&["sms", "prices", &name]);
        let price = r.get(&key, "the price of one message, such as 0.045", |e| {
            thousandths(&e.scalar()?).filter(|price| *price > 0)
        });
        Some((country_of_key(r, &key, &name)?, price?))
    });
    prices.collect::<Vec<_>>().into_iter().collect()
}

/// A message without a price would not count against the budget.
fn check_prices(r: &mut Reader, limits: &Limits, phones: Option<&PhonePolicy>) {
    let (Some(_), Some(phones)) = (&limits.spend_overall, phones) else {
        return;
    };
    let key = "limits.spend_overall";
    let Some(countries) = &phones.countries else {
        r.refuse_value(
            key,
            "not every country has a price: list phone.allowed_countries",
        );
        return;
    };
    for country in countries
        .iter()
        .filter(|country| !limits.prices.contains_key(country))
    {
        r.refuse_value(
            key,
            &format!("{country} has no price: write it at sms.prices.{country}"),
        );
    }
}

fn test_numbers(
    r: &mut Reader,
    length: Option<CodeLength>,
) -> Option<HashMap<PhoneNumber, TestNumber>> {
    let numbers = r.names_below("test_numbers").into_iter().map(|name| {
        let section = dotted(&["test_numbers", &name]);
        let number = test_number(r, &section, length);
        let phone = PhoneNumber::parse(&name, Country::WORLD).ok();
        if phone.as_ref().is_none_or(|phone| phone.as_e164() != name) {
            r.refuse(
                &section,
                "names no phone number: write one that could exist in E.164, such as \"+8613800138000\"",
            );
        }
        Some((phone?, number?))
    });
    numbers.collect::<Vec<_>>().into_iter().collect()
}

fn test_number(r: &mut Reader, section: &str, length: Option<CodeLength>) -> Option<TestNumber> {
    let key = format!("{section}.code");
    let secret = r.secret(&key);
    let until = r.optional(
        &format!("{section}.until"),
        "the day or moment from which it is a number like any other, such as \"2027-01-01\"",
        |e| moment(&e.text()?),
    );
    let length = length?;
    let code = secret?.and_then(|secret| Code::parse(secret.expose(), length));
    if code.is_none() {
        r.refuse_value(
            &key,
            &format!("write {} digits, as code.length says", length.get()),
        );
    }
    Some(TestNumber {
        code: code?,
        until: until?,
    })
}
