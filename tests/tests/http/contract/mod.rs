//! Every row of the HTTP contract.

mod codes;
mod data_keys;
mod delivery;
mod idempotency;
mod pages;
mod phones;
mod plumbing;
mod refreshing;
mod sessions;
mod short;
mod signing_in;
mod sweeping;
mod tokens;
