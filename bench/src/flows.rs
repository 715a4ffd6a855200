//! Whole sign-ins: ask, read the code from the outbox, sign in.

use crate::calls::flow;
use crate::load::{CONNECTIONS, Until, drive};
use crate::replay::Replay;
use crate::report::{Report, Samples, Target};
use crate::server::Server;
use crate::store::Store;
use crate::{ROUNDS, Result, WINDOW, pgbench, redis_benchmark};

const STORES: [Store; 4] = [
    Store::Memory,
    Store::Sqlite,
    Store::Postgres,
    Store::RedisPostgres,
];

/// Figures of every round.
#[derive(Default)]
struct Figures {
    rates: Vec<f64>,
    p99s: Vec<f64>,
    /// CPU time of the product, in milliseconds per 1,000 flows.
    costs: Vec<f64>,
}

/// Flows per second on every store, and what the database servers do without the product, in turn.
pub(crate) async fn measure(report: &mut Report<'_>) -> Result<()> {
    let servers = STORES.map(Server::product);
    let servers: Vec<Server> = servers.into_iter().collect::<Result<_>>()?;
    let mut figures: [Figures; STORES.len()] = Default::default();
    let mut yardsticks = [
        Yardstick::of(Store::Postgres).await?,
        Yardstick::of(Store::RedisPostgres).await?,
    ];
    for _ in 0..ROUNDS {
        for (server, figures) in servers.iter().zip(&mut figures) {
            figures.measure(server).await?;
        }
        for yardstick in &mut yardsticks {
            yardstick.measure()?;
        }
    }
    let [memory, sqlite, postgres, redis_postgres] = &figures;
    let mut ratio = |what: &str, of: &Figures, to: &Figures, target| {
        let ratios = Samples::ratios(&of.rates, &to.rates);
        report.row(format!("flows/s: {what}"), "×", ratios, target)
    };
    let [pgbench, mixed_pgbench] = [&yardsticks[0].pgbench, &yardsticks[1].pgbench];
    ratio("sqlite ÷ memory", sqlite, memory, Target::AtLeast(0.5))?;
    ratio("postgres ÷ pgbench", postgres, pgbench, Target::None)?;
    let half = Target::AtLeast(0.5);
    ratio(
        "redis+postgres ÷ pgbench",
        redis_postgres,
        mixed_pgbench,
        half,
    )?;
    for (store, figures) in STORES.into_iter().zip(figures) {
        figures.rows(report, &format!("whole flow: {}", store.name()))?;
    }
    yardsticks
        .into_iter()
        .try_for_each(|yardstick| yardstick.rows(report))
}

impl Figures {
    async fn measure(&mut self, server: &Server) -> Result<()> {
        let before = server.cpu()?;
        let window = Until::Elapsed(WINDOW);
        let load = drive(&[server.address], CONNECTIONS, window, async |client, _| {
            flow(client).await.map(drop)
        })
        .await?;
        self.rates.push(load.per_second());
        self.p99s.push(load.p99_ms());
        let spent = server.cpu()? - before;
        self.costs.push(load.cost(spent));
        Ok(())
    }

    fn rows(self, report: &mut Report<'_>, what: &str) -> Result<()> {
        let columns = [
            ("flows/s", self.rates),
            ("ms, p99", self.p99s),
            ("CPU ms/1,000", self.costs),
        ];
        for (unit, figures) in columns
            .into_iter()
            .filter(|(_, figures)| !figures.is_empty())
        {
            let figures = figures.into_iter().collect();
            report.row(what, unit, figures, Target::None)?;
        }
        Ok(())
    }
}

/// What the database servers of a store do with the statements of a flow, and nothing else to do.
struct Yardstick {
    store: Store,
    replay: Replay,
    pgbench: Figures,
    redis_benchmark: Figures,
}

impl Yardstick {
    async fn of(store: Store) -> Result<Self> {
        Ok(Self {
            store,
            replay: Replay::record(store).await?,
            pgbench: Figures::default(),
            redis_benchmark: Figures::default(),
        })
    }

    fn measure(&mut self) -> Result<()> {
        let outcome = pgbench::run(&self.replay)?;
        self.pgbench.rates.push(outcome.flows_per_second);
        self.pgbench.p99s.push(outcome.p99_ms);
        if self.store.uses_redis() {
            let rate = redis_benchmark::run(&self.replay)?;
            self.redis_benchmark.rates.push(rate);
        }
        Ok(())
    }

    fn rows(self, report: &mut Report<'_>) -> Result<()> {
        let name = self.store.name();
        self.pgbench
            .rows(report, &format!("pgbench, its share of {name}"))?;
        self.redis_benchmark
            .rows(report, &format!("redis-benchmark, its share of {name}"))
    }
}
