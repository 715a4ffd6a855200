//! No debug output of anything public tells a phone, a code, a token or a key.

use std::fmt::Debug;

use domain::auth::{AskCode, Credentials, Grant, SendJob, SignIn, SignedIn, TestNumber};
use domain::code::{Code, CodeLength};
use domain::message::{Locale, SmsMessage};
use domain::ports::AccessToken;
use domain::vault::{KeyId, Vault};

use crate::support::{DAY, PHONE, World, block_on, home, phone, tokens};

/// Both forms of debug output.
fn shown(values: &[&dyn Debug]) -> String {
    let each = values
        .iter()
        .map(|value| format!("{value:?}\n{value:#?}\n"));
    each.collect()
}

#[track_caller]
fn hides(shown: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!secret.is_empty());
        let at = shown.find(secret);
        let around = at.map(|at| &shown[at.saturating_sub(60)..at]);
        assert_eq!(around, None, "before {secret}");
    }
}

struct Scene {
    world: World,
    job: SendJob,
    message: SmsMessage,
    digits: String,
    by_tokens: SignedIn,
    by_cookie: SignedIn,
}

fn scene() -> Scene {
    let world = World::with(|policy| {
        policy.limits.sends_per_phone = None;
        let code = Code::parse("424242", CodeLength::new(6).unwrap()).unwrap();
        let test = TestNumber { code, until: None };
        policy.test_numbers.insert(phone("13900139000"), test);
    });
    let first = world.code_for(PHONE);
    let digits = world.digits(first);
    let by_tokens = world.sign_in(first, &digits).unwrap();
    let second = world.code_for(PHONE);
    let cookie = Grant::Cookie(DAY);
    let by_cookie = world
        .sign_in_for(second, &world.digits(second), cookie)
        .unwrap();
    let message = world.fake.sent.lock()[0].clone();
    world.ask(PHONE).unwrap();
    let job = world.fake.jobs.lock().pop_front().unwrap();
    Scene {
        world,
        job,
        message,
        digits,
        by_tokens,
        by_cookie,
    }
}

#[test]
fn what_a_caller_sends_stays_hidden() {
    let caller = &home();
    let ask = AskCode {
        phone: PHONE,
        locale: Locale::En,
        caller,
        idempotency_key: Some("key-of-a-caller"),
    };
    let sign_in = SignIn {
        code: "428571",
        caller,
        grant: Grant::Tokens,
    };
    let secrets = [&PHONE[1..], "13800138000", "key-of-a-caller", "428571"];
    hides(&shown(&[&ask, &sign_in]), &secrets);
}

#[test]
fn what_a_sign_in_is_made_of_stays_hidden() {
    let scene = scene();
    let Scene { world, digits, .. } = &scene;
    let Credentials::Cookie(cookie) = &scene.by_cookie.credentials else {
        panic!("asked for a cookie");
    };
    let held = tokens(&scene.by_tokens);
    let refresh = held.refresh.as_ref().unwrap();
    let caller = world.authenticate(&scene.by_tokens).unwrap();
    let me = block_on(world.auth.me(&caller)).unwrap();
    let text = shown(&[
        &scene.job,
        &scene.message,
        &scene.message.code,
        &scene.message.to,
        &scene.by_tokens,
        &scene.by_cookie,
        &caller,
        &caller.view(),
        &me,
        held,
        refresh,
        &refresh.digest(),
        cookie,
        world.auth.policy(),
        &world.events(),
        &world.snapshot(),
    ]);
    let secrets = [
        PHONE,
        "13800138000",
        "13900139000",
        digits.as_str(),
        "424242",
        held.access.expose(),
        refresh.expose(),
        cookie.expose(),
    ];
    hides(&text, &secrets);
    let digest = format!("{:?}", refresh.digest().as_bytes());
    hides(&text, &[&digest[1..20]]);
}

#[test]
fn an_access_token_stays_hidden() {
    let token = AccessToken::new("header.claims.signature".into());
    hides(&shown(&[&token]), &["header", "claims", "signature"]);
}

#[test]
fn a_key_stays_hidden() {
    let secret = b"a secret that is quite long enough";
    let vault = Vault::new(&[(KeyId(7), secret)], KeyId(7)).unwrap();
    let text = shown(&[&vault]);
    hides(&text, &["secret", "97, 32, 115", "6120736563"]);
    assert_eq!(
        text.lines().next(),
        Some("Vault { keys: [7], current: 7, .. }")
    );
}

#[test]
fn a_refusal_repeats_nothing_of_what_was_asked() {
    let world = World::new();
    let id = world.code_for(PHONE);
    let digits = world.digits(id);
    world.sign_in(id, &digits).unwrap();
    let refusals = [
        world.sign_in(id, &digits).unwrap_err(),
        world.sign_in(id, "4285710").unwrap_err(),
        world.ask(PHONE).unwrap_err(),
        world.ask("+8613800138").unwrap_err(),
        world
            .sign_in_by_phone("+12025550123", "428571")
            .unwrap_err(),
    ];
    for refusal in refusals {
        let text = format!("{refusal} {}", shown(&[&refusal]));
        hides(&text, &["13800138", "2025550", "428571", &digits]);
    }
}
