use std::fmt;

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::Source;
use crate::id::{SessionId, UserId};
use crate::timestamp::Timestamp;

/// What an access token says. Issuer, audience and token id are the adapter's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessClaims {
    /// Whose it is: `sub`.
    pub user: UserId,
    /// Which session it belongs to: `sid`.
    pub session: SessionId,
    /// `iat` and `nbf`, in whole seconds.
    pub issued_at: Timestamp,
    /// `exp`, in whole seconds.
    pub expires_at: Timestamp,
}

/// A signed access token. Hidden in debug output, zeroized on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// Wraps a signed token.
    pub fn new(token: String) -> Self {
        Self(Zeroizing::new(token))
    }

    /// The token itself, for the person it belongs to and for nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(hidden)")
    }
}

/// A public key in the form of RFC 7517, for services that check tokens themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// Key type: `OKP` or `EC`.
    pub kty: &'static str,
    /// Curve: `Ed25519` or `P-256`.
    pub crv: &'static str,
    /// `EdDSA` or `ES256`.
    pub alg: &'static str,
    /// Names the key, as in a token's header.
    pub kid: String,
    /// The x coordinate, or the whole key; base64url.
    pub x: String,
    /// The y coordinate, where the curve has one; base64url.
    pub y: Option<String>,
}

/// Why a token was not made or not believed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not a token of ours, or not valid now. The caller signs in again.
    #[error("not a valid access token")]
    Rejected,
    /// The keys cannot be used now: an operator has to look.
    #[error("access tokens cannot be handled now")]
    Unavailable(#[source] Source),
}

/// Makes and checks access tokens.
///
/// # Contract
/// - `verify` believes only tokens that carry a key id, algorithm, type, issuer and audience of
///   ours, with every claim of the right kind, and only from `issued_at` to `expires_at`, give or
///   take 30 s.
/// - A token made under a key that was rotated out since is believed until it expires.
/// - `public_keys` holds every key under which a token may still be believed or will soon be
///   made, and no secret; it is empty for symmetric algorithms.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TokenIssuer: Send + Sync {
    /// Signs a token.
    async fn issue(&self, claims: &AccessClaims) -> Result<AccessToken, TokenError>;

    /// Checks a token at `now`. Revocation is the session store's to know.
    async fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenError>;

    /// The keys that check our tokens.
    fn public_keys(&self) -> Vec<Jwk>;
}
