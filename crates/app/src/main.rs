//! The `phone-auth` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    app::Builder::new().main()
}
