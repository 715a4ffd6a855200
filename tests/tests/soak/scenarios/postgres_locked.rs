//! Somebody locks the table of sessions for seconds.

use servers::{Postgres, psql};
use tokio::task::spawn_blocking;

use crate::parts::SESSIONS;
use crate::stores::Stores;
use crate::world::World;

const LOCK: &str = "BEGIN; LOCK TABLE phone_auth.sessions; SELECT pg_sleep(3); COMMIT";

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_sessions_is_locked_under_load() {
    let postgres = Postgres::start();
    let url = postgres.database();
    let world = World::start(Stores::postgres(&url)).await;
    let round = async |world: &mut World| {
        let url = url.clone();
        let locked = spawn_blocking(move || psql(&url, LOCK));
        world.some_time(500).await;
        world.without(&SESSIONS, 2000).await;
        locked.await.expect("nobody panics");
    };
    world.under_load(round).await;
}
