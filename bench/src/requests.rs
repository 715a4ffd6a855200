//! CPU time of single calls, as multiples of what the bare server spends on the same bytes.

use std::time::Instant;

use aws_lc_rs::signature::Ed25519KeyPair;

use crate::calls::{access_tokens, ask, fresh_phone, proofs, session_check, sign_in};
use crate::load::{CONNECTIONS, Until, drive};
use crate::report::{Report, Samples, Target};
use crate::server::Server;
use crate::store::Store;
use crate::{ROUNDS, Result};

/// How many requests of any kind the bare server gets a round.
const BARE_COUNT: usize = 40_000;

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
            Self::Ask => 20_000,
            Self::FirstCheck => 5_000,
            Self::SignIn => 8_000,
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
    stores: [Vec<f64>; STORES.len()],
}

const STORES: [Store; 3] = [Store::Memory, Store::Sqlite, Store::Redis];

/// Every call on the bare server and on the stores, in turn.
pub(crate) async fn measure(report: &mut Report<'_>) -> Result<()> {
    let bare = Server::bare()?;
    let servers = STORES.map(Server::product);
    let servers: Vec<Server> = servers.into_iter().collect::<Result<_>>()?;
    for call in Call::ALL {
        let mut costs = Costs::default();
        for _ in 0..ROUNDS {
            for (i, server) in servers.iter().enumerate() {
                let requests = call.requests(server).await?;
                if i == 0 {
                    // The bare server believes anything, so it gets the very bytes that the
                    // product gets.
                    let on_bare = cost(&bare, &requests, BARE_COUNT).await?;
                    costs.bare.push(on_bare);
                    costs.yardstick.push(on_bare + call.signature_cost()?);
                }
                costs.stores[i].push(cost(server, &requests, call.count()).await?);
            }
        }
        rows(report, call, costs)?;
    }
    Ok(())
}

async fn cost(server: &Server, requests: &[Vec<u8>], count: usize) -> Result<f64> {
    let before = server.cpu()?;
    let load = drive(
        &[server.address],
        CONNECTIONS,
        Until::Count(count),
        async |client, i| {
            let request = &requests[i % requests.len()];
            client.expect(request).await.map(drop)
        },
    )
    .await?;
    Ok(load.cost(server.cpu()? - before))
}

fn rows(report: &mut Report<'_>, call: Call, costs: Costs) -> Result<()> {
    let name = call.name();
    let yardstick = match call {
        Call::SignIn => "(bare + signature)",
        _ => "bare",
    };
    let mut ratio = |what: &str, of: &[f64], to: &[f64], target| {
        let ratios = Samples::ratios(of, to);
        report.row(format!("{name}: {what}"), "×", ratios, target)
    };
    let [memory, sqlite, redis] = &costs.stores;
    let bare = &costs.yardstick;
    ratio(
        &format!("memory ÷ {yardstick}"),
        memory,
        bare,
        call.target(),
    )?;
    ratio(&format!("sqlite ÷ {yardstick}"), sqlite, bare, Target::None)?;
    ratio("redis ÷ memory", redis, memory, Target::AtMost(2.0))?;
    let stores = STORES.map(Store::name).into_iter().zip(costs.stores);
    for (server, costs) in [("bare", costs.bare)].into_iter().chain(stores) {
        let costs = costs.into_iter().collect();
        report.row(
            format!("{name}: {server}"),
            "CPU ms/1,000",
            costs,
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
