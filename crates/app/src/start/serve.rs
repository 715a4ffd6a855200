//! Serving, from the announcement to the end of the process.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Running, StartError, start};
use crate::builder::Overrides;
use crate::config::Config;

/// How long after the door is shut those inside have for their request to arrive.
const LAST_CALL: Duration = Duration::from_millis(500);

/// Serves until the process is told to end, and then for `server.drain` longer, so that a load
/// balancer learns of it before it meets a closed door.
pub(crate) async fn serve(config: Config, given: &Overrides) -> Result<(), StartError> {
    let origin = config.server.public_origin.as_str().to_owned();
    let drain = config.server.drain;
    let running = start(config, given).await?;
    let mut signals = Signals::new().map_err(StartError::Server)?;
    announce(&origin, &running);
    if signals.next().await == Told::ToDrain {
        let shown = humantime::format_duration(drain);
        tracing::info!("ending in {shown}: still serving, asking callers to go elsewhere");
        running.begin_to_end();
        signals.next_within(drain).await;
        if !drain.is_zero() {
            running.shut_the_door();
            signals.next_within(LAST_CALL).await;
        }
    }
    tracing::info!("ending: no new calls, messages under way are delivered");
    running.stop().await;
    tracing::info!("ended");
    Ok(())
}

/// Where to click.
fn announce(origin: &str, running: &Running) {
    tracing::info!(
        "sign in at {origin}/login (listening on {})",
        running.public
    );
    if running.outbox.is_some() && running.public.ip().is_loopback() {
        tracing::info!("read the stub gateway's messages at {origin}/dev/outbox");
    }
    tracing::info!(
        "health and metrics at http://{}/readyz and /metrics",
        running.ops
    );
}

#[derive(PartialEq, Eq)]
enum Told {
    /// The service manager's SIGTERM.
    ToDrain,
    /// Ctrl-C: somebody waits.
    ToEnd,
}

struct Signals {
    terminated: Signal,
    interrupted: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminated: signal(SignalKind::terminate())?,
            interrupted: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminated.recv() => Told::ToDrain,
            _ = self.interrupted.recv() => Told::ToEnd,
        }
    }

    /// Waits so long, or until it is told again.
    async fn next_within(&mut self, wait: Duration) {
        let _ = tokio::time::timeout(wait, self.next()).await;
    }
}
