//! Closed-loop load: every connection sends its next request when it has the last answer.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;

use crate::Result;
use crate::http::Client;

/// No load runs longer, whatever its count.
const LONGEST: Duration = Duration::from_secs(60);

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
}

/// Runs `step` with the numbers `0..count`, spread over `connections` at once.
///
/// # Errors
/// The first step that fails ends the load: a figure over failed requests says nothing.
pub(crate) async fn drive<F>(
    server: SocketAddr,
    connections: usize,
    count: usize,
    step: F,
) -> Result<Load>
where
    F: AsyncFn(&mut Client, usize) -> Result<()>,
{
    let mut clients = Vec::with_capacity(connections);
    for _ in 0..connections {
        clients.push(Client::connect(server).await?);
    }
    let (next, started) = (Cell::new(0), Instant::now());
    let running: FuturesUnordered<_> = clients
        .into_iter()
        .map(|client| one(client, &next, count, started, &step))
        .collect();
    let latencies = running.try_concat().await?;
    let elapsed = started.elapsed();
    if latencies.len() < count {
        return Err(format!(
            "only {} of {count} done after {elapsed:.0?}",
            latencies.len()
        )
        .into());
    }
    Ok(Load { latencies, elapsed })
}

async fn one<F>(
    mut client: Client,
    next: &Cell<usize>,
    count: usize,
    started: Instant,
    step: &F,
) -> Result<Vec<Duration>>
where
    F: AsyncFn(&mut Client, usize) -> Result<()>,
{
    let mut latencies = Vec::new();
    loop {
        let (i, begun) = (next.get(), Instant::now());
        if i == count || begun - started > LONGEST {
            return Ok(latencies);
        }
        next.set(i + 1);
        step(&mut client, i).await?;
        latencies.push(begun.elapsed());
    }
}
