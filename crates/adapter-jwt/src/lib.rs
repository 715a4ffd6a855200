//! Access tokens with jsonwebtoken: keys, rotation, JWKS.
