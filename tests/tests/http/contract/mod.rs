//! Every row of the HTTP contract.

mod codes;
mod delivery;
mod idempotency;
mod phones;
mod plumbing;
mod refreshing;
mod sessions;
mod short;
mod signing_in;
mod tokens;
