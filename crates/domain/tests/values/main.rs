//! The values that the rules are made of, against small models of them.
#![allow(unreachable_pub, reason = "a test has no outside")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "that is how a test fails"
)]

mod code;
mod ids_and_times;
mod message;
mod phone;
mod rate_limit;
mod session_token;
mod vault;

use std::sync::atomic::{AtomicU64, Ordering};

use domain::ports::Entropy;
use domain::vault::{KeyId, Vault};

/// Counts: no two fills are alike.
#[derive(Default)]
pub struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let next = self.0.fetch_add(1, Ordering::Relaxed);
            *byte = (next.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
        }
    }
}

/// A vault with these generations, each of a secret of its own.
pub fn vault(keys: &[u32], current: u32) -> Vault {
    let secrets: Vec<_> = keys.iter().map(|id| [*id as u8; 32]).collect();
    let keys: Vec<_> = keys
        .iter()
        .zip(&secrets)
        .map(|(id, secret)| (KeyId(*id), secret.as_slice()))
        .collect();
    Vault::new(&keys, KeyId(current)).unwrap()
}
