//! What one request asks of the domain, function by function.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot set itself up has nothing to say"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use domain::code::{CodeLength, Delivery, PhoneCode};
use domain::id::{PhoneCodeId, SessionId};
use domain::message::{Locale, Templates};
use domain::phone::{Country, PhoneNumber};
use domain::ports::Entropy;
use domain::rate_limit::{Charge, Counter, CounterKey, Limit, Scope, Window};
use domain::session::SessionToken;
use domain::timestamp::Timestamp;
use domain::vault::{KeyId, TokenUse, Vault};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Costs nothing: real randomness is an adapter's, and not measured here.
struct Constant;

impl Entropy for Constant {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0x5a);
    }
}

fn vault() -> Vault {
    Vault::new(&[(KeyId(1), &[7; 32])], KeyId(1)).unwrap()
}

fn china() -> Country {
    Country::parse("CN").unwrap()
}

fn phone() -> PhoneNumber {
    PhoneNumber::parse("+8613912345678", china()).unwrap()
}

fn code(vault: &Vault) -> PhoneCode {
    PhoneCode {
        id: PhoneCodeId::generate(NOW, &Constant),
        phone: vault.seal(&phone(), &Constant),
        key: vault.current_key(),
        salt: [9; 16],
        length: CodeLength::new(6).unwrap(),
        locale: Locale::En,
        created_at: NOW,
        expires_at: NOW + Duration::from_secs(300),
        tries: 5,
        attempts: 1,
        consumed: false,
        delivery: Delivery::first(NOW),
    }
}

fn phones(c: &mut Criterion) {
    let home = china();
    PhoneNumber::warm_up();
    c.bench_function("PhoneNumber::parse +86…", |b| {
        b.iter(|| PhoneNumber::parse(black_box("+8613912345678"), home));
    });
    c.bench_function("PhoneNumber::parse national, spaced", |b| {
        b.iter(|| PhoneNumber::parse(black_box("139 1234 5678"), home));
    });
}

fn vaults(c: &mut Criterion) {
    let (vault, phone) = (vault(), phone());
    let (sealed, code) = (vault.seal(&phone, &Constant), code(&vault));
    c.bench_function("Vault::seal", |b| {
        b.iter(|| vault.seal(black_box(&phone), &Constant))
    });
    c.bench_function("Vault::open", |b| b.iter(|| vault.open(black_box(&sealed))));
    c.bench_function("Vault::indexes", |b| {
        b.iter(|| vault.indexes(black_box(&phone)))
    });
    c.bench_function("Vault::digits", |b| {
        b.iter(|| vault.digits(code.key, black_box(code.id), &code.salt, code.length));
    });
    c.bench_function("Vault::counter_key", |b| {
        b.iter(|| vault.counter_key(Scope::SendsPerPhone, black_box(phone.as_e164().as_bytes())));
    });
}

fn tokens(c: &mut Criterion) {
    let (vault, session) = (vault(), SessionId::generate(NOW, &Constant));
    let token = SessionToken::generate(TokenUse::Refresh, session, &vault, &Constant);
    c.bench_function("SessionToken::generate", |b| {
        b.iter(|| SessionToken::generate(TokenUse::Refresh, black_box(session), &vault, &Constant));
    });
    c.bench_function("SessionToken::parse", |b| {
        b.iter(|| SessionToken::parse(TokenUse::Refresh, black_box(token.expose()), &vault));
    });
}

fn charge(windows: &[(u32, u64)]) -> Charge {
    let windows = windows
        .iter()
        .map(|(count, hours)| Window {
            count: *count,
            period: Duration::from_secs(hours * 3600),
        })
        .collect();
    Charge {
        scope: Scope::SendsPerPhone,
        key: CounterKey::from_bytes([0; 16]),
        limit: Arc::new(Limit::new(windows).unwrap()),
        cost: 1,
    }
}

/// A counter that was hit `hits` times, evenly over the hour before [`NOW`].
fn hit(charge: &Charge, hits: u64) -> Counter {
    let mut counter = Counter::default();
    for i in 0..hits {
        counter.record(
            charge,
            NOW - Duration::from_millis(3_600_000 * (hits - i) / hits - 1),
        );
    }
    counter
}

fn counters(c: &mut Criterion) {
    let limits = [
        ("of a phone, 4 hits", charge(&[(5, 1), (10, 24)]), 4),
        ("of everybody, 60 slots", charge(&[(1_000_000, 1)]), 600),
    ];
    for (name, charge, hits) in limits {
        let counter = hit(&charge, hits);
        c.bench_function(&format!("Counter::admit {name}"), |b| {
            b.iter(|| black_box(&counter).admit(&charge, NOW));
        });
        c.bench_function(&format!("Counter::record {name}"), |b| {
            let copy = || counter.clone();
            b.iter_batched_ref(copy, |c| c.record(&charge, NOW), BatchSize::SmallInput);
        });
    }
}

fn codes(c: &mut Criterion) {
    let vault = vault();
    let code = code(&vault);
    let digits = vault
        .digits(code.key, code.id, &code.salt, code.length)
        .unwrap();
    c.bench_function("PhoneCode::judge", |b| {
        b.iter(|| black_box(&code).judge(black_box(&digits), &digits, NOW));
    });
    let templates = Templates::new("phone-auth", "localhost");
    c.bench_function("Templates::sign_in_code", |b| {
        let parts = || (code.id.to_string(), phone(), digits.clone());
        let render = |(id, to, digits)| templates.sign_in_code(id, to, Locale::En, digits, 5);
        b.iter_batched(parts, render, BatchSize::SmallInput);
    });
}

criterion_group!(hot, phones, vaults, tokens, counters, codes);
criterion_main!(hot);
