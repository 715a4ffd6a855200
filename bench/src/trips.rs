//! Round trips to the stores, counted: how many a use case makes, and for how many it waits.

use std::rc::Rc;
use std::time::Duration;

use crate::ROUNDS;
use crate::Result;
use crate::calls::{ask, flow, fresh_phone, prove, refresh, session_check, sign_in, sign_out};
use crate::http::Client;
use crate::installation::Installation;
use crate::proxy::{Asked, Lines};
use crate::replay::SILENCE;
use crate::report::{Report, Samples, Target};
use crate::server::Server;
use crate::store::Store;

/// How much later every answer of a store arrives: longer than calls that are made together are
/// apart, so that none of them is answered before the last of them is made.
const DISTANCE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy)]
enum UseCase {
    Ask,
    SignIn,
    Check,
    Refresh,
    SignOut,
}

impl UseCase {
    const ALL: [Self; 5] = [
        Self::Ask,
        Self::SignIn,
        Self::Check,
        Self::Refresh,
        Self::SignOut,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask for a code",
            Self::SignIn => "sign in",
            Self::Check => "session check",
            Self::Refresh => "refresh",
            Self::SignOut => "sign out",
        }
    }

    /// Of the round trips that a caller waits for, one after the other.
    const fn target(self) -> Target {
        match self {
            Self::Ask => Target::AtMost(2.0),
            Self::SignIn => Target::AtMost(5.0),
            Self::Check => Target::AtMost(1.0),
            Self::Refresh | Self::SignOut => Target::None,
        }
    }

    /// One call of it, which will succeed.
    async fn request(self, client: &mut Client) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Ask => ask(&fresh_phone()),
            Self::SignIn => sign_in(&prove(client).await?),
            Self::Check => session_check(&flow(client).await?.access_token),
            Self::Refresh => refresh(&flow(client).await?),
            Self::SignOut => sign_out(&flow(client).await?.access_token),
        })
    }
}

/// Every use case on every store that is a server.
pub(crate) async fn measure(report: &mut Report<'_>) -> Result<()> {
    for store in [Store::RedisPostgres, Store::Postgres] {
        let lines = Lines::to(store)?;
        let server = Server::node(&Rc::new(Installation::on(store)?.over(&lines)))?;
        let mut client = Client::connect(server.address).await?;
        for use_case in UseCase::ALL {
            count(report, store, use_case, &lines, &mut client).await?;
        }
    }
    Ok(())
}

async fn count(
    report: &mut Report<'_>,
    store: Store,
    use_case: UseCase,
    lines: &Lines,
    client: &mut Client,
) -> Result<()> {
    // The first opens connections and loads scripts.
    once(use_case, lines, client, Duration::ZERO).await?;
    let (mut waited, mut in_postgres, mut in_redis) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (depth, asked) = once(use_case, lines, client, DISTANCE).await?;
        waited.push(depth as f64);
        in_postgres.push(asked.postgres.len() as f64);
        in_redis.push(asked.redis.len() as f64);
    }
    let name = format!("{}, {}", use_case.name(), store.name());
    let mut row = |what: &str, trips: Vec<f64>, target| {
        let trips = trips.into_iter().collect::<Samples>();
        report.row(format!("{name}: {what}"), "round trips", trips, target)
    };
    row("in sequence", waited, use_case.target())?;
    row("all to PostgreSQL", in_postgres, Target::None)?;
    if store.uses_redis() {
        row("all to Redis", in_redis, Target::None)?;
    }
    Ok(())
}

/// For how many round trips one call waits, and what it asks for in all: also after its answer.
async fn once(
    use_case: UseCase,
    lines: &Lines,
    client: &mut Client,
    distance: Duration,
) -> Result<(usize, Asked)> {
    let request = use_case.request(client).await?;
    tokio::time::sleep(SILENCE).await;
    lines.take();
    lines.delay(distance);
    let answered = client.expect(&request).await.map(drop);
    let depth = lines.depth();
    tokio::time::sleep(distance + SILENCE).await;
    lines.delay(Duration::ZERO);
    answered?;
    Ok((depth, lines.take()))
}
