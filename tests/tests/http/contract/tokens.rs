//! Access tokens as others see them: their claims, and the keys that check them.

use app::config::{Config, Sources};
use app::keyring::{Purpose, rotate};
use domain::ports::{Clock, Entropy};
use serde_json::{Value, json};
use tests_support::app::{Setup, Store, TestApp};
use tests_support::jwt::Token;
use tests_support::on_every_store;

const PHONE: &str = "+8615612340000";

on_every_store!(
    an_access_token_says_what_rfc_9068_asks_for_and_no_more,
    the_published_keys_check_tokens_without_us,
    a_token_is_refused_after_its_expiry_and_the_leeway,
    a_new_key_is_published_before_it_signs_and_the_old_one_still_checks,
);

struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

async fn keys(app: &TestApp) -> Value {
    app.get("/.well-known/jwks.json").await.ok(200)
}

async fn an_access_token_says_what_rfc_9068_asks_for_and_no_more(store: Store) {
    let setup = Setup::on(store).set("tokens.issuer", "https://id.example");
    let app = setup.set("tokens.audience", "shop").start().await;
    let signed_in = app.sign_in(PHONE).await;
    let token = Token::parse(&signed_in.access);
    let keys = keys(&app).await;
    let kid = &keys["keys"][0]["kid"];
    assert_eq!(
        token.header,
        json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": kid })
    );
    let now = app.clock.now().as_secs();
    let expected = json!({
        "iss": "https://id.example",
        "sub": signed_in.user,
        "aud": "shop",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "jti": token.claims["jti"],
        "sid": signed_in.session,
    });
    assert_eq!(token.claims, expected);
    let again = app.refresh(&signed_in.refresh).await.ok(200);
    let again = Token::parse(again["access_token"].as_str().unwrap());
    assert_ne!(again.claims["jti"], token.claims["jti"]);
}

async fn the_published_keys_check_tokens_without_us(store: Store) {
    for (algorithm, kty, crv) in [("EdDSA", "OKP", "Ed25519"), ("ES256", "EC", "P-256")] {
        let app = Setup::on(store)
            .set("tokens.algorithm", algorithm)
            .start()
            .await;
        let answer = app.get("/.well-known/jwks.json").await;
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        let keys = answer.ok(200);
        let key = &keys["keys"][0];
        let told = ["kty", "crv", "alg", "use"].map(|member| key[member].as_str().unwrap());
        assert_eq!(told, [kty, crv, algorithm, "sig"]);
        assert!(key.get("d").is_none() && key.get("k").is_none(), "{key}");
        let signed_in = app.sign_in(PHONE).await;
        assert!(
            Token::parse(&signed_in.access).is_signed_by(&keys),
            "{algorithm}"
        );
        let mut altered = Token::parse(&signed_in.access);
        altered.signature[7] ^= 1;
        assert!(!altered.is_signed_by(&keys), "{algorithm}");
    }
    let app = Setup::on(store)
        .set("tokens.algorithm", "HS256")
        .start()
        .await;
    assert_eq!(keys(&app).await, json!({ "keys": [] }));
    let signed_in = app.sign_in(PHONE).await;
    assert_eq!(Token::parse(&signed_in.access).header["alg"], "HS256");
    app.get("/v1/users/me")
        .bearer(&signed_in.access)
        .await
        .ok(200);
}

async fn a_token_is_refused_after_its_expiry_and_the_leeway(store: Store) {
    let app = TestApp::start(store).await;
    let signed_in = app.sign_in(PHONE).await;
    let call = app.get("/v1/users/me").bearer(&signed_in.access);
    app.clock.advance_secs(329);
    call.clone().await.ok(200);
    app.clock.advance_secs(1);
    call.await.problem(401, "unauthenticated");
    app.refresh(&signed_in.refresh).await.ok(200);
}

async fn a_new_key_is_published_before_it_signs_and_the_old_one_still_checks(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let before = app.sign_in(PHONE).await;
    let old = keys(&app).await;
    let flags = vec![(
        "data.dir".to_owned(),
        app.folder().join("data").display().to_string(),
    )];
    let config = Config::load(&Sources {
        flags,
        ..Sources::default()
    })
    .unwrap();
    let purpose = Purpose::Token(config.tokens.algorithm);
    rotate(&config, &[purpose], app.clock.now(), &Sevens).unwrap();
    let app = app.sibling().await;
    let both = keys(&app).await;
    assert_eq!(both["keys"].as_array().unwrap().len(), 2);
    let kid = |access: &str| Token::parse(access).header["kid"].clone();
    app.clock.advance_secs(1);
    let meanwhile = app.sign_in(PHONE).await;
    assert_eq!(kid(&meanwhile.access), old["keys"][0]["kid"]);
    app.get("/v1/users/me").bearer(&before.access).await.ok(200);
    app.clock.advance_secs(3600);
    let after = app.sign_in(PHONE).await;
    assert_ne!(kid(&after.access), kid(&before.access));
    assert!(Token::parse(&after.access).is_signed_by(&both));
    assert!(Token::parse(&before.access).is_signed_by(&both));
}
