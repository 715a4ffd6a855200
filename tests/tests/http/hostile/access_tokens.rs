//! Access tokens that were not made by the service, or not for it.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::{Value, json};
use tests_support::app::{Store, TestApp};
use tests_support::http::Connection;
use tests_support::jwt::{Signer, Token, but, unsigned, with_hmac};
use tests_support::on_every_store;

use super::{PHONE, Target};

on_every_store!(
    a_token_that_nobody_signed_or_that_a_public_key_signed_is_refused,
    a_token_signed_by_our_key_but_not_as_we_do_is_refused,
    a_token_with_any_byte_changed_is_refused,
    a_token_of_another_installation_is_refused,
    a_token_of_another_person_opens_nothing,
);

async fn is_refused(target: &Target, token: &str) {
    for path in ["/v1/users/me", "/v1/sessions/current", "/v1/sessions"] {
        let answer = target.refuses(target.app.get(path).bearer(token)).await;
        answer.problem(401, "unauthenticated");
    }
}

async fn target_and_token(store: Store) -> (Target, Token, String) {
    let target = Target::start(store).await;
    let signed_in = target.app.sign_in(PHONE).await;
    let token = Token::parse(&signed_in.access);
    (target, token, signed_in.access)
}

async fn a_token_that_nobody_signed_or_that_a_public_key_signed_is_refused(store: Store) {
    let (target, token, text) = target_and_token(store).await;
    let Token { header, claims, .. } = &token;
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "EdDSA"] {
        is_refused(&target, &unsigned(&but(header, "alg", json!(alg)), claims)).await;
    }
    let keys = target.app.get("/.well-known/jwks.json").await.ok(200);
    let key = &keys["keys"][0];
    let x = key["x"].as_str().unwrap();
    let public = BASE64URL_NOPAD.decode(x.as_bytes()).unwrap();
    let text_of_key = key.to_string();
    for alg in ["HS256", "HS512", "EdDSA", "RS256"] {
        let header = but(header, "alg", json!(alg));
        for secret in [public.as_slice(), x.as_bytes(), text_of_key.as_bytes(), b""] {
            is_refused(&target, &with_hmac(secret, &header, claims)).await;
        }
    }
    let (signed, signature) = text.rsplit_once('.').unwrap();
    for token in [
        signed.to_owned(),
        format!("{signed}."),
        format!("{signed}..{signature}"),
        format!(".{signed}.{signature}"),
        format!("{text}."),
        format!("{text}=="),
        format!("{text}.{signature}"),
        text.replace('.', ".."),
        "a".repeat(8192),
        ".".repeat(100),
    ] {
        is_refused(&target, &token).await;
    }
}

/// What a header of ours never says.
fn odd_headers(kid: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("typ", json!("JWT")),
        ("typ", json!("jwt")),
        ("typ", json!("")),
        ("typ", json!(["at+jwt"])),
        ("typ", Value::Null),
        ("alg", json!("none")),
        ("alg", json!("ES256")),
        ("alg", json!("HS256")),
        ("alg", Value::Null),
        ("kid", Value::Null),
        ("kid", json!("")),
        ("kid", json!("other")),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("' UNION SELECT 'k")),
        ("kid", json!("k".repeat(5000))),
        ("kid", json!(1)),
        ("kid", json!([kid])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
    ]
}

/// What our claims never say.
fn odd_claims(ours: &Value) -> Vec<(&'static str, Value)> {
    let session = ours["sid"].as_str().unwrap();
    let exp = ours["exp"].as_u64().unwrap();
    vec![
        ("iss", json!("http://evil.example")),
        ("iss", json!("http://localhost:8080/")),
        ("iss", Value::Null),
        ("aud", json!("other")),
        ("aud", json!(["phone-auth"])),
        ("aud", json!(["phone-auth", "other"])),
        ("aud", Value::Null),
        ("exp", json!(exp.to_string())),
        ("exp", json!(-1)),
        ("exp", json!(0)),
        ("exp", json!(f64::MAX)),
        ("exp", Value::Null),
        ("exp", json!(exp - 400)),
        ("nbf", json!(exp + 400)),
        ("nbf", json!("0")),
        ("nbf", Value::Null),
        ("iat", json!("0")),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!(session)),
        ("sub", json!(format!("usr_{}", "0".repeat(32)))),
        ("sid", Value::Null),
        ("sid", json!(format!("ses_{}", "0".repeat(32)))),
        ("sid", json!(session.to_uppercase())),
        ("sid", json!(session.replace("ses_", "pc_"))),
        ("jti", json!(7)),
    ]
}

async fn a_token_signed_by_our_key_but_not_as_we_do_is_refused(store: Store) {
    let (target, token, _) = target_and_token(store).await;
    let Token { header, claims, .. } = &token;
    let signer = Signer::of(&target.app.folder().join("data"));
    let right = signer.sign(header, claims);
    target.app.get("/v1/users/me").bearer(&right).await.ok(200);
    for (member, value) in odd_headers(&signer.id) {
        is_refused(&target, &signer.sign(&but(header, member, value), claims)).await;
    }
    for (member, value) in odd_claims(claims) {
        is_refused(&target, &signer.sign(header, &but(claims, member, value))).await;
    }
}

async fn a_token_with_any_byte_changed_is_refused(store: Store) {
    let (target, _, text) = target_and_token(store).await;
    let mut connection = Connection::open(target.app.address()).await.unwrap();
    let writes = target.stores.writes();
    for at in 0..text.len() {
        // Another bit of each byte, kept within what a token may hold.
        let mut bytes = text.clone().into_bytes();
        bytes[at] = match bytes[at] {
            b'.' => b'a',
            b'A' => b'B',
            _ => b'A',
        };
        let altered = String::from_utf8(bytes).unwrap();
        let call = target.app.get("/v1/users/me").bearer(&altered);
        let answer = connection.call(&call).await.unwrap();
        // The last character of a signature carries bits that mean nothing.
        assert_eq!(answer.status, 401, "byte {at}: {altered}");
        let cut = target.app.get("/v1/users/me").bearer(&text[..at]);
        assert_eq!(
            connection.call(&cut).await.unwrap().status,
            401,
            "cut at {at}"
        );
    }
    assert_eq!(target.stores.writes(), writes);
    target.app.get("/v1/users/me").bearer(&text).await.ok(200);
}

async fn a_token_of_another_installation_is_refused(store: Store) {
    let (target, ..) = target_and_token(store).await;
    let elsewhere = TestApp::start(store).await;
    let foreign = elsewhere.sign_in(PHONE).await;
    is_refused(&target, &foreign.access).await;
    let refresh = target.refuses(target.app.refresh(&foreign.refresh)).await;
    refresh.problem(401, "refresh_rejected");
    let cookie = HEXLOWER.encode(&[7; 64]);
    let call = target
        .app
        .get("/home")
        .header("cookie", &format!("session={cookie}"));
    assert_eq!(call.await.status, 303);
}

async fn a_token_of_another_person_opens_nothing(store: Store) {
    let (target, token, _) = target_and_token(store).await;
    let other = target.app.sign_in("+8615612340001").await;
    let other = Token::parse(&other.access);
    let signer = Signer::of(&target.app.folder().join("data"));
    // Our own signature under a mixture of two people.
    for claims in [
        but(&token.claims, "sub", other.claims["sub"].clone()),
        but(&token.claims, "sid", other.claims["sid"].clone()),
    ] {
        is_refused(&target, &signer.sign(&token.header, &claims)).await;
    }
}
