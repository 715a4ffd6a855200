//! Whole sign-ins: ask, read the code from the outbox, sign in.

use crate::calls::flow;
use crate::load::drive;
use crate::report::{Report, Samples, Target};
use crate::server::{Server, Store};
use crate::{ROUNDS, Result};

const CONNECTIONS: usize = 32;
const FLOWS: usize = 6000;

/// Flows per second on both stores, in turn.
pub(crate) async fn measure(report: &mut Report<'_>) -> Result<()> {
    let servers = [
        Server::product(Store::Memory)?,
        Server::product(Store::Sqlite)?,
    ];
    let (mut rates, mut costs) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    for _ in 0..ROUNDS {
        for (i, server) in servers.iter().enumerate() {
            let before = server.cpu()?;
            let load = drive(server.address, CONNECTIONS, FLOWS, async |client, _| {
                flow(client).await.map(drop)
            })
            .await?;
            rates[i].push(load.per_second());
            costs[i].push((server.cpu()? - before).as_secs_f64() * 1e6 / FLOWS as f64);
        }
    }
    let ratios = Samples::ratios(&rates[1], &rates[0]);
    report.row(
        "flows/s: sqlite ÷ memory",
        "×",
        ratios,
        Target::AtLeast(0.5),
    )?;
    for ((store, rates), costs) in ["memory", "sqlite"].into_iter().zip(rates).zip(costs) {
        let (rates, costs) = (rates.into_iter().collect(), costs.into_iter().collect());
        report.row(
            format!("whole flow: {store}"),
            "flows/s",
            rates,
            Target::None,
        )?;
        report.row(
            format!("whole flow: {store}"),
            "CPU ms/1,000",
            costs,
            Target::None,
        )?;
    }
    Ok(())
}
