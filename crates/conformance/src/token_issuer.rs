//! The laws of [`TokenIssuer`].

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use domain::ports::{AccessClaims, TokenError, TokenIssuer};
use domain::timestamp::Timestamp;

use crate::race::race;
use crate::sample::{self, NOW};
use crate::{Broken, Spawn};

/// Checks every law, one after another.
///
/// # Errors
/// [`Broken`] names the first law that does not hold.
pub async fn all(issuer: Arc<dyn TokenIssuer>, spawn: Spawn) -> Result<(), Broken> {
    crate::token_issuer_laws!([crate::law::check_laws] token_issuer, issuer, spawn)
}

/// Makes a test of every law of `TokenIssuer`, in a module `token_issuer_laws`.
///
/// It takes the name of an async function that makes an issuer: `async fn open() ->
/// Arc<dyn TokenIssuer>`. The tests run on tokio.
#[macro_export]
macro_rules! token_issuer_laws {
    ([$($with:tt)*] $($args:tt)*) => {
        $($with)*! { $($args)*,
            laws: [
                a_token_tells_what_it_was_issued_for,
                a_token_is_believed_from_its_issue_to_its_expiry,
                a_token_with_any_character_changed_is_rejected,
                a_token_cut_short_or_drawn_out_is_rejected,
                a_token_without_a_signature_is_rejected,
                what_is_no_token_is_rejected,
                a_token_names_a_key_that_is_public,
                public_keys_are_well_formed,
            ],
            races: [tokens_issued_at_once_are_each_their_own,]
        }
    };
    ($open:expr) => {
        $crate::token_issuer_laws!([$crate::test_laws] token_issuer, token_issuer_laws, $open);
    };
}

async fn issue(issuer: &dyn TokenIssuer, claims: &AccessClaims) -> String {
    issuer.issue(claims).await.unwrap().expose().to_owned()
}

async fn assert_rejected(issuer: &dyn TokenIssuer, token: &str, now: Timestamp) {
    let answer = issuer.verify(token, now).await;
    assert!(
        matches!(answer, Err(TokenError::Rejected)),
        "{answer:?} for {token:?} at {now}"
    );
}

/// `verify` reads back the claims that were signed.
pub async fn a_token_tells_what_it_was_issued_for(issuer: &dyn TokenIssuer) {
    let claims = sample::access_claims();
    let token = issue(issuer, &claims).await;
    assert_eq!(issuer.verify(&token, NOW).await.unwrap(), claims);
}

/// Believed from `issued_at` up to `expires_at`; rejected more than 30 s outside of that.
pub async fn a_token_is_believed_from_its_issue_to_its_expiry(issuer: &dyn TokenIssuer) {
    let claims = sample::access_claims();
    let token = issue(issuer, &claims).await;
    let (second, leeway) = (Duration::from_secs(1), Duration::from_secs(31));
    for now in [claims.issued_at, claims.expires_at - second] {
        assert_eq!(issuer.verify(&token, now).await.unwrap(), claims);
    }
    assert_rejected(issuer, &token, claims.issued_at - leeway).await;
    assert_rejected(issuer, &token, claims.expires_at + leeway).await;
    assert_rejected(issuer, &token, Timestamp::default()).await;
}

/// No part of a token can be exchanged, not even the bits that Base64 does not use.
pub async fn a_token_with_any_character_changed_is_rejected(issuer: &dyn TokenIssuer) {
    let token = issue(issuer, &sample::access_claims()).await;
    for at in 0..token.len() {
        for other in ["A", "B", "_", ".", "=", "\u{e9}"] {
            if token[at..=at] != *other {
                let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                assert_rejected(issuer, &changed, NOW).await;
            }
        }
    }
}

/// A token is taken whole or not at all.
pub async fn a_token_cut_short_or_drawn_out_is_rejected(issuer: &dyn TokenIssuer) {
    let token = issue(issuer, &sample::access_claims()).await;
    for end in 0..token.len() {
        assert_rejected(issuer, &token[..end], NOW).await;
    }
    for tail in [".", "A", "=", "==", " ", "\n", "\0", ".A", ".."] {
        assert_rejected(issuer, &format!("{token}{tail}"), NOW).await;
        assert_rejected(issuer, &format!("{tail}{token}"), NOW).await;
    }
}

/// The algorithm `none` of RFC 7518 §3.6 signs nothing, whatever its spelling.
pub async fn a_token_without_a_signature_is_rejected(issuer: &dyn TokenIssuer) {
    let token = issue(issuer, &sample::access_claims()).await;
    let parts: Vec<&str> = token.split('.').collect();
    let header = String::from_utf8(BASE64URL_NOPAD.decode(parts[0].as_bytes()).unwrap()).unwrap();
    for name in ["none", "None", "NONE", ""] {
        let unsigned = header.replace(algorithm(&header), name);
        let unsigned = BASE64URL_NOPAD.encode(unsigned.as_bytes());
        for signature in ["", parts[2]] {
            assert_rejected(issuer, &format!("{unsigned}.{}.{signature}", parts[1]), NOW).await;
        }
    }
}

fn algorithm(header: &str) -> &str {
    text_of(header, "alg")
}

/// The text under a name in a flat JSON object that has it.
fn text_of<'a>(json: &'a str, name: &str) -> &'a str {
    let (_, rest) = json
        .split_once(&format!("\"{name}\":\""))
        .expect("the header names it");
    rest.split('"').next().unwrap_or_default()
}

/// Anything else is no token, and no reason to fail.
pub async fn what_is_no_token_is_rejected(issuer: &dyn TokenIssuer) {
    let long = "A".repeat(1 << 16);
    for text in [
        "", " ", ".", "..", "...", "a.b.c", "null", "{}", "\0", "é.é.é", "Bearer", &long,
    ] {
        assert_rejected(issuer, text, NOW).await;
    }
}

/// Where keys are public, the token's header names one of them and its algorithm.
pub async fn a_token_names_a_key_that_is_public(issuer: &dyn TokenIssuer) {
    let token = issue(issuer, &sample::access_claims()).await;
    let header = BASE64URL_NOPAD.decode(token.split('.').next().unwrap_or_default().as_bytes());
    let header = String::from_utf8(header.unwrap()).unwrap();
    let (keys, kid) = (issuer.public_keys(), text_of(&header, "kid"));
    let named = keys.iter().find(|key| key.kid == kid);
    assert!(
        keys.is_empty() || named.is_some_and(|key| key.alg == algorithm(&header)),
        "{header}"
    );
}

/// Each public key has a name of its own and coordinates of its curve: 32 bytes, in Base64url.
pub async fn public_keys_are_well_formed(issuer: &dyn TokenIssuer) {
    let keys = issuer.public_keys();
    for (i, key) in keys.iter().enumerate() {
        assert!(!key.kid.is_empty());
        assert!(
            keys[..i].iter().all(|other| other.kid != key.kid),
            "two keys are {}",
            key.kid
        );
        let coordinates = [Some(&key.x), key.y.as_ref()];
        for coordinate in coordinates.into_iter().flatten() {
            let bytes = BASE64URL_NOPAD.decode(coordinate.as_bytes());
            assert_eq!(bytes.unwrap().len(), 32, "{key:?}");
        }
    }
}

/// A token made under a key that has been rotated out since is believed until it expires, and
/// both issuers name the key that made it. `before` and `after` are one issuer, before and after
/// the rotation.
pub async fn a_token_outlives_its_key(before: &dyn TokenIssuer, after: &dyn TokenIssuer) {
    let claims = sample::access_claims();
    let token = issue(before, &claims).await;
    assert_eq!(after.verify(&token, NOW).await.unwrap(), claims);
    assert_rejected(after, &token, claims.expires_at + Duration::from_secs(31)).await;
    let kids = |issuer: &dyn TokenIssuer| -> Vec<String> {
        issuer
            .public_keys()
            .into_iter()
            .map(|key| key.kid)
            .collect()
    };
    let kept = kids(after);
    assert!(
        kids(before).iter().all(|kid| kept.contains(kid)),
        "a key was withdrawn too early"
    );
}

/// A token of an issuer with other keys, another name or another audience is not ours.
pub async fn a_strangers_token_is_rejected(ours: &dyn TokenIssuer, stranger: &dyn TokenIssuer) {
    let token = issue(stranger, &sample::access_claims()).await;
    assert_rejected(ours, &token, NOW).await;
}

/// Tokens signed in parallel do not get each other's claims.
pub async fn tokens_issued_at_once_are_each_their_own(issuer: Arc<dyn TokenIssuer>, spawn: Spawn) {
    let rounds = race(spawn, move |_, _| {
        let (issuer, claims) = (issuer.clone(), sample::access_claims());
        async move {
            let token = issue(&*issuer, &claims).await;
            assert_eq!(issuer.verify(&token, NOW).await.unwrap(), claims);
        }
    });
    rounds.await;
}
