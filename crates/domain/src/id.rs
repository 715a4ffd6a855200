//! Opaque ids with a kind prefix: `pc_…`, `usr_…`, `ses_…`.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use crate::ports::Entropy;
use crate::timestamp::Timestamp;

/// The text is not an id of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct IdError;

/// 48 bits of time and 80 random bits: new ids sort last in an index, and nobody guesses one.
fn generate(now: Timestamp, entropy: &dyn Entropy) -> [u8; 16] {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes[6..]);
    bytes[..6].copy_from_slice(&now.as_millis().to_be_bytes()[2..]);
    bytes
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// What its text starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id: 48 bits of `now` and 80 random bits.
            pub fn generate(now: Timestamp, entropy: &dyn Entropy) -> Self {
                Self(generate(now, entropy))
            }

            /// The id as a store keeps it.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The id as a store keeps it.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut hex = [0; 32];
                HEXLOWER.encode_mut(&self.0, &mut hex);
                f.write_str($prefix)?;
                f.write_str(std::str::from_utf8(&hex).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let hex = text.strip_prefix($prefix).ok_or(IdError)?;
                let mut bytes = [0; 16];
                if hex.len() != 32 {
                    return Err(IdError);
                }
                HEXLOWER
                    .decode_mut(hex.as_bytes(), &mut bytes)
                    .map_err(|_| IdError)?;
                Ok(Self(bytes))
            }
        }
    };
}

id!(
    /// Names one issued code. Knowing it is needed to try the code.
    PhoneCodeId,
    "pc_"
);
id!(
    /// Names a user.
    UserId,
    "usr_"
);
id!(
    /// Names a session. It appears in access tokens as `sid`, so it is no secret.
    SessionId,
    "ses_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_other_kinds_and_spellings_do_not() {
        let id = SessionId::from_bytes([0xab; 16]);
        let text = id.to_string();
        assert_eq!(text, format!("ses_{}", "ab".repeat(16)));
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.parse::<UserId>(), Err(IdError));
        assert_eq!(text.to_uppercase().parse::<SessionId>(), Err(IdError));
        assert_eq!("ses_".parse::<SessionId>(), Err(IdError));
        assert_eq!(format!("{text}0").parse::<SessionId>(), Err(IdError));
    }
}
