//! The keys of an installation: those that seal phones and derive codes, and those that sign
//! access tokens.
//!
//! ```toml
//! [[keys]]
//! purpose = "data"                     # seals phones, derives codes
//! id = "1"
//! created_at = "2026-01-02T03:04:05Z"
//! active_from = "2026-01-02T03:04:05Z"
//! secret = "at least 32 random bytes, base64"
//!
//! [[keys]]
//! purpose = "token"                    # signs access tokens
//! id = "9f0c2b7e51d3a846"              # `kid` in tokens
//! algorithm = "EdDSA"                  # or ES256, HS256
//! created_at = "2026-01-02T03:04:05Z"
//! active_from = "2026-01-02T03:04:05Z"
//! secret = "PKCS#8, or at least 32 random bytes for HS256, base64"
//! ```
//!
//! A new key is in the ring before it is used: `active_from` names the moment, so every process
//! that reads the ring changes over at the same time, and whoever caches the public keys has it by
//! then.

mod file;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::time::Duration;

use adapter_jwt::{Algorithm, KeyError, KeySet, SigningKey};
use domain::ports::Entropy;
use domain::timestamp::Timestamp;
use domain::vault::{KeyId, MIN_SECRET_LEN, Vault, VaultError};
use zeroize::Zeroizing;

pub use self::file::{RingError, open, rotate};

/// No access token lives longer: the short contract's are the longest.
const LONGEST_TOKEN: Duration = Duration::from_secs(24 * 3600);

/// A random secret of 32 bytes has about 30 different ones; one below this was typed by hand.
const FEWEST_DISTINCT_BYTES: usize = 12;

/// Every key of an installation. Secrets are hidden in its debug output and zeroized on drop.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyRing {
    /// By id.
    data: Vec<DataKey>,
    /// By the moment they sign from, then by id.
    token: Vec<TokenKey>,
}

#[derive(Clone, PartialEq, Eq)]
struct DataKey {
    id: KeyId,
    created_at: Timestamp,
    active_from: Timestamp,
    secret: Zeroizing<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq)]
struct TokenKey {
    created_at: Timestamp,
    key: SigningKey,
}

/// What a new key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To seal phones and derive codes.
    Data,
    /// To sign access tokens.
    Token(Algorithm),
}

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// `data`, or the algorithm of a token key.
    pub purpose: &'static str,
    /// Its id.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is used for new things.
    pub active_from: Timestamp,
    /// Whether new things are made with it now.
    pub current: bool,
}

impl KeyRing {
    /// What seals phones and derives codes at `now`.
    ///
    /// # Errors
    /// A [`VaultError`] if there is no data key.
    pub fn vault(&self, now: Timestamp) -> Result<Vault, VaultError> {
        let current = self.current_data(now).ok_or(VaultError::NoCurrentKey)?;
        let keys: Vec<_> = self
            .data
            .iter()
            .map(|key| (key.id, key.secret.as_slice()))
            .collect();
        Vault::new(&keys, current)
    }

    /// What signs and checks access tokens, now and after every `active_from`.
    ///
    /// # Errors
    /// A [`KeyError`] if there is no token key.
    pub fn key_set(&self) -> Result<KeySet, KeyError> {
        let keys: Vec<_> = self.token.iter().map(|token| token.key.clone()).collect();
        KeySet::new(&keys)
    }

    /// The latest whose moment has come; before the first one's moment, that one: a clock that is
    /// a little behind must not stop sign-ins.
    fn current_data(&self, now: Timestamp) -> Option<KeyId> {
        let started = self.data.iter().filter(|key| key.active_from <= now);
        let latest = started.max_by_key(|key| (key.active_from, key.id));
        latest.or(self.data.first()).map(|key| key.id)
    }

    /// Every key without its secret, in the order of the ring.
    pub fn list(&self, now: Timestamp) -> Vec<KeyInfo> {
        let set = self.key_set().ok();
        let signing = set.as_ref().map(|set| set.signs_at(now));
        let current = self.current_data(now);
        let data = self.data.iter().map(|key| KeyInfo {
            purpose: "data",
            id: key.id.to_string(),
            created_at: key.created_at,
            active_from: key.active_from,
            current: Some(key.id) == current,
        });
        let token = self.token.iter().map(|token| KeyInfo {
            purpose: token.key.algorithm.as_str(),
            id: token.key.id.clone(),
            created_at: token.created_at,
            active_from: token.key.signs_from,
            current: Some(token.key.id.as_str()) == signing,
        });
        data.chain(token).collect()
    }

    /// Adds a key that is used from `now + overlap` on, or at once if it is the first of its
    /// purpose.
    ///
    /// # Errors
    /// [`KeyError::NotGenerated`]
    pub fn add(
        &mut self,
        purpose: Purpose,
        now: Timestamp,
        overlap: Duration,
        entropy: &dyn Entropy,
    ) -> Result<(), KeyError> {
        // Whole seconds, as the ring is written: every process then has the same moment.
        let now = Timestamp::from_secs(now.as_secs());
        let from = |is_first: bool| if is_first { now } else { now + overlap };
        match purpose {
            Purpose::Data => {
                let id = KeyId(self.data.last().map_or(1, |key| key.id.0.saturating_add(1)));
                let mut secret = Zeroizing::new(vec![0; MIN_SECRET_LEN]);
                entropy.fill(&mut secret);
                let active_from = from(self.data.is_empty());
                self.data.push(DataKey {
                    id,
                    created_at: now,
                    active_from,
                    secret,
                });
            }
            Purpose::Token(algorithm) => {
                let from = from(self.token.is_empty());
                let key = SigningKey::generate(algorithm, from, entropy)?;
                self.token.push(TokenKey {
                    created_at: now,
                    key,
                });
                self.sort();
            }
        }
        Ok(())
    }

    fn sort(&mut self) {
        self.data.sort_by_key(|key| key.id);
        self.token
            .sort_by(|a, b| (a.key.signs_from, &a.key.id).cmp(&(b.key.signs_from, &b.key.id)));
    }

    /// Removes token keys under which no token is valid any more. Data keys stay: what they sealed
    /// is still there.
    pub fn drop_retired(&mut self, now: Timestamp) {
        let Ok(set) = self.key_set() else { return };
        let retired = set.retired(now, LONGEST_TOKEN);
        self.token
            .retain(|token| !retired.contains(&token.key.id.as_str()));
    }

    /// The keys without which nothing can start. A ring whose newest token key signs with another
    /// algorithm than configured lacks one.
    fn missing(&self, algorithm: Algorithm) -> Vec<Purpose> {
        let data = self.data.is_empty().then_some(Purpose::Data);
        let newest = self.token.last().map(|token| token.key.algorithm);
        let token = (newest != Some(algorithm)).then_some(Purpose::Token(algorithm));
        data.into_iter().chain(token).collect()
    }

    /// Why the ring is too weak for production, each with the remedy.
    pub(crate) fn weaknesses(&self, algorithm: Algorithm) -> Vec<String> {
        let missing = self.missing(algorithm).into_iter().map(|purpose| match purpose {
            Purpose::Data => "holds no data key: make one with `phone-auth keys rotate`".into(),
            Purpose::Token(algorithm) => format!(
                "has no {algorithm} key as its newest token key, as tokens.algorithm asks: make \
                 one with `phone-auth keys rotate`"
            ),
        });
        let data = self
            .data
            .iter()
            .map(|key| (format!("data key {}", key.id), &key.secret));
        let token = self
            .token
            .iter()
            .map(|t| (format!("token key {}", t.key.id), &t.key.secret));
        let made_up = data.chain(token).filter(|(_, secret)| is_made_up(secret)).map(|(name, _)| {
            format!(
                "holds an example as its {name}, which everybody knows: remove that key and make \
                 one with `phone-auth keys rotate`"
            )
        });
        missing.chain(made_up).collect()
    }
}

/// Whether a secret is one of an example, or was typed: every example in the documentation has
/// the word in it.
fn is_made_up(secret: &[u8]) -> bool {
    let mut distinct = secret.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.len() < FEWEST_DISTINCT_BYTES || secret.windows(7).any(|part| part == b"example")
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data: Vec<_> = self.data.iter().map(|key| key.id.0).collect();
        let token: Vec<_> = self.token.iter().map(|token| &token.key.id).collect();
        f.debug_struct("KeyRing")
            .field("data", &data)
            .field("token", &token)
            .finish_non_exhaustive()
    }
}
