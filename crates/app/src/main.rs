//! The `phone-auth` command.

fn main() {}
