//! Access tokens taken apart, checked without the product's own code, and forged.

use std::path::Path;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, Ed25519KeyPair, UnparsedPublicKey, VerificationAlgorithm,
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};

/// A token in its parts.
#[derive(Debug, Clone)]
pub struct Token {
    pub header: Value,
    pub claims: Value,
    pub signature: Vec<u8>,
    signed: String,
}

fn decoded(part: &str) -> Vec<u8> {
    BASE64URL_NOPAD
        .decode(part.as_bytes())
        .expect("base64url without padding")
}

/// Both parts of a token before its signature. The header's members come in the order that ours
/// have, so that nothing but what was forged differs.
fn signed_part(header: &Value, claims: &Value) -> String {
    let ours = ["typ", "alg", "kid"];
    let mut members: Vec<_> = header.as_object().expect("an object").iter().collect();
    members.sort_by_key(|(name, _)| ours.iter().position(|known| known == name).unwrap_or(3));
    let member = |(name, value): (&String, &Value)| format!("{}:{value}", json!(name));
    let members: Vec<_> = members.into_iter().map(member).collect();
    let encoded = |text: String| BASE64URL_NOPAD.encode(text.as_bytes());
    let header = encoded(format!("{{{}}}", members.join(",")));
    format!("{header}.{}", encoded(claims.to_string()))
}

impl Token {
    /// Takes a token apart.
    pub fn parse(text: &str) -> Self {
        let (signed, signature) = text.rsplit_once('.').expect("three parts");
        let (header, claims) = signed.split_once('.').expect("three parts");
        let json = |part| serde_json::from_slice(&decoded(part)).expect("JSON");
        Self {
            header: json(header),
            claims: json(claims),
            signature: decoded(signature),
            signed: signed.to_owned(),
        }
    }

    /// Whether a key of the set, named by `kid` and used as it says, has signed the token.
    pub fn is_signed_by(&self, keys: &Value) -> bool {
        let keys = keys["keys"].as_array().expect("a list of keys");
        let found = keys.iter().find(|key| key["kid"] == self.header["kid"]);
        let Some(key) = found.filter(|key| key["alg"] == self.header["alg"]) else {
            return false;
        };
        let part = |name: &str| decoded(key[name].as_str().expect("a coordinate"));
        let (algorithm, bytes): (&'static dyn VerificationAlgorithm, _) = match &key["alg"] {
            alg if alg == "EdDSA" => (&ED25519, part("x")),
            alg if alg == "ES256" => (
                &ECDSA_P256_SHA256_FIXED,
                [vec![4], part("x"), part("y")].concat(),
            ),
            other => panic!("{other} is not known here"),
        };
        let key = UnparsedPublicKey::new(algorithm, bytes);
        key.verify(self.signed.as_bytes(), &self.signature).is_ok()
    }
}

/// The secret of the newest token key in a key ring file, and that key's id.
pub struct Signer {
    pub id: String,
    secret: Vec<u8>,
}

impl Signer {
    /// Reads the key ring in a data folder.
    pub fn of(data: &Path) -> Self {
        let text = std::fs::read_to_string(data.join("keys.toml")).expect("a key ring");
        let ring: toml::Table = text.parse().expect("TOML");
        let keys = ring["keys"].as_array().expect("a list of keys");
        let of_tokens = |key: &&toml::Value| key["purpose"].as_str() == Some("token");
        let key = keys.iter().rfind(of_tokens).expect("a token key");
        let text = |name: &str| key[name].as_str().expect("a text").to_owned();
        let secret = BASE64.decode(text("secret").as_bytes()).expect("base64");
        Self {
            id: text("id"),
            secret,
        }
    }

    /// Signs with the server's own Ed25519 key, whatever is said.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let pair = Ed25519KeyPair::from_pkcs8(&self.secret).expect("an Ed25519 key");
        let signed = signed_part(header, claims);
        let signature = pair.sign(signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

/// A token that nobody signed.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.", signed_part(header, claims))
}

/// A token whose HMAC key is something everybody knows.
pub fn with_hmac(secret: &[u8], header: &Value, claims: &Value) -> String {
    let signed = signed_part(header, claims);
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret),
        signed.as_bytes(),
    );
    format!("{signed}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

/// The object with one member changed, or taken away if it is null.
pub fn but(object: &Value, member: &str, value: Value) -> Value {
    let mut object = object.clone();
    match value {
        Value::Null => drop(object.as_object_mut().expect("an object").remove(member)),
        value => object[member] = json!(value),
    }
    object
}
