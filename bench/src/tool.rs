//! Runs the benchmarks that come with the database servers.

use std::io::ErrorKind;
use std::process::Command;

use crate::Result;

/// What a command writes; it has to succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            format!("{program} is missing: install it with `sh scripts/install-tools`")
        }
        _ => format!("{program} does not run: {error}"),
    })?;
    // redis-benchmark repeats its command, which is no UTF-8.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let trouble = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} fails: {trouble}{text}").into())
}
