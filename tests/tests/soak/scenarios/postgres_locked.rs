//! Somebody locks the table of sessions for seconds.

use servers::Postgres;
use tokio_postgres::NoTls;

use crate::parts::SESSIONS;
use crate::stores::Stores;
use crate::world::World;

const LOCK: &str = "BEGIN; LOCK TABLE phone_auth.sessions";

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_sessions_is_locked_under_load() {
    let postgres = Postgres::start();
    let url = postgres.database();
    let world = World::start(Stores::postgres(&url)).await;
    let (somebody, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let round = async |world: &mut World| {
        somebody.batch_execute(LOCK).await.unwrap();
        world.without(&SESSIONS, 2500).await;
        somebody.batch_execute("COMMIT").await.unwrap();
    };
    world.under_load(round).await;
}
