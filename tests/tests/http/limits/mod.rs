//! Every row of the limits, each against the next call that it must refuse.

mod addresses;
mod failures;
mod sending;
mod spellings;
