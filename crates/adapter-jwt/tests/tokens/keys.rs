//! Algorithms, validity, rotation and the published keys.

use std::sync::Arc;

use crate::support::*;
use adapter_jwt::{Algorithm, JwtConfig, JwtIssuer, KeyError, KeySet, LEEWAY, SigningKey};
use data_encoding::BASE64URL_NOPAD;
use domain::ports::TokenIssuer;
use jsonwebtoken::jwk::Jwk as LibraryJwk;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

fn part(token: &str, n: usize) -> Value {
    let part = token.split('.').nth(n).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_reads_back_under_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let issuer = issuer(&[key("k1", algorithm, start())]);
        let token = issue(&issuer, start()).await;
        for _ in 0..2 {
            assert_eq!(
                issuer.verify(&token, start()).await.unwrap(),
                claims_at(start())
            );
        }
    }
}

#[tokio::test]
async fn a_token_has_the_header_and_claims_that_the_contract_names() {
    let issuer = issuer(&[key("k1", Algorithm::EdDsa, start())]);
    let (one, other) = (issue(&issuer, start()).await, issue(&issuer, start()).await);
    assert_eq!(part(&one, 0), header("EdDSA", "k1"));
    let mut expected = payload();
    expected["jti"] = part(&one, 1)["jti"].clone();
    assert_eq!(part(&one, 1), expected);
    assert_eq!(expected["jti"].as_str().unwrap().len(), 22);
    assert_ne!(part(&one, 1)["jti"], part(&other, 1)["jti"]);
}

#[tokio::test]
async fn a_token_is_believed_from_its_start_to_its_end_give_or_take_the_leeway() {
    let issuer = issuer(&[key("k1", Algorithm::EdDsa, start())]);
    let token = issue(&issuer, start()).await;
    let ms = std::time::Duration::from_millis(1);
    let end = start() + secs(300);
    // Twice, for the second time the token is known.
    for _ in 0..2 {
        assert!(!accepts(&issuer, &token, start() - LEEWAY - ms).await);
        assert!(accepts(&issuer, &token, start() - LEEWAY).await);
        assert!(accepts(&issuer, &token, end + LEEWAY - ms).await);
        assert!(!accepts(&issuer, &token, end + LEEWAY).await);
    }
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_the_old_one_verifies_on() {
    let old = key("old", Algorithm::EdDsa, start());
    let new = key("new", Algorithm::Es256, start() + secs(600));
    let issuer = issuer(std::slice::from_ref(&old));
    let before = issue(&issuer, start()).await;
    issuer.replace_keys(KeySet::new(&[new.clone(), old.clone()]).unwrap());

    let published: Vec<_> = issuer
        .public_keys()
        .into_iter()
        .map(|jwk| jwk.kid)
        .collect();
    assert_eq!(published, ["old", "new"]);
    let early = issue(&issuer, start() + secs(599)).await;
    assert_eq!(part(&early, 0), header("EdDSA", "old"));
    let late = issue(&issuer, start() + secs(600)).await;
    assert_eq!(part(&late, 0), header("ES256", "new"));
    assert!(accepts(&issuer, &before, start() + secs(100)).await);
    for token in [&early, &late] {
        assert!(accepts(&issuer, token, start() + secs(700)).await);
    }

    issuer.replace_keys(KeySet::new(&[new]).unwrap());
    assert!(
        !accepts(&issuer, &early, start() + secs(700)).await,
        "its key was removed"
    );
    assert!(accepts(&issuer, &late, start() + secs(700)).await);
}

#[tokio::test]
async fn a_key_is_retired_only_when_its_last_token_is_over() {
    let old = key("old", Algorithm::EdDsa, start());
    let new = key("new", Algorithm::EdDsa, start() + secs(600));
    let next = key("next", Algorithm::EdDsa, start() + secs(99_999));
    let keys = [next, old.clone(), new.clone()];
    let set = KeySet::new(&keys).unwrap();
    let over = start() + secs(600 + 300) + LEEWAY;
    let ms = std::time::Duration::from_millis(1);
    assert!(set.retired(over - ms, secs(300)).is_empty());
    assert_eq!(set.retired(over, secs(300)), ["old"]);

    let issuer = issuer(&keys);
    let last = issue(&issuer, start() + secs(600) - ms).await;
    assert_eq!(part(&last, 0)["kid"], "old");
    assert!(!accepts(&issuer, &last, over).await);
}

#[test]
fn before_any_key_has_its_moment_the_first_one_signs() {
    let set = KeySet::new(&[
        key("b", Algorithm::EdDsa, start() + secs(1)),
        key("a", Algorithm::EdDsa, start()),
    ])
    .unwrap();
    assert_eq!(set.signs_at(start() - secs(5)), "a");
    assert_eq!(set.signs_at(start()), "a");
    assert_eq!(set.signs_at(start() + secs(1)), "b");
}

#[test]
fn processes_that_made_keys_at_one_moment_agree_which_signs() {
    let (a, b) = (
        key("a", Algorithm::EdDsa, start()),
        key("b", Algorithm::Es256, start()),
    );
    let one = KeySet::new(&[a.clone(), b.clone()]).unwrap();
    let other = KeySet::new(&[b, a]).unwrap();
    assert_eq!(one.signs_at(start()), other.signs_at(start()));
}

#[tokio::test]
async fn another_service_can_check_a_token_by_the_published_key_alone() {
    for (algorithm, library) in [
        (Algorithm::EdDsa, jsonwebtoken::Algorithm::EdDSA),
        (Algorithm::Es256, jsonwebtoken::Algorithm::ES256),
    ] {
        let issuer = issuer(&[key("k1", algorithm, start())]);
        let token = issue(&issuer, start()).await;
        let jwk = issuer.public_keys().remove(0);
        let mut published = json!({
            "kty": jwk.kty, "crv": jwk.crv, "alg": jwk.alg, "kid": jwk.kid, "x": jwk.x,
        });
        if let Some(y) = jwk.y {
            published["y"] = json!(y);
        }
        let parsed: LibraryJwk = serde_json::from_value(published).unwrap();
        let mut rules = Validation::new(library);
        rules.set_audience(&[AUDIENCE]);
        rules.validate_exp = false;
        let key = DecodingKey::from_jwk(&parsed).unwrap();
        let said = jsonwebtoken::decode::<Value>(&token, &key, &rules).unwrap();
        assert_eq!(said.claims["sub"], payload()["sub"]);
        assert_eq!(said.header.kid.as_deref(), Some("k1"));
    }
    assert!(
        issuer(&[key("k1", Algorithm::Hs256, start())])
            .public_keys()
            .is_empty()
    );
}

#[tokio::test]
async fn the_longest_issuer_audience_and_key_id_make_a_token_that_is_read() {
    let config = JwtConfig {
        issuer: "\u{1d7db}".repeat(255),
        audience: "\u{1d7db}".repeat(255),
    };
    let keys = KeySet::new(&[key(&"k".repeat(64), Algorithm::Es256, start())]).unwrap();
    let issuer = JwtIssuer::new(config, keys, Arc::new(Counting::default()));
    let token = issue(&issuer, start()).await;
    assert!(
        accepts(&issuer, &token, start()).await,
        "{} bytes",
        token.len()
    );
}

#[test]
fn keys_that_cannot_be_used_say_what_to_do() {
    let good = key("k1", Algorithm::EdDsa, start());
    let with = |id: &str, algorithm, secret: &[u8]| SigningKey {
        id: id.into(),
        algorithm,
        secret: secret.to_vec().into(),
        signs_from: start(),
    };
    let fault = |keys: &[SigningKey]| KeySet::new(keys).unwrap_err();
    assert_eq!(fault(&[]), KeyError::Missing);
    assert_eq!(
        fault(&[good.clone(), good.clone()]),
        KeyError::Repeated("k1".into())
    );
    for id in ["", "a b", "k\"", "é", &"k".repeat(65)] {
        assert_eq!(
            fault(&[with(id, good.algorithm, &good.secret)]),
            KeyError::BadId(id.into())
        );
    }
    for (algorithm, secret) in [
        (Algorithm::EdDsa, vec![]),
        (Algorithm::EdDsa, vec![7; 48]),
        (Algorithm::Es256, good.secret.to_vec()),
        (Algorithm::Hs256, vec![7; 31]),
    ] {
        let expected = KeyError::BadSecret {
            id: "k1".into(),
            algorithm,
        };
        assert_eq!(fault(&[with("k1", algorithm, &secret)]), expected);
    }
    assert_eq!(
        fault(&[with("k1", Algorithm::Hs256, &[7; 31])]).to_string(),
        "signing key k1 cannot sign with HS256: its secret must be at least 32 random bytes"
    );
}

#[test]
fn algorithms_are_known_by_their_exact_names() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::from_name(algorithm.as_str()), Some(algorithm));
    }
    for name in ["none", "eddsa", "RS256", ""] {
        assert_eq!(Algorithm::from_name(name), None);
    }
}

#[test]
fn debug_output_shows_no_secret() {
    for algorithm in Algorithm::ALL {
        let key = key("k1", algorithm, start());
        let secret = format!("{:?}", &key.secret[key.secret.len() - 8..]);
        let shown = format!("{key:?} {:?}", issuer(std::slice::from_ref(&key)));
        assert!(shown.contains("k1"));
        assert!(!shown.contains(secret.trim_matches(['[', ']'])), "{shown}");
    }
}
