//! Access tokens with jsonwebtoken: keys, rotation, JWKS.
//!
//! ```text
//! {"typ":"at+jwt","alg":"EdDSA","kid":"…"}
//! {"iss":…,"sub":"usr_…","aud":…,"iat":…,"nbf":…,"exp":…,"jti":"…","sid":"ses_…"}
//! ```
//!
//! **Strictness.** The first part of a token must be, letter by letter, the header that one of our
//! keys writes. So `none`, another algorithm, an odd `kid`, another `typ` or an unknown header
//! field are refused before anything of a stranger's token is parsed. Only then jsonwebtoken
//! checks signature, issuer, audience and the types of the claims. Time is judged against the
//! caller's `now`, with [`LEEWAY`].
//!
//! **Cost.** jsonwebtoken parses the private key again for each signature, which doubles an
//! EdDSA one (12.1 µs where 6.9 do, measured on one core), so signing goes to AWS-LC directly with
//! keys made ready once. Verifying an EdDSA signature costs 26 µs, far more than the rest of
//! a request, so the claims of verified tokens are remembered by the token's SHA-256: bounded, and
//! forgotten when the keys change. Whether a token is valid *now* is judged at every use, and
//! revocation is the session store's, so remembering changes no answer.

mod issuer;
mod key;
mod key_set;
mod verified;

use std::time::Duration;

pub use issuer::{JwtConfig, JwtIssuer};
pub use key::{Algorithm, KeyError, MIN_HS256_SECRET, SigningKey};
pub use key_set::KeySet;

/// How far the clocks of those who make and check a token may differ.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// Longer texts are refused unread, in bytes. Ours have about 460, and 3,300 at the very most.
const MAX_TOKEN: usize = 4096;
