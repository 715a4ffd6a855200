//! The issuer from outside: what it makes, and what it believes.
#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod hostile;
mod keys;
mod support;
