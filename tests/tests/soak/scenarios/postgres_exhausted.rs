//! Others take all connections that PostgreSQL has to give, and those that the processes lose.

use servers::Postgres;
use tokio_postgres::NoTls;

use crate::parts::EVERYTHING;
use crate::stores::Stores;
use crate::world::World;

const CONNECTIONS: usize = 20;

/// Ends every connection but those of guests.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name <> 'guest' AND backend_type = 'client backend'";

#[tokio::test(flavor = "multi_thread")]
async fn postgres_has_no_connections_left_under_load() {
    let most = format!("max_connections = {CONNECTIONS}");
    let postgres = Postgres::start_with(&[&most]);
    let stores = Stores::postgres(&postgres.database()).set("postgres.pool", "4");
    let world = World::start(stores).await;
    let as_guest = format!("{}?application_name=guest", postgres.url());
    let round = async |world: &mut World| {
        let before = world.now();
        let mut guests = Vec::new();
        while guests.len() < CONNECTIONS {
            match tokio_postgres::connect(&as_guest, NoTls).await {
                Ok((guest, connection)) => {
                    tokio::spawn(connection);
                    guests.push(guest);
                }
                Err(_) => {
                    let cut = guests[0].batch_execute(CUT).await;
                    cut.expect("a guest stays connected");
                }
            }
        }
        world.unreliable_since(before);
        // Now the processes have none.
        world.without(&EVERYTHING, 1500).await;
        drop(guests);
    };
    world.under_load(round).await;
}
