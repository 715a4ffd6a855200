//! Sessions and the tokens that keep them.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use zeroize::{Zeroize, Zeroizing};

use crate::id::{PhoneCodeId, SessionId, UserId};
use crate::ports::Entropy;
use crate::timestamp::Timestamp;
use crate::vault::{TAG_LEN, TokenUse, Vault};

/// Longest user agent kept, in bytes.
const MAX_USER_AGENT: usize = 256;

/// Who is calling, as far as limits and the session list go.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The address the call came from, proxies already resolved, never IPv4-mapped.
    pub address: IpAddr,
    /// What the client calls itself, if it says so.
    pub user_agent: Option<String>,
}

impl Caller {
    /// A caller at that address, which calls itself `user_agent`. An IPv4-mapped IPv6 address
    /// counts as the IPv4 address it is; a long user agent is cut.
    pub fn new(address: IpAddr, user_agent: Option<&str>) -> Self {
        let user_agent =
            user_agent.map(|text| text[..text.floor_char_boundary(MAX_USER_AGENT)].to_owned());
        Self {
            address: address.to_canonical(),
            user_agent,
        }
    }
}

/// What a store keeps of a refresh token: SHA-256 of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RefreshDigest([u8; 32]);

impl RefreshDigest {
    /// The digest as a store keeps it.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest as a store keeps it.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for RefreshDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshDigest(hidden)")
    }
}

/// Somebody signed in somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSession {
    /// Names the session.
    pub id: SessionId,
    /// Who is signed in.
    pub user: UserId,
    /// The code that proved it. No two sessions have one, and that makes a code sign in once.
    pub code: PhoneCodeId,
    /// Digest of the one refresh token that works; `None` for a session that cannot be refreshed.
    pub refresh: Option<RefreshDigest>,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When the session was last refreshed, or made.
    pub last_seen_at: Timestamp,
    /// From this moment on it is over, unless refreshed before.
    pub expires_at: Timestamp,
    /// From this moment on it is over, refreshed or not.
    pub ends_at: Timestamp,
    /// When it was signed out.
    pub revoked_at: Option<Timestamp>,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// Where the person signed in from.
    pub address: IpAddr,
}

impl UserSession {
    /// Whether somebody is signed in through it at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at && now < self.ends_at
    }
}

/// What a refresh changes in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// Digest of the refresh token that works from now on.
    pub refresh: RefreshDigest,
    /// The moment of the refresh.
    pub last_seen_at: Timestamp,
    /// The new idle end.
    pub expires_at: Timestamp,
}

/// How long the sessions of one kind live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionLifetime {
    /// Renewed by refresh tokens.
    Refreshed {
        /// Over when unused for so long.
        idle: Duration,
        /// Over after so long in any case (NIST SP 800-63B-4 §2.1.3: 30 days at AAL1).
        total: Duration,
    },
    /// Over after so long, and not renewed.
    Fixed(Duration),
}

impl SessionLifetime {
    /// When a session that starts at `now` ends: `(expires_at, ends_at)`.
    pub fn ends(self, now: Timestamp) -> (Timestamp, Timestamp) {
        match self {
            Self::Refreshed { idle, total } => ((now + idle).min(now + total), now + total),
            Self::Fixed(total) => (now + total, now + total),
        }
    }
}

/// A token that belongs to a session: its id, 32 random bytes, and an authenticator that tells
/// our tokens from made-up ones before any store is asked. Base64url, 86 characters.
///
/// Hidden in debug output, zeroized on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken {
    session: SessionId,
    text: Zeroizing<String>,
}

const SECRET_LEN: usize = 32;
const TOKEN_LEN: usize = 16 + SECRET_LEN + TAG_LEN;

impl SessionToken {
    /// A new token of that session.
    pub fn generate(
        usage: TokenUse,
        session: SessionId,
        vault: &Vault,
        entropy: &dyn Entropy,
    ) -> Self {
        let mut bytes = Zeroizing::new([0; TOKEN_LEN]);
        bytes[..16].copy_from_slice(session.as_bytes());
        entropy.fill(&mut bytes[16..16 + SECRET_LEN]);
        let tag = vault.token_tag(usage, session, &bytes[16..16 + SECRET_LEN]);
        bytes[16 + SECRET_LEN..].copy_from_slice(&tag);
        Self {
            session,
            text: Zeroizing::new(BASE64URL_NOPAD.encode(bytes.as_ref())),
        }
    }

    /// Reads a token that this product made for that use, or `None` for anything else.
    pub fn parse(usage: TokenUse, text: &str, vault: &Vault) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; TOKEN_LEN]);
        if BASE64URL_NOPAD.decode_len(text.len()) != Ok(TOKEN_LEN) {
            return None;
        }
        BASE64URL_NOPAD
            .decode_mut(text.as_bytes(), bytes.as_mut())
            .ok()?;
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (secret, tag) = rest.split_at(SECRET_LEN);
        let session = SessionId::from_bytes(*id);
        vault
            .token_tag_is_ours(usage, session, secret, tag)
            .then(|| Self {
                session,
                text: Zeroizing::new(text.to_owned()),
            })
    }

    /// The session it belongs to.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The token itself, for the person it belongs to and for nobody else.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What a store may keep of it.
    pub fn digest(&self) -> RefreshDigest {
        let hash = digest::digest(&digest::SHA256, self.text.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.as_ref());
        RefreshDigest(bytes)
    }
}

impl Zeroize for SessionToken {
    fn zeroize(&mut self) {
        self.text.zeroize();
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionToken({})", self.session)
    }
}
