//! Others take all connections that PostgreSQL has to give, and those that the processes lose.

use servers::Postgres;
use tokio_postgres::NoTls;

use crate::history::Reply;
use crate::stores::Stores;
use crate::world::World;

/// Ends every connection but those of guests.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name <> 'guest' AND backend_type = 'client backend'";

#[tokio::test(flavor = "multi_thread")]
async fn postgres_has_no_connections_left_under_load() {
    let postgres = Postgres::start_with(&["max_connections = 20"]);
    let stores = Stores::postgres(&postgres.database()).set("postgres.pool", "4");
    let world = World::start(stores).await;
    let as_guest = format!("{}?application_name=guest", postgres.url());
    let round = async |world: &mut World| {
        let before = world.now();
        let mut guests = Vec::new();
        for _ in 0..10 {
            while let Ok((guest, connection)) = tokio_postgres::connect(&as_guest, NoTls).await {
                tokio::spawn(connection);
                guests.push(guest);
            }
            let cut = guests[0].batch_execute(CUT).await;
            cut.expect("a guest stays connected");
            world.some_time(200).await;
        }
        drop(guests);
        world.unreliable_since(before);
    };
    let history = world.under_load(round).await;
    let turned_away = |reply: &Reply| matches!(reply, Reply::Unavailable { .. });
    assert!(history.calls.iter().any(|call| turned_away(&call.reply)));
}
