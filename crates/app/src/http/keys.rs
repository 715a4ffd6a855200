//! The public keys of the access tokens.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, ServiceConfig, get};
use domain::ports::Jwk;
use serde::Serialize;
use utoipa::ToSchema;

use super::AppState;
use super::observe::resource;

/// For how long others may keep the keys: a new key is published longer than that before its first
/// use.
const KEEP_KEYS: &str = "public, max-age=300";

/// A JSON Web Key Set (RFC 7517).
#[derive(Serialize, ToSchema)]
pub(super) struct KeySet {
    /// Empty where tokens are signed with a shared secret (HS256).
    keys: Vec<Key>,
}

/// A public key.
#[derive(Serialize, ToSchema)]
struct Key {
    /// Key type: `OKP` or `EC`.
    #[schema(example = "OKP")]
    kty: &'static str,
    /// Curve: `Ed25519` or `P-256`.
    #[schema(example = "Ed25519")]
    crv: &'static str,
    /// `EdDSA` or `ES256`.
    #[schema(example = "EdDSA")]
    alg: &'static str,
    /// Always `sig`.
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    usage: &'static str,
    /// Names the key, as in a token's header.
    kid: String,
    /// The x coordinate, or the whole key; base64url.
    x: String,
    /// The y coordinate, where the curve has one; base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

impl From<Jwk> for Key {
    fn from(key: Jwk) -> Self {
        let Jwk {
            kty,
            crv,
            alg,
            kid,
            x,
            y,
        } = key;
        Self {
            kty,
            crv,
            alg,
            usage: "sig",
            kid,
            x,
            y,
        }
    }
}

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(resource("/.well-known/jwks.json").route(get().to(keys)));
}

/// The keys that check access tokens
///
/// For services that check tokens themselves. They learn of a sign-out only when the token expires;
/// `GET /v1/sessions/current` knows at once.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "Keys", operation_id = "keys",
    responses((status = 200, description = "The keys; keep them for five minutes.", body = KeySet))
)]
pub(super) async fn keys(state: Data<AppState>) -> HttpResponse {
    let keys = state.auth.ports().tokens.public_keys();
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, KEEP_KEYS))
        .json(KeySet {
            keys: keys.into_iter().map(Key::from).collect(),
        })
}
