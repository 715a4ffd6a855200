//! PostgreSQL ends the connections of the processes, again and again.

use servers::{Postgres, psql};

use crate::stores::Stores;
use crate::world::World;

const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_postgres_are_cut_under_load() {
    let postgres = Postgres::start();
    let world = World::start(Stores::postgres(&postgres.database())).await;
    let round = async |world: &mut World| {
        let before = world.now();
        let mut cut = 0;
        for _ in 0..10 {
            cut += psql(postgres.url(), CUT).lines().count();
            world.some_time(400).await;
        }
        assert!(cut > 0, "no process was connected");
        world.unreliable_since(before);
    };
    world.under_load(round).await;
}
