//! An issuer for tests, and tokens made beside it by jsonwebtoken alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use adapter_jwt::{Algorithm, JwtConfig, JwtIssuer, KeySet, SigningKey};
use domain::id::{SessionId, UserId};
use domain::ports::{AccessClaims, Entropy, TokenIssuer};
use domain::timestamp::Timestamp;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://phone-auth.example";
pub(crate) const AUDIENCE: &str = "phone-auth";

/// Different bytes at each call, the same in each run.
#[derive(Default)]
pub(crate) struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let n = self.0.fetch_add(1, Ordering::Relaxed);
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = (n.wrapping_mul(167).wrapping_add(i as u64 * 59) ^ (n >> 8)) as u8;
        }
    }
}

/// Far from the system's clock, which nothing here may ask.
pub(crate) fn start() -> Timestamp {
    Timestamp::from_secs(1_000_000)
}

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn key(id: &str, algorithm: Algorithm, signs_from: Timestamp) -> SigningKey {
    let key = SigningKey::generate(algorithm, signs_from, &Counting::default()).unwrap();
    SigningKey {
        id: id.to_owned(),
        ..key
    }
}

pub(crate) fn issuer(keys: &[SigningKey]) -> JwtIssuer {
    let config = JwtConfig {
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
    };
    JwtIssuer::new(
        config,
        KeySet::new(keys).unwrap(),
        Arc::new(Counting::default()),
    )
}

pub(crate) fn claims_at(now: Timestamp) -> AccessClaims {
    AccessClaims {
        user: UserId::from_bytes([1; 16]),
        session: SessionId::from_bytes([2; 16]),
        issued_at: now,
        expires_at: now + secs(300),
    }
}

pub(crate) async fn issue(issuer: &JwtIssuer, now: Timestamp) -> String {
    issuer
        .issue(&claims_at(now))
        .await
        .unwrap()
        .expose()
        .to_owned()
}

pub(crate) async fn accepts(issuer: &JwtIssuer, token: &str, now: Timestamp) -> bool {
    issuer.verify(token, now).await.is_ok()
}

pub(crate) fn header(alg: &str, kid: &str) -> Value {
    json!({"typ": "at+jwt", "alg": alg, "kid": kid})
}

/// The claims of a good token made at [`start`].
pub(crate) fn payload() -> Value {
    let now = start().as_secs();
    json!({
        "iss": ISSUER, "sub": UserId::from_bytes([1; 16]).to_string(), "aud": AUDIENCE,
        "iat": now, "nbf": now, "exp": now + 300,
        "jti": "some-id", "sid": SessionId::from_bytes([2; 16]).to_string(),
    })
}
