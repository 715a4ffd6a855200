use std::collections::HashMap;

use aws_lc_rs::digest;
use domain::ports::AccessClaims;
use parking_lot::Mutex;

const SHARDS: usize = 64;

/// Entries per shard and generation: what fits a table of 512 buckets. In all at most 57,344
/// tokens and about 5 MB.
const GENERATION: usize = 448;

/// SHA-256 of a whole token, signature included.
pub(crate) type TokenDigest = [u8; 32];

pub(crate) fn digest_of(token: &str) -> TokenDigest {
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.as_ref());
    bytes
}

/// What the tokens say whose signature was found good, so that it is computed once per token and
/// not once per request.
///
/// A token is known by its digest alone: changing any byte of it makes it unknown, and no token
/// can be read out of here. Only claims are remembered, never a verdict about time.
pub(crate) struct VerifiedTokens {
    shards: Box<[Mutex<Generations>]>,
}

/// Forgets without keeping an order: a full generation becomes the older one, and the older one
/// goes, except for what was used meanwhile.
#[derive(Default)]
struct Generations {
    recent: HashMap<TokenDigest, AccessClaims>,
    older: HashMap<TokenDigest, AccessClaims>,
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl VerifiedTokens {
    pub(crate) fn get(&self, token: &TokenDigest) -> Option<AccessClaims> {
        self.shard(token).lock().get(token)
    }

    pub(crate) fn insert(&self, token: TokenDigest, claims: AccessClaims) {
        self.shard(&token).lock().insert(token, claims);
    }

    fn shard(&self, token: &TokenDigest) -> &Mutex<Generations> {
        &self.shards[usize::from(token[0]) % SHARDS]
    }
}

impl Generations {
    fn get(&mut self, token: &TokenDigest) -> Option<AccessClaims> {
        if let Some(claims) = self.recent.get(token) {
            return Some(*claims);
        }
        let claims = self.older.remove(token)?;
        self.insert(*token, claims);
        Some(claims)
    }

    fn insert(&mut self, token: TokenDigest, claims: AccessClaims) {
        if self.recent.len() >= GENERATION {
            std::mem::swap(&mut self.recent, &mut self.older);
            self.recent.clear();
        }
        self.recent.insert(token, claims);
    }
}

#[cfg(test)]
mod tests {
    use domain::id::{SessionId, UserId};
    use domain::timestamp::Timestamp;

    use super::*;

    fn claims(n: u64) -> AccessClaims {
        AccessClaims {
            user: UserId::from_bytes([1; 16]),
            session: SessionId::from_bytes([2; 16]),
            issued_at: Timestamp::from_secs(n),
            expires_at: Timestamp::from_secs(n + 300),
        }
    }

    fn digest(n: usize) -> TokenDigest {
        let mut digest = [0; 32];
        digest[24..].copy_from_slice(&n.to_be_bytes());
        digest
    }

    #[test]
    fn it_never_holds_more_than_two_generations() {
        let mut shard = Generations::default();
        for n in 0..10 * GENERATION {
            shard.insert(digest(n), claims(1));
            assert!(shard.recent.len() + shard.older.len() <= 2 * GENERATION);
        }
        assert!(shard.recent.capacity() + shard.older.capacity() <= 2 * GENERATION);
    }

    #[test]
    fn a_token_in_use_stays_and_an_unused_one_goes() {
        let mut shard = Generations::default();
        shard.insert(digest(0), claims(7));
        shard.insert(digest(1), claims(8));
        for n in 2..3 * GENERATION {
            shard.insert(digest(n), claims(1));
            assert_eq!(shard.get(&digest(0)), Some(claims(7)));
        }
        assert_eq!(shard.get(&digest(1)), None);
    }

    #[test]
    fn every_bit_of_a_token_changes_its_digest() {
        let verified = VerifiedTokens::default();
        verified.insert(digest_of("a.b.c"), claims(1));
        assert_eq!(verified.get(&digest_of("a.b.c")), Some(claims(1)));
        assert_eq!(verified.get(&digest_of("a.b.d")), None);
    }
}
