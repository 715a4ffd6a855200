//! PostgreSQL is stopped, or dies, and is started again.

use servers::{Postgres, Redis};

use crate::parts::{EVERYTHING, USERS_AND_SESSIONS};
use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_with_everything_is_stopped_under_load() {
    let postgres = Postgres::start();
    let world = World::start(Stores::postgres(&postgres.database())).await;
    let round = async |world: &mut World| {
        postgres.stop();
        world.without(&EVERYTHING, 1500).await;
        postgres.restart();
    };
    world.under_load(round).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_beside_redis_is_stopped_under_load() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let world = World::start(Stores::postgres(&postgres.database()).with_redis(&redis)).await;
    let round = async |world: &mut World| {
        postgres.stop();
        world.without(&USERS_AND_SESSIONS, 1500).await;
        postgres.restart();
    };
    world.under_load(round).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_killed_and_restarted_under_load() {
    let postgres = Postgres::start();
    let world = World::start(Stores::postgres(&postgres.database())).await;
    let round = async |world: &mut World| {
        for _ in 0..2 {
            let before = world.now();
            postgres.kill();
            postgres.restart();
            world.unreliable_since(before);
            world.some_time(1500).await;
        }
    };
    world.under_load(round).await;
}
