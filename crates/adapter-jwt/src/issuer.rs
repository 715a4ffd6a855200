use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::BASE64URL_NOPAD;
use domain::ports::{AccessClaims, AccessToken, Entropy, Jwk, TokenError, TokenIssuer};
use domain::timestamp::Timestamp;
use jsonwebtoken::Validation;
use jsonwebtoken::crypto::aws_lc;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::key_set::{Key, KeySet};
use crate::verified::{VerifiedTokens, digest_of};
use crate::{LEEWAY, MAX_TOKEN};

/// 64 bytes in base64url.
const MAX_SIGNATURE: usize = 86;

/// Who makes the tokens, and for whom.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// `iss`: a URL of at most 255 characters.
    pub issuer: String,
    /// `aud`: at most 255 characters.
    pub audience: String,
}

/// Makes and checks access tokens in the form of RFC 9068.
pub struct JwtIssuer {
    config: JwtConfig,
    entropy: Arc<dyn Entropy>,
    current: RwLock<Arc<Keys>>,
}

/// What was verified belongs to the keys it was verified under: replacing the keys forgets it,
/// and a check still running under the old ones cannot leave its result with the new ones.
struct Keys {
    set: KeySet,
    verified: VerifiedTokens,
}

/// Every claim of our tokens. Each must be there, and of this type: a string `exp` or a list of
/// audiences does not deserialize.
#[derive(Serialize, Deserialize)]
struct Claims<'a> {
    iss: Cow<'a, str>,
    sub: Cow<'a, str>,
    aud: Cow<'a, str>,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: Cow<'a, str>,
    sid: Cow<'a, str>,
}

impl JwtIssuer {
    /// An issuer that signs and verifies with these keys. `entropy` gives the token ids.
    pub fn new(config: JwtConfig, keys: KeySet, entropy: Arc<dyn Entropy>) -> Self {
        // Without a process-wide choice jsonwebtoken panics as soon as some other crate of the
        // binary turns its second backend on. An error means that the choice was made before.
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
        Self {
            config,
            entropy,
            current: RwLock::new(Keys::new(keys)),
        }
    }

    /// Signs and verifies with these keys from now on. A token made under a key that is not among
    /// them is refused at once.
    pub fn replace_keys(&self, keys: KeySet) {
        *self.current.write() = Keys::new(keys);
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.current.read())
    }

    fn payload(&self, claims: &AccessClaims) -> Result<Vec<u8>, serde_json::Error> {
        let mut jti = [0; 16];
        self.entropy.fill(&mut jti);
        let issued_at = claims.issued_at.as_secs();
        serde_json::to_vec(&Claims {
            iss: Cow::Borrowed(&self.config.issuer),
            sub: claims.user.to_string().into(),
            aud: Cow::Borrowed(&self.config.audience),
            iat: issued_at,
            nbf: issued_at,
            exp: claims.expires_at.as_secs(),
            jti: BASE64URL_NOPAD.encode(&jti).into(),
            sid: claims.session.to_string().into(),
        })
    }

    /// What a token of ours says, whenever that is valid.
    fn read(&self, keys: &KeySet, token: &str) -> Option<AccessClaims> {
        let (header, _) = token.split_once('.')?;
        let key = keys.by_header(header)?;
        let said = jsonwebtoken::decode::<Claims<'static>>(token, &key.verifier, &self.rules(key));
        let said = said.ok()?.claims;
        // We write the two alike, so the port has one moment for both.
        (said.nbf == said.iat).then_some(())?;
        Some(AccessClaims {
            user: said.sub.parse().ok()?,
            session: said.sid.parse().ok()?,
            issued_at: Timestamp::from_secs(said.iat),
            expires_at: Timestamp::from_secs(said.exp),
        })
    }

    fn rules(&self, key: &Key) -> Validation {
        let mut rules = Validation::new(key.algorithm);
        rules.set_issuer(&[&self.config.issuer]);
        rules.set_audience(&[&self.config.audience]);
        rules.set_required_spec_claims(&["iss", "sub", "aud", "nbf", "exp"]);
        // It would ask the system's clock: time is judged by `is_valid_at` instead.
        rules.validate_exp = false;
        rules
    }
}

fn is_valid_at(claims: &AccessClaims, now: Timestamp) -> bool {
    claims.issued_at <= now + LEEWAY && now < claims.expires_at + LEEWAY
}

impl Keys {
    fn new(set: KeySet) -> Arc<Self> {
        Arc::new(Self {
            set,
            verified: VerifiedTokens::default(),
        })
    }
}

#[async_trait]
impl TokenIssuer for JwtIssuer {
    async fn issue(&self, claims: &AccessClaims) -> Result<AccessToken, TokenError> {
        let unavailable = |source: domain::ports::Source| TokenError::Unavailable(source);
        let keys = self.keys();
        let key = keys.set.signer(claims.issued_at);
        let payload = self.payload(claims).map_err(|e| unavailable(e.into()))?;
        // Room for all of it, so that growing leaves no copies of the token behind.
        let room = key.header.len() + BASE64URL_NOPAD.encode_len(payload.len()) + MAX_SIGNATURE + 2;
        let mut token = String::with_capacity(room);
        token.push_str(&key.header);
        token.push('.');
        BASE64URL_NOPAD.encode_append(&payload, &mut token);
        let signature = key
            .signer
            .sign(token.as_bytes())
            .map_err(|e| unavailable(e.into()))?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(&signature, &mut token);
        Ok(AccessToken::new(token))
    }

    async fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Rejected);
        }
        let keys = self.keys();
        let digest = digest_of(token);
        let known = keys.verified.get(&digest);
        let claims = known
            .or_else(|| self.read(&keys.set, token))
            .filter(|claims| is_valid_at(claims, now))
            .ok_or(TokenError::Rejected)?;
        if known.is_none() {
            keys.verified.insert(digest, claims);
        }
        Ok(claims)
    }

    fn public_keys(&self) -> Vec<Jwk> {
        self.keys().set.public_keys()
    }
}

impl fmt::Debug for JwtIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtIssuer")
            .field("config", &self.config)
            .field("keys", &self.keys().set)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::id::{SessionId, UserId};
    use domain::ports::MockEntropy;

    use super::*;
    use crate::{Algorithm, SigningKey};

    #[tokio::test]
    async fn only_a_token_found_valid_is_remembered() {
        let mut entropy = MockEntropy::new();
        entropy.expect_fill().returning(|bytes| bytes.fill(7));
        let now = Timestamp::from_secs(1_000_000);
        let key = SigningKey::generate(Algorithm::EdDsa, now, &entropy).unwrap();
        let config = JwtConfig {
            issuer: "https://a.example".into(),
            audience: "b".into(),
        };
        let issuer = JwtIssuer::new(config, KeySet::new(&[key]).unwrap(), Arc::new(entropy));
        let claims = AccessClaims {
            user: UserId::from_bytes([1; 16]),
            session: SessionId::from_bytes([2; 16]),
            issued_at: now,
            expires_at: now + Duration::from_secs(300),
        };
        let token = issuer.issue(&claims).await.unwrap();
        let digest = digest_of(token.expose());

        issuer
            .verify(token.expose(), now + Duration::from_secs(3600))
            .await
            .unwrap_err();
        assert_eq!(issuer.keys().verified.get(&digest), None);
        issuer.verify(token.expose(), now).await.unwrap();
        assert_eq!(issuer.keys().verified.get(&digest), Some(claims));
        let again =
            KeySet::new(&[SigningKey::generate(Algorithm::Hs256, now, &*issuer.entropy).unwrap()]);
        issuer.replace_keys(again.unwrap());
        assert_eq!(issuer.keys().verified.get(&digest), None);
    }
}
