//! Benchmarks of the release binary against a bare actix-web server, both over loopback in one
//! run. It informs and does not assert: the exit status says whether every request succeeded, not
//! how fast it was. `docs/benchmarks.md` explains every row.

mod bare;
mod calls;
mod flows;
mod footprint;
mod growth;
mod http;
mod load;
mod report;
mod requests;
mod server;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::report::Report;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How often every figure is measured.
const ROUNDS: usize = 5;

const GROUPS: [&str; 5] = ["requests", "flows", "start", "pending", "growth"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [command, bind] if command == "bare" => bare::serve(bind),
        groups => run(groups),
    };
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    // Nobody is left to tell if even this cannot be written.
    let _ = writeln!(io::stderr(), "phone-auth-bench: {error}");
    ExitCode::FAILURE
}

/// Measures until all is measured, or somebody ends it: the servers end with it either way.
#[tokio::main(flavor = "current_thread")]
async fn run(wanted: &[String]) -> Result<()> {
    if let Some(unknown) = wanted.iter().find(|w| !GROUPS.contains(&w.as_str())) {
        return Err(format!("no group {unknown}: choose from {}", GROUPS.join(", ")).into());
    }
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        done = measure(wanted) => done,
        _ = terminated.recv() => Err("terminated".into()),
        _ = interrupted.recv() => Err("interrupted".into()),
    }
}

async fn measure(wanted: &[String]) -> Result<()> {
    let mut out = io::stdout();
    let cores = std::thread::available_parallelism()?;
    let sync = server::sync_time()?;
    writeln!(
        out,
        "{cores} cores; {ROUNDS} rounds; the disk keeps a page in {sync:.0?}\n"
    )?;
    let mut report = Report::new(&mut out)?;
    let wanted = |group: &str| wanted.is_empty() || wanted.iter().any(|w| w == group);
    for group in GROUPS.into_iter().filter(|group| wanted(group)) {
        match group {
            "requests" => requests::measure(&mut report).await?,
            "flows" => flows::measure(&mut report).await?,
            "start" => footprint::measure_start(&mut report).await?,
            "pending" => footprint::measure_pending(&mut report).await?,
            _ => growth::measure(&mut report).await?,
        }
    }
    Ok(())
}
