//! Flows per second with one, two and three processes of the product on the same stores, and what
//! takes the CPU time of a flow.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::calls::flow;
use crate::installation::Installation;
use crate::load::{CONNECTIONS, Until, drive};
use crate::proxy::Lines;
use crate::report::{Report, Samples, Target};
use crate::server::Server;
use crate::store::{Store, postgres_cpu, redis_cpu};
use crate::{ROUNDS, Result, WINDOW, usage};

const MOST: usize = 3;

/// How late answers of stores arrive that are some way off.
const DISTANCE: Duration = Duration::from_millis(20);

/// Connections to PostgreSQL of each process there: what limits a process is waiting, and not the
/// machine that all of them share.
const FEW: usize = 4;

/// With the stores beside the product, where the machine is the limit, and at a distance.
pub(crate) async fn measure(report: &mut Report<'_>) -> Result<()> {
    let near = Installation::on(Store::RedisPostgres)?;
    let rounds = Rounds::run(near).await?;
    rounds.rates(report, "stores near", Target::None)?;
    rounds.costs(report)?;
    let lines = Lines::to(Store::RedisPostgres)?;
    lines.delay(DISTANCE);
    let far = Installation::on(Store::RedisPostgres)?
        .over(&lines)
        .with("POSTGRES__POOL", FEW.to_string());
    let rounds = Rounds::run(far).await?;
    rounds.rates(report, "stores 20 ms off", Target::AtLeast(0.85))
}

/// Figures of every round, by the number of processes less one.
#[derive(Default)]
struct Rounds {
    rates: [Vec<f64>; MOST],
    /// CPU time of [`PARTS`], in milliseconds per 1,000 flows.
    costs: [[Vec<f64>; PARTS.len()]; MOST],
    /// CPU time per time: how many cores were busy with it.
    busy: [Vec<f64>; MOST],
}

const PARTS: [&str; 4] = ["product", "PostgreSQL", "Redis", "this client"];

impl Rounds {
    async fn run(installation: Installation) -> Result<Self> {
        let installation = Rc::new(installation);
        let nodes: Vec<Server> = (0..MOST)
            .map(|_| Server::node(&installation))
            .collect::<Result<_>>()?;
        let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
        let mut rounds = Self::default();
        for _ in 0..ROUNDS {
            for n in 0..MOST {
                let before = cpu_times(&nodes)?;
                let window = Until::Elapsed(WINDOW);
                let load = drive(&addresses[..=n], CONNECTIONS, window, async |client, _| {
                    flow(client).await.map(drop)
                })
                .await?;
                let after = cpu_times(&nodes)?;
                let spent: [Duration; PARTS.len()] = std::array::from_fn(|i| after[i] - before[i]);
                rounds.rates[n].push(load.per_second());
                for (costs, spent) in rounds.costs[n].iter_mut().zip(spent) {
                    costs.push(load.cost(spent));
                }
                let busy: Duration = spent.iter().sum();
                rounds.busy[n].push(busy.div_duration_f64(load.elapsed));
            }
        }
        Ok(rounds)
    }

    /// `target` is for the share of what so many processes could do at best.
    fn rates(&self, report: &mut Report<'_>, place: &str, target: Target) -> Result<()> {
        for n in 0..MOST {
            let what = format!("{place}: {} of the product", n + 1);
            report.row(what, "flows/s", samples(&self.rates[n]), Target::None)?;
        }
        for n in 1..MOST {
            let times = Samples::ratios(&self.rates[n], &self.rates[0]);
            let what = format!("{place}: {} of the product ÷ 1", n + 1);
            report.row(what, "×", times, target.times(n as f64 + 1.0))?;
        }
        Ok(())
    }

    fn costs(&self, report: &mut Report<'_>) -> Result<()> {
        for n in 0..MOST {
            for (part, costs) in PARTS.iter().zip(&self.costs[n]) {
                let what = format!("a flow, {} of the product: {part}", n + 1);
                report.row(what, "CPU ms/1,000", samples(costs), Target::None)?;
            }
            let what = format!("a flow, {} of the product: busy", n + 1);
            report.row(what, "cores", samples(&self.busy[n]), Target::None)?;
        }
        Ok(())
    }
}

fn samples(figures: &[f64]) -> Samples {
    figures.iter().copied().collect()
}

/// CPU time so far of [`PARTS`], once the product is idle.
fn cpu_times(nodes: &[Server]) -> Result<[Duration; PARTS.len()]> {
    let nodes = nodes.iter().map(Server::cpu).sum::<Result<Duration>>()?;
    let own = usage::cpu(std::process::id())?;
    Ok([nodes, postgres_cpu()?, redis_cpu()?, own])
}
