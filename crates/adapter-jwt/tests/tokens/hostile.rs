//! What strangers send instead of a token of ours, each refused.

use crate::support::*;
use adapter_jwt::{Algorithm, JwtIssuer, SigningKey};
use data_encoding::BASE64URL_NOPAD;
use domain::ports::TokenIssuer;
use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use serde_json::{Value, json};

fn encoding_key(key: &SigningKey) -> EncodingKey {
    match key.algorithm {
        Algorithm::EdDsa => EncodingKey::from_ed_der(&key.secret),
        Algorithm::Es256 => EncodingKey::from_ec_der(&key.secret),
        Algorithm::Hs256 => EncodingKey::from_secret(&key.secret),
    }
}

/// Signs any two texts, whatever they say, in the header's name or not.
fn sign(header: &str, payload: &str, key: &EncodingKey, alg: jsonwebtoken::Algorithm) -> String {
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, alg).unwrap();
    format!("{message}.{signature}")
}

/// As [`sign`], with the right key.
fn eddsa(key: &SigningKey, header: &str, payload: &str) -> String {
    sign(
        header,
        payload,
        &encoding_key(key),
        jsonwebtoken::Algorithm::EdDSA,
    )
}

fn ours() -> (SigningKey, JwtIssuer, String) {
    let key = key("k1", Algorithm::EdDsa, start());
    let issuer = issuer(std::slice::from_ref(&key));
    let header = r#"{"typ":"at+jwt","alg":"EdDSA","kid":"k1"}"#.to_owned();
    (key, issuer, header)
}

async fn assert_refused(issuer: &JwtIssuer, token: &str, what: &str) {
    assert!(!accepts(issuer, token, start()).await, "accepted: {what}");
}

#[tokio::test]
async fn a_token_signed_elsewhere_with_our_key_and_claims_is_accepted() {
    let (key, issuer, header) = ours();
    let token = eddsa(&key, &header, &payload().to_string());
    assert_eq!(
        issuer.verify(&token, start()).await.unwrap(),
        claims_at(start())
    );
}

#[tokio::test]
async fn a_header_that_is_not_ours_is_refused_even_when_signed_with_our_key() {
    let (key, issuer, _) = ours();
    let headers = [
        r#"{"typ":"at+jwt","alg":"none","kid":"k1"}"#,
        r#"{"typ":"at+jwt","alg":"None","kid":"k1"}"#,
        r#"{"typ":"at+jwt","alg":"HS256","kid":"k1"}"#,
        r#"{"typ":"at+jwt","alg":"ES256","kid":"k1"}"#,
        r#"{"typ":"at+jwt","alg":"RS256","kid":"k1"}"#,
        r#"{"typ":"at+jwt","alg":["EdDSA"],"kid":"k1"}"#,
        r#"{"typ":"at+jwt","kid":"k1"}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA"}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":""}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":null}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":1}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":"K1"}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":"k2"}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":"../k1"}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":"k1' or '1'='1"}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":"k1","kid":"k1"}"#,
        r#"{"typ":"JWT","alg":"EdDSA","kid":"k1"}"#,
        r#"{"typ":"at+JWT","alg":"EdDSA","kid":"k1"}"#,
        r#"{"alg":"EdDSA","kid":"k1"}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":"k1","crit":["b64"],"b64":false}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":"k1","jku":"https://evil.example"}"#,
        r#"["at+jwt","EdDSA","k1"]"#,
        "{}",
        "",
    ];
    for header in headers {
        assert_refused(
            &issuer,
            &eddsa(&key, header, &payload().to_string()),
            header,
        )
        .await;
    }
}

#[tokio::test]
async fn a_public_key_used_as_a_shared_secret_signs_nothing() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let key = key("k1", algorithm, start());
        let issuer = issuer(&[key]);
        let jwk = issuer.public_keys().remove(0);
        let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        let public = [
            decode(&jwk.x),
            jwk.y.as_deref().map(decode).unwrap_or_default(),
        ]
        .concat();
        let point = [&[4], public.as_slice()].concat();
        for secret in [public, point, jwk.x.into_bytes()] {
            for alg in ["HS256", jwk.alg] {
                let token = sign(
                    &format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"k1"}}"#),
                    &payload().to_string(),
                    &EncodingKey::from_secret(&secret),
                    jsonwebtoken::Algorithm::HS256,
                );
                assert_refused(&issuer, &token, alg).await;
            }
        }
    }
}

#[tokio::test]
async fn the_key_of_one_id_does_not_sign_for_another() {
    let keys = [
        key("a", Algorithm::EdDsa, start()),
        key("b", Algorithm::Hs256, start()),
    ];
    let issuer = issuer(&keys);
    let header = r#"{"typ":"at+jwt","alg":"EdDSA","kid":"a"}"#;
    let token = sign(
        header,
        &payload().to_string(),
        &encoding_key(&keys[1]),
        jsonwebtoken::Algorithm::HS256,
    );
    assert_refused(&issuer, &token, header).await;
}

/// Per claim, what it must not be.
fn odd_claims() -> Value {
    let now = start().as_secs();
    json!({
        "iss": ["https://evil.example", "", [ISSUER], 1, null],
        "aud": ["other", "", [AUDIENCE], [AUDIENCE, "other"], 1, null],
        "sub": ["1", "", "usr_", payload()["sid"], ["usr_"], 7, null],
        "sid": ["1", "", "ses_", payload()["sub"], ["ses_"], 7, null],
        "exp": [(now + 300).to_string(), [now + 300], 1.5e6, -1, "", null],
        "nbf": [now.to_string(), [now], now as f64, now - 1, now + 31, -1, null],
        "iat": [now.to_string(), [now], now as f64, now - 1, now + 31, true, null],
        "jti": [1, ["a"], null],
    })
}

#[tokio::test]
async fn an_odd_missing_or_repeated_claim_is_refused() {
    let (key, issuer, header) = ours();
    let refused = async |text: String| {
        assert_refused(&issuer, &eddsa(&key, &header, &text), &text).await;
    };
    for (name, values) in odd_claims().as_object().unwrap() {
        for value in values.as_array().unwrap() {
            let mut claims = payload();
            claims[name] = value.clone();
            refused(claims.to_string()).await;
        }
        let mut claims = payload();
        let value = claims.as_object_mut().unwrap().remove(name).unwrap();
        refused(claims.to_string()).await;
        let twice = format!("{{\"{name}\":{value},");
        refused(payload().to_string().replacen('{', &twice, 1)).await;
    }
}

#[tokio::test]
async fn claims_that_are_no_object_are_refused() {
    let (key, issuer, header) = ours();
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let order = ["iss", "sub", "aud", "iat", "nbf", "exp", "jti", "sid"];
    let array = Value::from(order.map(|name| payload()[name].clone()).to_vec()).to_string();
    for text in ["", "{}", "[]", "null", "\"a\"", "{\"exp\":", &deep, &array] {
        assert_refused(&issuer, &eddsa(&key, &header, text), text).await;
    }
}

#[tokio::test]
async fn a_text_of_another_shape_is_refused() {
    let (_, issuer, _) = ours();
    let good = issue(&issuer, start()).await;
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let odd = [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        message.into(),
        format!("{message}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{good}="),
        format!("{good}\0"),
        format!("Bearer {good}"),
        format!("{header}.{claims}\u{e9}.{signature}"),
        format!("{message}.{}", "A".repeat(86)),
        format!("{good}{}", "A".repeat(1 << 20)),
    ];
    for text in odd {
        assert_refused(&issuer, &text, &text.chars().take(60).collect::<String>()).await;
    }
    assert!(accepts(&issuer, &good, start()).await);
}

#[tokio::test]
async fn each_flipped_bit_is_refused() {
    for algorithm in Algorithm::ALL {
        let issuer = issuer(&[key("k1", algorithm, start())]);
        let good = issue(&issuer, start()).await;
        assert!(accepts(&issuer, &good, start()).await);
        for at in 0..good.len() {
            for bit in 0..7 {
                let mut bytes = good.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let token = String::from_utf8(bytes).unwrap();
                assert_refused(&issuer, &token, &format!("{algorithm}: bit {bit} of {at}")).await;
            }
        }
    }
}

#[tokio::test]
async fn the_unused_bits_of_a_last_character_must_be_zero() {
    for algorithm in Algorithm::ALL {
        let issuer = issuer(&[key("k1", algorithm, start())]);
        let good = issue(&issuer, start()).await;
        let ends = [
            good.len(),
            good.rfind('.').unwrap(),
            good.find('.').unwrap(),
        ];
        for end in ends {
            for other in ('!'..='~').filter(|c| !good[..end].ends_with(*c)) {
                let token = format!("{}{other}{}", &good[..end - 1], &good[end..]);
                assert_refused(
                    &issuer,
                    &token,
                    &format!("{algorithm}: {other} before {end}"),
                )
                .await;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_but_the_token_itself_is_refused(
        from in 0_usize..400, len in 0_usize..40, patch in "[A-Za-z0-9_.=-]{0,40}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_, issuer, _) = ours();
            let good = issue(&issuer, start()).await;
            let mut token = good.clone();
            token.replace_range(from..(from + len).min(good.len()), &patch);
            prop_assert_eq!(accepts(&issuer, &token, start()).await, token == good);
            Ok(())
        })?;
    }
}
