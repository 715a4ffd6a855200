//! Entities to try a port with. Each call makes new random ids and phones.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::code::{Code, CodeLength, Delivery, PhoneCode};
use domain::id::{PhoneCodeId, SessionId, UserId};
use domain::message::{Locale, SmsMessage, Templates};
use domain::phone::{Country, PhoneNumber};
use domain::ports::AccessClaims;
use domain::rate_limit::{Charge, CounterKey, Limit, Scope, Window};
use domain::session::{RefreshDigest, Renewal, UserSession};
use domain::timestamp::Timestamp;
use domain::user::{NewUser, User};
use domain::vault::{KeyId, PhoneIndex, SealedPhone};

/// When everything happens: 2100-01-01T00:00:00Z.
pub const NOW: Timestamp = Timestamp::from_secs(4_102_444_800);

/// Random bytes, unlike any other.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(8) {
        // Seeded by the operating system: ids of two runs on one store never meet.
        let word = RandomState::new().hash_one(NOW).to_be_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
    bytes
}

/// A random number.
pub fn number() -> u64 {
    u64::from_be_bytes(bytes())
}

/// The index of a random phone.
pub fn phone_index() -> PhoneIndex {
    PhoneIndex::from_bytes(bytes())
}

/// A random phone, sealed.
pub fn sealed_phone() -> SealedPhone {
    sealed_under(phone_index())
}

/// A phone of that index, sealed anew: 48 bytes, as the vault makes them.
pub fn sealed_under(index: PhoneIndex) -> SealedPhone {
    SealedPhone::from_stored(index, bytes::<48>())
}

/// A code just issued for a random phone.
pub fn phone_code() -> PhoneCode {
    PhoneCode {
        id: PhoneCodeId::from_bytes(bytes()),
        phone: sealed_phone(),
        key: KeyId(1),
        salt: bytes(),
        length: code_length(6),
        locale: Locale::En,
        created_at: NOW,
        expires_at: NOW + Duration::from_secs(300),
        tries: 5,
        attempts: 0,
        consumed: false,
        delivery: Delivery::first(NOW),
    }
}

/// A length of 6 to 10 digits.
pub fn code_length(digits: u8) -> CodeLength {
    CodeLength::new(digits).unwrap()
}

/// A random phone's first user.
pub fn new_user() -> NewUser {
    user_of(sealed_phone(), Vec::new())
}

/// A new user of that phone, which may also be stored under one of `aliases`.
pub fn user_of(phone: SealedPhone, aliases: Vec<PhoneIndex>) -> NewUser {
    let id = UserId::from_bytes(bytes());
    NewUser {
        user: User {
            id,
            phone,
            created_at: NOW,
        },
        aliases,
    }
}

/// The id of a random user.
pub fn user_id() -> UserId {
    UserId::from_bytes(bytes())
}

/// The digest of a random refresh token.
pub fn refresh_digest() -> RefreshDigest {
    RefreshDigest::from_bytes(bytes())
}

/// A session of a random user who just signed in: 7 days idle, 30 days in all.
pub fn session() -> UserSession {
    session_of(user_id(), NOW)
}

/// A session of that user, who signed in at `at`.
pub fn session_of(user: UserId, at: Timestamp) -> UserSession {
    UserSession {
        id: SessionId::from_bytes(bytes()),
        user,
        code: PhoneCodeId::from_bytes(bytes()),
        refresh: Some(refresh_digest()),
        created_at: at,
        last_seen_at: at,
        expires_at: at + Duration::from_secs(7 * 86_400),
        ends_at: at + Duration::from_secs(30 * 86_400),
        revoked_at: None,
        user_agent: Some("Mozilla/5.0".to_owned()),
        address: IpAddr::from([192, 0, 2, 1]),
    }
}

/// A refresh at `at` with a random new token.
pub fn renewal(at: Timestamp) -> Renewal {
    let expires_at = at + Duration::from_secs(7 * 86_400);
    Renewal {
        refresh: refresh_digest(),
        last_seen_at: at,
        expires_at,
    }
}

/// The key of a random counter.
pub fn counter_key() -> CounterKey {
    CounterKey::from_bytes(bytes())
}

/// A charge of 1 on a random counter that admits `(count, seconds)` in each of its windows.
pub fn charge(windows: &[(u32, u64)]) -> Charge {
    let window = |(count, secs): &(u32, u64)| Window {
        count: *count,
        period: Duration::from_secs(*secs),
    };
    let limit = Limit::new(windows.iter().map(window).collect()).unwrap();
    Charge {
        scope: Scope::SendsPerPhone,
        key: counter_key(),
        limit: Arc::new(limit),
        cost: 1,
    }
}

/// A message with a code in it, to a number that libphonenumber gives as an example.
pub fn sms_message() -> SmsMessage {
    let digits = format!("{:06}", number() % 1_000_000);
    let code = Code::parse(&digits, code_length(6)).unwrap();
    let to = PhoneNumber::parse("+8613123456789", Country::WORLD).unwrap();
    let id = format!("{:016x}", number());
    Templates::new("Acme", "login.example.com").sign_in_code(id, to, Locale::En, code, 5)
}

/// What an access token of a random session says: made now, good for 5 minutes.
pub fn access_claims() -> AccessClaims {
    AccessClaims {
        user: user_id(),
        session: SessionId::from_bytes(bytes()),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(300),
    }
}
