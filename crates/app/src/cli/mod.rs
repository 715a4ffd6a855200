//! The command line.

mod check;
mod health;
mod keys;
mod sms;
mod users;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::builder::Overrides;
use crate::config::{Config, Sources};
use crate::start::{self, StartError};
use crate::{telemetry, wiring};

/// Sign people in by phone: a number goes in, a code goes out by SMS, a session comes out.
#[derive(Parser)]
#[command(name = "phone-auth", version, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  phone-auth                                     serve with config/default.toml, if it is there
  phone-auth --config /etc/phone-auth.toml       serve with a file of your own
  phone-auth --set server.bind=127.0.0.1:8081    serve elsewhere
  phone-auth config                              what is in force, and where it was set

Exit status: 0 done, 1 failed, 2 wrong usage or configuration.";

#[derive(Args)]
struct Settings {
    /// Read this file instead of config/default.toml
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Set one key, above every other layer; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value, global = true)]
    set: Vec<(String, String)>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve; this is what happens without a command
    #[command(after_help = "Example:\n  phone-auth serve --set server.bind=127.0.0.1:8081")]
    Serve,
    /// Show the effective configuration, and the layer each value came from
    #[command(after_help = "Example:\n  phone-auth config --config /etc/phone-auth.toml")]
    Config,
    /// Check configuration, stores and gateways without serving
    #[command(after_help = "Example:\n  phone-auth check --config /etc/phone-auth.toml")]
    Check,
    /// Ask the running service whether it is ready, as a container's health check does
    #[command(after_help = "Example:\n  phone-auth health")]
    Health,
    /// Bring the schema of the stores up to date
    #[command(after_help = "Example:\n  phone-auth migrate")]
    Migrate,
    /// See and rotate the keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Look after one user
    #[command(subcommand)]
    Users(users::Users),
    /// Try the gateways
    #[command(subcommand)]
    Sms(sms::Sms),
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("write KEY=VALUE, such as code.length=8")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{0}")]
    Said(String),
    #[error("cannot write the answer: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Self::Start(error) => error.status(),
            Self::Said(_) | Self::Output(_) => 1,
        }
    }
}

type Outcome = Result<(), Failure>;

/// Runs the command that this process was called with.
pub(crate) fn main(given: &Overrides) -> ExitCode {
    let cli = Cli::parse();
    let outcome = run(&cli, given);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "{failure}");
            ExitCode::from(failure.status())
        }
    }
}

fn run(cli: &Cli, given: &Overrides) -> Outcome {
    let config = load(&cli.settings)?;
    match &cli.command {
        None | Some(Command::Serve) => {
            telemetry::log_to_stdout(&config.log);
            Ok(block_on(start::serve(config, given))??)
        }
        Some(Command::Config) => show(&config),
        Some(Command::Check) => block_on(check::run(&config, given))?,
        Some(Command::Health) => health::run(&config),
        Some(Command::Migrate) => block_on(migrate(&config))?,
        Some(Command::Keys(keys)) => keys.run(&config, given),
        Some(Command::Users(users)) => block_on(users.run(&config, given))?,
        Some(Command::Sms(sms)) => block_on(sms.run(&config, given))?,
    }
}

fn load(settings: &Settings) -> Result<Config, StartError> {
    let sources = Sources::of_process(settings.config.clone(), settings.set.clone());
    Ok(Config::load(&sources)?)
}

/// How long threads may take to end, once the work is done.
const PARTING: Duration = Duration::from_millis(250);

/// One thread beside the servers' own: it delivers messages and sweeps stores.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?;
    let done = runtime.block_on(work);
    // Not by dropping it: that waits for a lookup of a name for as long as the resolver likes.
    runtime.shutdown_timeout(PARTING);
    Ok(done)
}

fn show(config: &Config) -> Outcome {
    let mut out = std::io::stdout().lock();
    for setting in config.effective() {
        writeln!(out, "{setting}")?;
    }
    Ok(())
}

async fn migrate(config: &Config) -> Outcome {
    let stores = wiring::stores::migrate(config).await?;
    let mut out = std::io::stdout().lock();
    if stores.is_empty() {
        writeln!(out, "no configured store has a schema")?;
    }
    for (store, steps) in stores {
        match steps {
            0 => writeln!(out, "{store}: the schema is up to date")?,
            1 => writeln!(out, "{store}: 1 migration applied")?,
            n => writeln!(out, "{store}: {n} migrations applied")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_thread_that_is_stuck_does_not_keep_a_command_from_its_end() {
        let (give_up, stuck) = mpsc::channel::<()>();
        let begun = Instant::now();
        let work = async {
            let (start, started) = tokio::sync::oneshot::channel();
            tokio::task::spawn_blocking(move || {
                let _ = start.send(());
                stuck.recv_timeout(Duration::from_secs(10))
            });
            started.await
        };
        block_on(work).unwrap().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(give_up);
    }
}
