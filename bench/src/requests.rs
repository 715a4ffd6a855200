//! CPU time of single calls, as multiples of what the bare server spends on the same bytes.

use std::time::Instant;

use aws_lc_rs::signature::Ed25519KeyPair;

use crate::calls::{access_tokens, ask, fresh_phone, proofs, session_check, sign_in};
use crate::load::drive;
use crate::report::{Report, Samples, Target};
use crate::server::{Server, Store};
use crate::{ROUNDS, Result};

/// Enough that no worker of a small machine waits for the client.
const CONNECTIONS: usize = 16;

/// How long the part of a token is that its signature covers, about.
const SIGNED_BYTES: usize = 400;

#[derive(Clone, Copy, PartialEq)]
enum Call {
    Check,
    FirstCheck,
    Ask,
    SignIn,
}

impl Call {
    const ALL: [Self; 4] = [Self::Check, Self::FirstCheck, Self::Ask, Self::SignIn];

    const fn name(self) -> &'static str {
        match self {
            Self::Check => "session check",
            Self::FirstCheck => "session check, token's first",
            Self::Ask => "ask for a code",
            Self::SignIn => "sign in",
        }
    }

    /// How many a round: about a second of CPU time, which is counted in ticks of 10 ms.
    const fn count(self) -> usize {
        match self {
            Self::Check => 60_000,
            Self::Ask => 30_000,
            Self::FirstCheck | Self::SignIn => 10_000,
        }
    }

    const fn target(self) -> Target {
        match self {
            Self::Check => Target::AtMost(1.8),
            Self::FirstCheck => Target::None,
            Self::Ask => Target::AtMost(2.0),
            Self::SignIn => Target::AtMost(1.6),
        }
    }

    /// Requests of this call that `server` accepts; used in turn, where they are fewer than the
    /// count.
    async fn requests(self, server: &Server) -> Result<Vec<Vec<u8>>> {
        let sessions = match self {
            Self::Check => 1000,
            Self::FirstCheck => self.count(),
            Self::Ask => return Ok((0..self.count()).map(|_| ask(&fresh_phone())).collect()),
            Self::SignIn => {
                return Ok(proofs(server, self.count())
                    .await?
                    .iter()
                    .map(sign_in)
                    .collect());
            }
        };
        let tokens = access_tokens(server, sessions).await?;
        Ok(tokens.iter().map(|token| session_check(token)).collect())
    }

    /// Milliseconds of CPU time that `server` spends on 1,000 of them.
    async fn cost(self, server: &Server, requests: &[Vec<u8>]) -> Result<f64> {
        let before = server.cpu()?;
        drive(
            server.address,
            CONNECTIONS,
            self.count(),
            async |client, i| client.expect(&requests[i % requests.len()]).await.map(drop),
        )
        .await?;
        let spent = server.cpu()? - before;
        Ok(spent.as_secs_f64() * 1e6 / self.count() as f64)
    }
}

/// Every call on the bare server and on both stores, in turn.
pub(crate) async fn measure(report: &mut Report<'_>) -> Result<()> {
    let bare = Server::bare()?;
    let memory = Server::product(Store::Memory)?;
    let sqlite = Server::product(Store::Sqlite)?;
    for call in Call::ALL {
        let (mut yardsticks, mut costs) = (Vec::new(), [const { Vec::new() }; 3]);
        for _ in 0..ROUNDS {
            // The bare server believes anything, so it gets the very bytes that the product gets.
            let requests = call.requests(&memory).await?;
            costs[0].push(call.cost(&bare, &requests).await?);
            costs[1].push(call.cost(&memory, &requests).await?);
            let requests = call.requests(&sqlite).await?;
            costs[2].push(call.cost(&sqlite, &requests).await?);
            let signature = if call == Call::SignIn {
                signature_cost()?
            } else {
                0.0
            };
            yardsticks.push(costs[0][costs[0].len() - 1] + signature);
        }
        rows(report, call, &yardsticks, costs)?;
    }
    Ok(())
}

fn rows(
    report: &mut Report<'_>,
    call: Call,
    yardsticks: &[f64],
    costs: [Vec<f64>; 3],
) -> Result<()> {
    let (name, signed) = (call.name(), call == Call::SignIn);
    let yardstick = if signed { "(bare + signature)" } else { "bare" };
    for (server, target) in [(1, call.target()), (2, Target::None)] {
        let store = ["", "memory", "sqlite"][server];
        let ratios = Samples::ratios(&costs[server], yardsticks);
        report.row(
            format!("{name}: {store} ÷ {yardstick}"),
            "×",
            ratios,
            target,
        )?;
    }
    for (server, costs) in ["bare", "memory", "sqlite"].into_iter().zip(costs) {
        let samples = costs.into_iter().collect();
        report.row(
            format!("{name}: {server}"),
            "CPU ms/1,000",
            samples,
            Target::None,
        )?;
    }
    Ok(())
}

/// Milliseconds that 1,000 Ed25519 signatures take: the median of many short batches, so that
/// what else runs on the machine is not in it.
fn signature_cost() -> Result<f64> {
    let key = Ed25519KeyPair::generate().map_err(|_| "no Ed25519 key could be made")?;
    let message = [b'x'; SIGNED_BYTES];
    let batch = || {
        let begun = Instant::now();
        for _ in 0..100 {
            std::hint::black_box(key.sign(std::hint::black_box(&message)));
        }
        begun.elapsed().as_secs_f64() * 1e4
    };
    Ok(std::iter::repeat_with(batch)
        .take(50)
        .collect::<Samples>()
        .median())
}
