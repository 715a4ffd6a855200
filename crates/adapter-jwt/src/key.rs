use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use data_encoding::HEXLOWER;
use domain::ports::Entropy;
use domain::timestamp::Timestamp;
use zeroize::Zeroizing;

/// Shortest secret of an HS256 key, in bytes (RFC 7518 §3.2: at least the size of the hash).
pub const MIN_HS256_SECRET: usize = 32;

/// Longest key id, in characters.
const MAX_ID: usize = 64;

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    #[default]
    EdDsa,
    /// ECDSA over P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
    /// HMAC with SHA-256 (RFC 7518 §3.2): whoever can check a token can make one.
    Hs256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::EdDsa, Self::Es256, Self::Hs256];

    /// `EdDSA`, `ES256` or `HS256`: the name in tokens, JWKS and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Hs256 => "HS256",
        }
    }

    /// The algorithm of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
    }

    const fn secret_form(self) -> &'static str {
        match self {
            Self::EdDsa => "a PKCS#8 DER private key of Ed25519",
            Self::Es256 => "a PKCS#8 DER private key of P-256",
            Self::Hs256 => "at least 32 random bytes",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a key, or a set of them, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A set without keys.
    #[error("there is no signing key: generate one")]
    Missing,
    /// Two keys of a set have one id.
    #[error("two signing keys have the id {0}: give each its own")]
    Repeated(String),
    /// The id would not survive the ways of a token.
    #[error("a signing key has the id {0:?}: use 1 to 64 letters, digits, '-' or '_'")]
    BadId(String),
    /// The secret is not one of its algorithm.
    #[error("signing key {id} cannot sign with {algorithm}: its secret must be {}", algorithm.secret_form())]
    BadSecret {
        /// Which key.
        id: String,
        /// What it should do.
        algorithm: Algorithm,
    },
    /// The crypto library made no key.
    #[error("no {0} key could be generated: check the system's random source")]
    NotGenerated(Algorithm),
}

/// A key that signs, in the form in which it is stored. Its secret is hidden in debug output and
/// zeroized on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Names the key in token headers (`kid`): 1 to 64 letters, digits, `-` or `_`.
    pub id: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// New tokens are made under it from this moment on, until the next key's moment has come.
    pub signs_from: Timestamp,
    /// PKCS#8 DER for EdDSA and ES256, 32 random bytes or more for HS256.
    pub secret: Zeroizing<Vec<u8>>,
}

impl SigningKey {
    /// A new key under a random id.
    ///
    /// # Errors
    /// [`KeyError::NotGenerated`]
    pub fn generate(
        algorithm: Algorithm,
        signs_from: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeyError> {
        let mut id = [0; 8];
        entropy.fill(&mut id);
        let secret = new_secret(algorithm, entropy).ok_or(KeyError::NotGenerated(algorithm))?;
        Ok(Self {
            id: HEXLOWER.encode(&id),
            algorithm,
            signs_from,
            secret,
        })
    }

    pub(crate) fn check_id(&self) -> Result<(), KeyError> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let plain = (1..=MAX_ID).contains(&self.id.len()) && self.id.bytes().all(is_plain);
        if plain {
            Ok(())
        } else {
            Err(KeyError::BadId(self.id.clone()))
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .field("signs_from", &self.signs_from)
            .finish_non_exhaustive()
    }
}

fn new_secret(algorithm: Algorithm, entropy: &dyn Entropy) -> Option<Zeroizing<Vec<u8>>> {
    let mut seed = Zeroizing::new(vec![0; MIN_HS256_SECRET]);
    entropy.fill(&mut seed);
    let document = match algorithm {
        Algorithm::Hs256 => return Some(seed),
        Algorithm::EdDsa => Ed25519KeyPair::from_seed_unchecked(&seed).ok()?.to_pkcs8(),
        // Not every 32 bytes are a P-256 key, so the library draws them, from the system.
        Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .and_then(|pair| pair.to_pkcs8v1()),
    };
    Some(Zeroizing::new(document.ok()?.as_ref().to_vec()))
}

/// A secret made ready once. Parsing PKCS#8 costs as much as a signature, for it derives the
/// public half again. AWS-LC cleanses the memory of all three when they are dropped.
pub(crate) enum Signer {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Hmac(Box<hmac::Key>),
}

impl Signer {
    pub(crate) fn parse(algorithm: Algorithm, secret: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(secret).ok().map(Self::Ed),
            Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, secret)
                .ok()
                .map(Self::Ec),
            Algorithm::Hs256 => (secret.len() >= MIN_HS256_SECRET)
                .then(|| Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        Ok(match self {
            Self::Ed(pair) => pair.try_sign(message)?.as_ref().to_vec(),
            Self::Ec(pair) => pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec(),
            Self::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
        })
    }

    /// The public half as the algorithm writes it: 32 bytes, or an uncompressed point of 65.
    pub(crate) fn public(&self) -> Option<&[u8]> {
        match self {
            Self::Ed(pair) => Some(pair.public_key().as_ref()),
            Self::Ec(pair) => Some(pair.public_key().as_ref()),
            Self::Hmac(_) => None,
        }
    }
}
