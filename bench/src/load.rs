//! Closed-loop load: every connection sends its next request when it has the last answer.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;

use crate::Result;
use crate::http::Client;

/// Connections at once, unless a group has its reasons: enough that no worker of a small machine
/// waits for the client.
pub(crate) const CONNECTIONS: usize = 32;

/// No load of so many steps runs longer.
const LONGEST: Duration = Duration::from_secs(60);

/// When a load starts no more steps.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Count(usize),
    Elapsed(Duration),
}

impl Until {
    fn is_over(self, started: usize, elapsed: Duration) -> bool {
        match self {
            Self::Count(count) => started >= count || elapsed > LONGEST,
            Self::Elapsed(most) => elapsed >= most,
        }
    }
}

/// What a load came to.
pub(crate) struct Load {
    /// How long each step took, in the order they ended per connection.
    pub(crate) latencies: Vec<Duration>,
    /// First step to last answer.
    pub(crate) elapsed: Duration,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Milliseconds of CPU time that 1,000 steps took, of so much `spent` on all.
    pub(crate) fn cost(&self, spent: Duration) -> f64 {
        spent.as_secs_f64() * 1e6 / self.latencies.len() as f64
    }

    /// Milliseconds that all steps but one in a hundred took at most.
    pub(crate) fn p99_ms(&self) -> f64 {
        let latencies = self.latencies.iter();
        p99(latencies
            .map(|latency| latency.as_secs_f64() * 1e3)
            .collect())
    }
}

/// What all but one in a hundred of the figures stay within.
pub(crate) fn p99(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let last = figures.len().saturating_sub(1);
    figures.get(last * 99 / 100).copied().unwrap_or(f64::NAN)
}

/// Runs `step` with the numbers from 0, spread over `connections` at once, which are spread over
/// the servers.
///
/// # Errors
/// The first step that fails ends the load: a figure over failed requests says nothing.
pub(crate) async fn drive<F>(
    servers: &[SocketAddr],
    connections: usize,
    until: Until,
    step: F,
) -> Result<Load>
where
    F: AsyncFn(&mut Client, usize) -> Result<()>,
{
    let mut clients = Vec::with_capacity(connections);
    for server in servers.iter().cycle().take(connections) {
        clients.push(Client::connect(*server).await?);
    }
    let (next, started) = (Cell::new(0), Instant::now());
    let running: FuturesUnordered<_> = clients
        .into_iter()
        .map(|client| one(client, &next, until, started, &step))
        .collect();
    let latencies = running.try_concat().await?;
    let (done, elapsed) = (latencies.len(), started.elapsed());
    match until {
        Until::Count(count) if done < count => {
            Err(format!("only {done} of {count} done after {elapsed:.0?}").into())
        }
        _ => Ok(Load { latencies, elapsed }),
    }
}

async fn one<F>(
    mut client: Client,
    next: &Cell<usize>,
    until: Until,
    started: Instant,
    step: &F,
) -> Result<Vec<Duration>>
where
    F: AsyncFn(&mut Client, usize) -> Result<()>,
{
    let mut latencies = Vec::new();
    loop {
        let (i, begun) = (next.get(), Instant::now());
        if until.is_over(i, begun - started) {
            return Ok(latencies);
        }
        next.set(i + 1);
        step(&mut client, i).await?;
        latencies.push(begun.elapsed());
    }
}
