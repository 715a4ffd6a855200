//! The key ring as TOML.

use adapter_jwt::{Algorithm, KeySet, SigningKey};
use data_encoding::BASE64;
use domain::timestamp::Timestamp;
use domain::vault::{KeyId, MIN_SECRET_LEN};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{DataKey, KeyRing, TokenKey};

const HEADER: &str = "\
# The keys of this installation. Whoever has this file and the database can read every phone and
# sign in as anybody: keep it from others, and keep a copy. `phone-auth keys rotate` adds a key.

";

#[derive(Serialize)]
struct Ring {
    keys: Vec<Key>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    purpose: String,
    id: String,
    algorithm: Option<String>,
    created_at: String,
    active_from: String,
    secret: String,
}

impl KeyRing {
    /// Reads a key ring.
    ///
    /// # Errors
    /// Everything that is wrong with it, one line each, without any secret.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut table: toml::Table = text.parse().map_err(|e| vec![not_toml(&e)])?;
        let keys = match table.remove("keys") {
            Some(toml::Value::Array(keys)) => keys,
            None => Vec::new(),
            Some(_) => {
                return Err(vec![
                    "keys is no list: write each key under [[keys]]".into(),
                ]);
            }
        };
        let mut reading = Reading::default();
        for name in table.keys() {
            reading
                .faults
                .push(format!("{name} is not known: write nothing but [[keys]]"));
        }
        for (i, key) in keys.into_iter().enumerate() {
            reading.number = i + 1;
            match key.try_into() {
                Ok(key) => drop(reading.key(key)),
                Err(e) => reading.fault(&not_toml(&e)),
            }
        }
        reading.ring.sort();
        if reading.faults.is_empty() {
            Ok(reading.ring)
        } else {
            Err(reading.faults)
        }
    }

    /// Writes the key ring, secrets and all.
    pub fn to_toml(&self) -> Zeroizing<String> {
        let data = self.data.iter().map(|key| Key {
            purpose: "data".into(),
            id: key.id.to_string(),
            algorithm: None,
            created_at: key.created_at.to_string(),
            active_from: key.active_from.to_string(),
            secret: BASE64.encode(&key.secret),
        });
        let token = self.token.iter().map(|token| Key {
            purpose: "token".into(),
            id: token.key.id.clone(),
            algorithm: Some(token.key.algorithm.to_string()),
            created_at: token.created_at.to_string(),
            active_from: token.key.signs_from.to_string(),
            secret: BASE64.encode(&token.key.secret),
        });
        let ring = Ring {
            keys: data.chain(token).collect(),
        };
        // A list of tables of texts: there is nothing in it that TOML could not express.
        let text = toml::to_string(&ring)
            .map(Zeroizing::new)
            .unwrap_or_default();
        Zeroizing::new(format!("{HEADER}{}", text.as_str()))
    }
}

/// Not the error's own text: it quotes the line, which may hold a secret.
fn not_toml(error: &toml::de::Error) -> String {
    format!("cannot be read: {}", error.message().replace('\n', ", "))
}

#[derive(Default)]
struct Reading {
    ring: KeyRing,
    /// Which key is being read, from 1.
    number: usize,
    faults: Vec<String>,
}

impl Reading {
    fn fault(&mut self, text: &str) {
        self.faults.push(format!("key {}: {text}", self.number));
    }

    fn check<T>(&mut self, value: Option<T>, fault: &str) -> Option<T> {
        if value.is_none() {
            self.fault(fault);
        }
        value
    }

    fn key(&mut self, key: Key) -> Option<()> {
        let text = Zeroizing::new(key.secret);
        let moment = "is no moment: write one such as \"2026-01-02T03:04:05Z\"";
        let created_at = Timestamp::parse_rfc3339(&key.created_at);
        let created_at = self.check(created_at, &format!("created_at {moment}"));
        let active_from = Timestamp::parse_rfc3339(&key.active_from);
        let active_from = self.check(active_from, &format!("active_from {moment}"));
        let secret = BASE64.decode(text.as_bytes()).ok().map(Zeroizing::new);
        let secret = self.check(secret, "secret is not base64: write it again");
        match (key.purpose.as_str(), key.algorithm) {
            ("data", None) => {
                let id = self.data_id(&key.id);
                let secret = self.long_enough(secret?);
                let (created_at, active_from) = (created_at?, active_from?);
                self.ring.data.push(DataKey {
                    id: id?,
                    created_at,
                    active_from,
                    secret: secret?,
                });
            }
            ("token", Some(algorithm)) => {
                let known = Algorithm::from_name(&algorithm);
                let algorithm = self.check(known, "algorithm is none of EdDSA, ES256 and HS256");
                let (secret, algorithm, signs_from) = (secret?, algorithm?, active_from?);
                let key = SigningKey {
                    id: key.id,
                    algorithm,
                    signs_from,
                    secret,
                };
                self.usable(&key)?;
                self.ring.token.push(TokenKey {
                    created_at: created_at?,
                    key,
                });
            }
            _ => self
                .fault("purpose must be \"data\", without algorithm, or \"token\", with algorithm"),
        }
        Some(())
    }

    fn data_id(&mut self, id: &str) -> Option<KeyId> {
        let number = id.parse().ok().map(KeyId);
        let id = self.check(
            number,
            "id of a data key must be a whole number, such as \"1\"",
        )?;
        let is_new = self.ring.data.iter().all(|key| key.id != id);
        self.check(
            is_new.then_some(id),
            "id belongs to another data key: write a new one",
        )
    }

    fn long_enough(&mut self, secret: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
        let long = secret.len() >= MIN_SECRET_LEN;
        self.check(
            long.then_some(secret),
            "secret is too short: write at least 32 random bytes",
        )
    }

    fn usable(&mut self, key: &SigningKey) -> Option<()> {
        let is_new = self.ring.token.iter().all(|token| token.key.id != key.id);
        self.check(
            is_new.then_some(()),
            "id belongs to another token key: write a new one",
        )?;
        let fault = KeySet::new(std::slice::from_ref(key)).err();
        self.check(
            fault.is_none().then_some(()),
            &fault.map(|e| e.to_string()).unwrap_or_default(),
        )
    }
}
