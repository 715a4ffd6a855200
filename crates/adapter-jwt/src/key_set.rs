use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use domain::ports::Jwk;
use domain::timestamp::Timestamp;
use jsonwebtoken::DecodingKey;

use crate::LEEWAY;
use crate::key::{Algorithm, KeyError, Signer, SigningKey};

/// Keys that were made ready: one signs, all verify, all public halves are published.
///
/// The newest key whose `signs_from` has come signs. A key added with a later `signs_from` is
/// published at once and signs later, so that other services have fetched it by then; the key
/// before it verifies on until it is [`retired`](Self::retired) and left out of a set.
pub struct KeySet {
    /// Oldest first by `signs_from`, then by id, so that every process picks the same one.
    keys: Vec<Key>,
}

pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) algorithm: jsonwebtoken::Algorithm,
    /// The first part of every token made under this key.
    pub(crate) header: String,
    pub(crate) signer: Signer,
    pub(crate) verifier: DecodingKey,
    signs_from: Timestamp,
    jwk: Option<Jwk>,
}

impl KeySet {
    /// Makes keys ready, in any order.
    ///
    /// # Errors
    /// [`KeyError`] if there is none, two have one id, or one of them cannot be used.
    pub fn new(keys: &[SigningKey]) -> Result<Self, KeyError> {
        let mut keys: Vec<_> = keys.iter().map(Key::load).collect::<Result<_, _>>()?;
        keys.sort_by(|a, b| (a.signs_from, &a.id).cmp(&(b.signs_from, &b.id)));
        for (i, key) in keys.iter().enumerate() {
            if keys[..i].iter().any(|other| other.id == key.id) {
                return Err(KeyError::Repeated(key.id.clone()));
            }
        }
        if keys.is_empty() {
            Err(KeyError::Missing)
        } else {
            Ok(Self { keys })
        }
    }

    /// The id of the key that signs at `now`.
    pub fn signs_at(&self, now: Timestamp) -> &str {
        &self.signer(now).id
    }

    /// The ids of the keys that may be deleted: at `now` no token made under them is believed any
    /// more, if none was made to live longer than `longest`.
    pub fn retired(&self, now: Timestamp, longest: Duration) -> Vec<&str> {
        self.keys
            .windows(2)
            .filter(|pair| pair[1].signs_from + longest + LEEWAY <= now)
            .map(|pair| pair[0].id.as_str())
            .collect()
    }

    /// The public halves; symmetric keys have none.
    pub fn public_keys(&self) -> Vec<Jwk> {
        self.keys.iter().filter_map(|key| key.jwk.clone()).collect()
    }

    /// Before the first key's moment the first key signs: a clock that is a little behind must
    /// not stop sign-ins.
    pub(crate) fn signer(&self, now: Timestamp) -> &Key {
        let started = self.keys.partition_point(|key| key.signs_from <= now);
        &self.keys[started.saturating_sub(1)]
    }

    pub(crate) fn by_header(&self, header: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.header == header)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.keys.iter().map(|key| &key.id);
        f.write_str("KeySet")?;
        f.debug_list().entries(ids).finish()
    }
}

impl Key {
    fn load(key: &SigningKey) -> Result<Self, KeyError> {
        key.check_id()?;
        let signer =
            Signer::parse(key.algorithm, &key.secret).ok_or_else(|| KeyError::BadSecret {
                id: key.id.clone(),
                algorithm: key.algorithm,
            })?;
        let public = signer.public().unwrap_or_default();
        let (algorithm, verifier) = match key.algorithm {
            Algorithm::EdDsa => (
                jsonwebtoken::Algorithm::EdDSA,
                DecodingKey::from_ed_der(public),
            ),
            Algorithm::Es256 => (
                jsonwebtoken::Algorithm::ES256,
                DecodingKey::from_ec_der(public),
            ),
            Algorithm::Hs256 => (
                jsonwebtoken::Algorithm::HS256,
                DecodingKey::from_secret(&key.secret),
            ),
        };
        let header = format!(
            r#"{{"typ":"at+jwt","alg":"{}","kid":"{}"}}"#,
            key.algorithm, key.id
        );
        Ok(Self {
            id: key.id.clone(),
            algorithm,
            header: BASE64URL_NOPAD.encode(header.as_bytes()),
            jwk: jwk(&key.id, public),
            signer,
            verifier,
            signs_from: key.signs_from,
        })
    }
}

/// RFC 8037 §2 for 32 bytes, RFC 7518 §6.2.1 for an uncompressed point: 4, x, y.
fn jwk(id: &str, public: &[u8]) -> Option<Jwk> {
    let (kty, crv, alg, x, y) = match public.len() {
        32 => ("OKP", "Ed25519", Algorithm::EdDsa, public, None),
        65 => (
            "EC",
            "P-256",
            Algorithm::Es256,
            &public[1..33],
            Some(&public[33..]),
        ),
        _ => return None,
    };
    Some(Jwk {
        kty,
        crv,
        alg: alg.as_str(),
        kid: id.to_owned(),
        x: BASE64URL_NOPAD.encode(x),
        y: y.map(|y| BASE64URL_NOPAD.encode(y)),
    })
}
