//! The whole `phone-auth` command, with two parts of our own.

use std::process::ExitCode;
use std::sync::Arc;

use pigeon_post::{Loft, Phonebook};

fn main() -> ExitCode {
    app::Builder::new()
        .sms(Arc::new(Loft::at("loft")))
        .users(Arc::new(Phonebook::default()))
        .main()
}
