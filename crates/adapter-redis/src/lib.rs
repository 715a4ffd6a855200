//! The short-lived stores, in Redis or Valkey.
