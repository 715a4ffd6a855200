//! What the product takes while nobody does anything: time to start, memory to wait.

use crate::calls::{access_tokens, ask, fresh_phone};
use crate::load::{Until, drive};
use crate::report::{Report, Samples, Target};
use crate::server::Server;
use crate::store::Store;
use crate::{ROUNDS, Result};

const MIB: f64 = 1024.0 * 1024.0;

/// Codes that are pending before the count starts, so that buffers and pools have their size.
const WARM_UP: usize = 20_000;
const PENDING: usize = 200_000;

/// Time from the spawn in an empty folder to the first answer; memory after the first sign-in.
pub(crate) async fn measure_start(report: &mut Report<'_>) -> Result<()> {
    let mut figures = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let bare = Server::bare()?;
        figures[0].push(bare.started_in.as_secs_f64() * 1e3);
        figures[1].push(bare.resident()? as f64 / MIB);
        let product = Server::product(Store::Sqlite)?;
        figures[2].push(product.started_in.as_secs_f64() * 1e3);
        // Whatever is loaded late is loaded by then.
        access_tokens(&product, 1).await?;
        figures[3].push(product.resident()? as f64 / MIB);
    }
    let rows = [
        ("start: bare", "ms", Target::None),
        ("resident, idle: bare", "MiB", Target::None),
        ("start: sqlite, empty folder", "ms", Target::AtMost(100.0)),
        ("resident, idle: sqlite", "MiB", Target::AtMost(25.0)),
    ];
    for ((what, unit, target), figures) in rows.into_iter().zip(figures) {
        report.row(what, unit, figures.into_iter().collect(), target)?;
    }
    Ok(())
}

/// Memory that one more pending code takes, with its counters and indexes.
pub(crate) async fn measure_pending(report: &mut Report<'_>) -> Result<()> {
    let mut figures = Vec::new();
    for _ in 0..ROUNDS {
        let server = Server::product(Store::Memory)?;
        ask_for(&server, WARM_UP).await?;
        let before = server.resident()?;
        ask_for(&server, PENDING).await?;
        let grown = server.resident()?.saturating_sub(before);
        figures.push(grown as f64 / PENDING as f64);
    }
    let figures: Samples = figures.into_iter().collect();
    report.row(
        "resident per pending code: memory",
        "bytes",
        figures,
        Target::AtMost(500.0),
    )?;
    Ok(())
}

async fn ask_for(server: &Server, codes: usize) -> Result<()> {
    // Few at a time, so that the messages keep up: a long queue would be counted too.
    drive(
        &[server.address],
        2,
        Until::Count(codes),
        async |client, _| client.expect(&ask(&fresh_phone())).await.map(drop),
    )
    .await?;
    // Until the messages are sent and gone.
    server.cpu().map(drop)
}
