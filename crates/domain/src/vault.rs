//! The secrets that keep phones and codes unreadable at rest.
//!
//! A store sees a phone only as [`SealedPhone`]: a keyed blind index to look it up, and
//! authenticated ciphertext to read it back. Code digits are never stored: [`Vault::digits`]
//! derives them from a code's id and salt. Whoever has only a store, or only the keys, learns
//! nothing.
//!
//! Keys come in generations. New writes use the current one, older ones still read.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, hkdf, hmac};
use zeroize::Zeroizing;

use crate::code::{Code, CodeLength};
use crate::id::{PhoneCodeId, SessionId};
use crate::phone::PhoneNumber;
use crate::ports::Entropy;
use crate::rate_limit::{CounterKey, Scope};

/// Shortest secret a generation may have, in bytes.
pub const MIN_SECRET_LEN: usize = 32;

/// Names a generation of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A keyed digest of a phone number: equal for equal phones, meaningless without the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneIndex([u8; 32]);

impl PhoneIndex {
    /// The index as a store keeps it.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The index as a store keeps it.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for PhoneIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PhoneIndex({})",
            data_encoding::HEXLOWER.encode(&self.0[..4])
        )
    }
}

/// A phone number as stores see it.
///
/// Only a [`Vault`] makes one from a [`PhoneNumber`] or reads it back.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedPhone {
    index: PhoneIndex,
    /// Key id (4 bytes, big-endian), nonce (12), ciphertext and tag.
    sealed: Box<[u8]>,
}

impl SealedPhone {
    /// A sealed phone as a store kept it.
    pub fn from_stored(index: PhoneIndex, sealed: impl Into<Box<[u8]>>) -> Self {
        Self {
            index,
            sealed: sealed.into(),
        }
    }

    /// What to look the phone up by.
    pub const fn index(&self) -> &PhoneIndex {
        &self.index
    }

    /// The ciphertext, with what is needed to read it back: at most 64 bytes.
    pub fn sealed(&self) -> &[u8] {
        &self.sealed
    }
}

impl fmt::Debug for SealedPhone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealedPhone").field(&self.index).finish()
    }
}

/// Why the vault cannot be made, or cannot read what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// No generation was given, or the current one is not among them.
    #[error("there is no current key")]
    NoCurrentKey,
    /// Two generations have one id.
    #[error("two keys have the id {0}")]
    Repeated(KeyId),
    /// A secret is shorter than [`MIN_SECRET_LEN`].
    #[error("key {0} is shorter than 32 bytes")]
    TooShort(KeyId),
    /// The data was written under a key that is not configured any more.
    #[error("key {0} is not known here")]
    UnknownKey(KeyId),
    /// The data was changed, or was never written by this product.
    #[error("sealed data does not authenticate")]
    Corrupt,
}

struct Generation {
    id: KeyId,
    index: hmac::Key,
    code: hmac::Key,
    token: hmac::Key,
    counter: hmac::Key,
    seal: LessSafeKey,
}

impl Generation {
    fn derive(id: KeyId, secret: &[u8]) -> Result<Self, VaultError> {
        if secret.len() < MIN_SECRET_LEN {
            return Err(VaultError::TooShort(id));
        }
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"phone-auth v1").extract(secret);
        let key = |label: &[u8]| -> Result<Zeroizing<[u8; 32]>, VaultError> {
            let mut out = Zeroizing::new([0; 32]);
            prk.expand(&[label], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(out.as_mut()))
                .map_err(|_| VaultError::Corrupt)?;
            Ok(out)
        };
        let mac = |label| Ok(hmac::Key::new(hmac::HMAC_SHA256, key(label)?.as_ref()));
        let seal = UnboundKey::new(&AES_256_GCM_SIV, key(b"phone seal")?.as_ref())
            .map_err(|_| VaultError::Corrupt)?;
        Ok(Self {
            id,
            index: mac(b"phone index")?,
            code: mac(b"code digits")?,
            token: mac(b"session token")?,
            counter: mac(b"rate limit counter")?,
            seal: LessSafeKey::new(seal),
        })
    }
}

/// What a token of a session is for: a token of one use never passes as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenUse {
    /// Exchanged for new tokens.
    Refresh,
    /// Kept by a browser.
    Cookie,
}

/// Length of a session token's authenticator in bytes.
pub const TAG_LEN: usize = 16;

/// Seals phones, derives code digits, keys counters, authenticates session tokens.
pub struct Vault {
    /// In the order of their ids, oldest first.
    generations: Vec<Generation>,
    current: usize,
}

impl Vault {
    /// A vault over generations of `(id, secret)`, each secret at least 32 bytes, writing with
    /// `current`.
    ///
    /// # Errors
    /// A [`VaultError`] that names the key at fault.
    pub fn new(keys: &[(KeyId, &[u8])], current: KeyId) -> Result<Self, VaultError> {
        let mut generations = keys
            .iter()
            .map(|(id, secret)| Generation::derive(*id, secret))
            .collect::<Result<Vec<_>, _>>()?;
        generations.sort_by_key(|g| g.id);
        if let Some(pair) = generations.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(VaultError::Repeated(pair[0].id));
        }
        let current = generations
            .iter()
            .position(|g| g.id == current)
            .ok_or(VaultError::NoCurrentKey)?;
        Ok(Self {
            generations,
            current,
        })
    }

    fn current(&self) -> &Generation {
        &self.generations[self.current]
    }

    fn generation(&self, id: KeyId) -> Result<&Generation, VaultError> {
        self.generations
            .iter()
            .find(|g| g.id == id)
            .ok_or(VaultError::UnknownKey(id))
    }

    /// The generation that new writes use.
    pub fn current_key(&self) -> KeyId {
        self.current().id
    }

    /// Every index the phone may be stored under: the current one first.
    pub fn indexes(&self, phone: &PhoneNumber) -> Vec<PhoneIndex> {
        let others = self
            .generations
            .iter()
            .filter(|g| g.id != self.current_key());
        std::iter::once(self.current())
            .chain(others.rev())
            .map(|g| index_under(g, phone))
            .collect()
    }

    /// Seals a phone under the current generation.
    pub fn seal(&self, phone: &PhoneNumber, entropy: &dyn Entropy) -> SealedPhone {
        let generation = self.current();
        let index = index_under(generation, phone);
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = Vec::with_capacity(4 + NONCE_LEN + phone.as_e164().len() + 16);
        sealed.extend_from_slice(&generation.id.0.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(phone.as_e164().as_bytes());
        let (head, text) = sealed.split_at_mut(4 + NONCE_LEN);
        // Bound to its index: a ciphertext moved to another row does not open there. Sealing
        // 16 bytes cannot fail (AES-GCM-SIV takes up to 2^36).
        let _ = head;
        let tag = generation.seal.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(index.0),
            text,
        );
        match tag {
            Ok(tag) => sealed.extend_from_slice(tag.as_ref()),
            // Never leaves the plaintext behind: an unsealed phone is an unreadable one.
            Err(_) => sealed.clear(),
        }
        SealedPhone::from_stored(index, sealed)
    }

    /// Reads a sealed phone back.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`] or [`VaultError::Corrupt`].
    pub fn open(&self, phone: &SealedPhone) -> Result<PhoneNumber, VaultError> {
        let (key, rest) = phone
            .sealed
            .split_first_chunk::<4>()
            .ok_or(VaultError::Corrupt)?;
        let (nonce, text) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(VaultError::Corrupt)?;
        let generation = self.generation(KeyId(u32::from_be_bytes(*key)))?;
        let mut text = Zeroizing::new(text.to_vec());
        let plain = generation
            .seal
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(phone.index.0),
                &mut text,
            )
            .map_err(|_| VaultError::Corrupt)?;
        let e164 = std::str::from_utf8(plain).map_err(|_| VaultError::Corrupt)?;
        PhoneNumber::reread(e164).ok_or(VaultError::Corrupt)
    }

    /// The digits of a code: an HMAC over its id and salt, so a resend repeats them.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`] if the code was issued under a key not configured any more.
    pub fn digits(
        &self,
        key: KeyId,
        id: PhoneCodeId,
        salt: &[u8; 16],
        length: CodeLength,
    ) -> Result<Code, VaultError> {
        let mut context = hmac::Context::with_key(&self.generation(key)?.code);
        context.update(id.as_bytes());
        context.update(salt);
        let tag = context.sign();
        let mut wide = [0; 16];
        wide.copy_from_slice(&tag.as_ref()[..16]);
        // 128 bits over at most 10^10 values: the bias is below 2^-94.
        let number = u128::from_be_bytes(wide) % 10_u128.pow(u32::from(length.get()));
        Ok(Code::from_number(number, length))
    }

    /// An id that every process derives alike from a caller's idempotency key, another one in each
    /// `period`.
    pub fn code_id_for(&self, idempotency_key: &str, period: u64) -> PhoneCodeId {
        let mut context = hmac::Context::with_key(&self.eldest().token);
        context.update(b"idempotency key");
        context.update(&period.to_be_bytes());
        context.update(idempotency_key.as_bytes());
        let tag = context.sign();
        let mut id = [0; 16];
        id.copy_from_slice(&tag.as_ref()[..16]);
        PhoneCodeId::from_bytes(id)
    }

    /// What a counter is kept under. It stays the same while keys rotate, so that a rotation
    /// gives nobody a fresh allowance: the oldest generation still configured keys it.
    pub fn counter_key(&self, scope: Scope, subject: &[u8]) -> CounterKey {
        let mut context = hmac::Context::with_key(&self.eldest().counter);
        context.update(&[scope as u8]);
        context.update(subject);
        let tag = context.sign();
        let mut key = [0; 16];
        key.copy_from_slice(&tag.as_ref()[..16]);
        CounterKey::from_bytes(key)
    }

    fn eldest(&self) -> &Generation {
        &self.generations[0]
    }

    /// Authenticates `body` as a token of that session and use, under the current generation.
    pub fn token_tag(&self, usage: TokenUse, session: SessionId, body: &[u8]) -> [u8; TAG_LEN] {
        tag_under(self.current(), usage, session, body)
    }

    /// Whether this product made that token, under any generation still configured.
    pub fn token_tag_is_ours(
        &self,
        usage: TokenUse,
        session: SessionId,
        body: &[u8],
        tag: &[u8],
    ) -> bool {
        self.generations.iter().any(|g| {
            constant_time::verify_slices_are_equal(&tag_under(g, usage, session, body), tag).is_ok()
        })
    }
}

fn index_under(generation: &Generation, phone: &PhoneNumber) -> PhoneIndex {
    let tag = hmac::sign(&generation.index, phone.as_e164().as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    PhoneIndex(bytes)
}

fn tag_under(
    generation: &Generation,
    usage: TokenUse,
    session: SessionId,
    body: &[u8],
) -> [u8; TAG_LEN] {
    let mut context = hmac::Context::with_key(&generation.token);
    context.update(match usage {
        TokenUse::Refresh => b"refresh",
        TokenUse::Cookie => b"cookie.",
    });
    context.update(session.as_bytes());
    context.update(body);
    let mut tag = [0; TAG_LEN];
    tag.copy_from_slice(&context.sign().as_ref()[..TAG_LEN]);
    tag
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.generations.iter().map(|g| g.id.0).collect();
        f.debug_struct("Vault")
            .field("keys", &ids)
            .field("current", &self.current_key().0)
            .finish_non_exhaustive()
    }
}
