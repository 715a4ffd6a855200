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

/// How many requests of any kind the bare server gets a round.
const BARE_COUNT: usize = 80_000;

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

    /// How many a round: CPU time is counted in ticks of 10 ms, so some are needed.
    const fn count(self) -> usize {
        match self {
            Self::Check => BARE_COUNT,
            Self::Ask => 40_000,
            Self::FirstCheck => 10_000,
            Self::SignIn => 20_000,
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
        let checks = async |sessions| -> Result<_> {
            let tokens = access_tokens(server, sessions).await?;
            Ok(tokens.iter().map(|token| session_check(token)).collect())
        };
        match self {
            Self::Check => checks(1000).await,
            Self::FirstCheck => checks(self.count()).await,
            Self::Ask => Ok((0..self.count()).map(|_| ask(&fresh_phone())).collect()),
            Self::SignIn => {
                let proofs = proofs(server, self.count()).await?;
                Ok(proofs.iter().map(sign_in).collect())
            }
        }
    }

    /// What of the yardstick is no HTTP: milliseconds that 1,000 of its signatures take.
    fn signature_cost(self) -> Result<f64> {
        if self == Self::SignIn {
            ed25519_cost()
        } else {
            Ok(0.0)
        }
    }
}

/// What a call cost in each round, in milliseconds of CPU time per 1,000.
#[derive(Default)]
struct Costs {
    bare: Vec<f64>,
    /// What the product is compared with: the bare server, and the signature of a sign-in.
    yardstick: Vec<f64>,
    memory: Vec<f64>,
    sqlite: Vec<f64>,
}

/// Every call on the bare server and on both stores, in turn.
pub(crate) async fn measure(report: &mut Report<'_>) -> Result<()> {
    let bare = Server::bare()?;
    let memory = Server::product(Store::Memory)?;
    let sqlite = Server::product(Store::Sqlite)?;
    for call in Call::ALL {
        let mut costs = Costs::default();
        for _ in 0..ROUNDS {
            // The bare server believes anything, so it gets the very bytes that the product gets.
            let requests = call.requests(&memory).await?;
            let on_bare = cost(&bare, &requests, BARE_COUNT).await?;
            costs.bare.push(on_bare);
            costs.yardstick.push(on_bare + call.signature_cost()?);
            costs
                .memory
                .push(cost(&memory, &requests, call.count()).await?);
            let requests = call.requests(&sqlite).await?;
            costs
                .sqlite
                .push(cost(&sqlite, &requests, call.count()).await?);
        }
        rows(report, call, costs)?;
    }
    Ok(())
}

async fn cost(server: &Server, requests: &[Vec<u8>], count: usize) -> Result<f64> {
    let before = server.cpu()?;
    drive(server.address, CONNECTIONS, count, async |client, i| {
        let request = &requests[i % requests.len()];
        client.expect(request).await.map(drop)
    })
    .await?;
    let spent = server.cpu()? - before;
    Ok(spent.as_secs_f64() * 1e6 / count as f64)
}

fn rows(report: &mut Report<'_>, call: Call, costs: Costs) -> Result<()> {
    let name = call.name();
    let yardstick = if call == Call::SignIn {
        "(bare + signature)"
    } else {
        "bare"
    };
    let on_memory = Samples::ratios(&costs.memory, &costs.yardstick);
    let on_sqlite = Samples::ratios(&costs.sqlite, &costs.yardstick);
    report.row(
        format!("{name}: memory ÷ {yardstick}"),
        "×",
        on_memory,
        call.target(),
    )?;
    report.row(
        format!("{name}: sqlite ÷ {yardstick}"),
        "×",
        on_sqlite,
        Target::None,
    )?;
    let servers = [
        ("bare", costs.bare),
        ("memory", costs.memory),
        ("sqlite", costs.sqlite),
    ];
    for (server, costs) in servers {
        let what = format!("{name}: {server}");
        report.row(
            what,
            "CPU ms/1,000",
            costs.into_iter().collect(),
            Target::None,
        )?;
    }
    Ok(())
}

/// Milliseconds that 1,000 Ed25519 signatures take: the median of many short batches, so that
/// what else runs on the machine is not in it.
fn ed25519_cost() -> Result<f64> {
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
