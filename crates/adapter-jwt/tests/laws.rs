//! Every algorithm keeps the port's contract.
#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::sync::Arc;

use adapter_jwt::{Algorithm, JwtConfig, JwtIssuer, KeySet, SigningKey};
use conformance::{sample, token_issuer};
use domain::ports::{Entropy, TokenIssuer};
use domain::timestamp::Timestamp;

struct Random;

impl Entropy for Random {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            [*byte] = sample::bytes();
        }
    }
}

fn key(algorithm: Algorithm, signs_from: u64) -> SigningKey {
    SigningKey::generate(algorithm, Timestamp::from_secs(signs_from), &Random).unwrap()
}

fn issuer(keys: &[SigningKey]) -> JwtIssuer {
    let names = JwtConfig {
        issuer: "https://login.example.com".into(),
        audience: "phone-auth".into(),
    };
    JwtIssuer::new(names, KeySet::new(keys).unwrap(), Arc::new(Random))
}

macro_rules! laws_of {
    ($($name:ident: $algorithm:ident),*) => {$(
        mod $name {
            use super::*;

            async fn open() -> Arc<dyn TokenIssuer> {
                Arc::new(issuer(&[key(Algorithm::$algorithm, 0)]))
            }

            conformance::token_issuer_laws!(open);
        }
    )*};
}

laws_of!(eddsa: EdDsa, es256: Es256, hs256: Hs256);

#[tokio::test]
async fn a_token_outlives_its_key() {
    let (old, new) = (key(Algorithm::EdDsa, 0), key(Algorithm::EdDsa, 100));
    let (before, after) = (issuer(std::slice::from_ref(&old)), issuer(&[old, new]));
    token_issuer::a_token_outlives_its_key(&before, &after).await;
}

#[tokio::test]
async fn a_strangers_token_is_rejected() {
    let (ours, theirs) = (
        issuer(&[key(Algorithm::EdDsa, 0)]),
        issuer(&[key(Algorithm::EdDsa, 0)]),
    );
    token_issuer::a_strangers_token_is_rejected(&ours, &theirs).await;
}
