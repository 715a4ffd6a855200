//! Benchmarks of the release binary against a bare actix-web server, both over loopback in one
//! run. It informs and does not assert: the exit status says whether every request succeeded, not
//! how fast it was. `docs/benchmarks.md` explains every row.

mod bare;
mod calls;
mod flows;
mod footprint;
mod growth;
mod http;
mod installation;
mod load;
mod nodes;
mod pgbench;
mod proxy;
mod redis_benchmark;
mod replay;
mod report;
mod requests;
mod server;
mod store;
mod tool;
mod trips;
mod usage;
mod value;
mod wire;

use std::error::Error;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::report::Report;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How often every figure is measured.
const ROUNDS: usize = 5;

/// How long one measurement of a rate takes.
const WINDOW: Duration = Duration::from_secs(3);

const GROUPS: [&str; 7] = [
    "requests", "flows", "trips", "nodes", "start", "pending", "growth",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [command, bind] if command == "bare" => bare::serve(bind),
        groups => on_disk(groups).and_then(|()| run(groups)),
    };
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    // Nobody is left to tell if even this cannot be written.
    let _ = writeln!(io::stderr(), "phone-auth-bench: {error}");
    ExitCode::FAILURE
}

/// Starts itself anew, unless the folder for temporary files is on the disk already: there the
/// database servers keep their data.
fn on_disk(groups: &[String]) -> Result<()> {
    const KEY: &str = "TMPDIR";
    let folder = installation::data_folder()?;
    if std::env::var_os(KEY).is_some_and(|set| set == folder) {
        return Ok(());
    }
    let mut anew = Command::new(std::env::current_exe()?);
    // Comes back only if it fails.
    Err(anew.args(groups).env(KEY, folder).exec().into())
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
    let sync = installation::sync_time()?;
    writeln!(
        out,
        "{cores} cores; {ROUNDS} rounds; the disk keeps a page in {sync:.0?}\n"
    )?;
    let mut report = Report::new(&mut out)?;
    let wanted = |group: &str| wanted.is_empty() || wanted.iter().any(|w| w == group);
    let mut failures = Vec::new();
    for group in GROUPS.into_iter().filter(|group| wanted(group)) {
        let outcome = match group {
            "requests" => requests::measure(&mut report).await,
            "flows" => flows::measure(&mut report).await,
            "trips" => trips::measure(&mut report).await,
            "nodes" => nodes::measure(&mut report).await,
            "start" => footprint::measure_start(&mut report).await,
            "pending" => footprint::measure_pending(&mut report).await,
            _ => growth::measure(&mut report).await,
        };
        // The others are still worth knowing.
        failures.extend(outcome.err().map(|error| format!("{group}: {error}")));
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(failures.join("\n").into())
}
