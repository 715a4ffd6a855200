//! A process dies between any two steps, over and over.

use servers::Redis;

use crate::client::PROCESSES;
use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn processes_on_one_file_are_killed_under_load() {
    killed(Stores::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_on_redis_and_postgres_are_killed_under_load() {
    let redis = Redis::start();
    killed(Stores::shared_postgres().with_redis(&redis)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_with_sessions_in_redis_are_killed_under_load() {
    let redis = Redis::start();
    killed(Stores::shared_postgres().with_all_but_users_in(&redis)).await;
}

async fn killed(stores: Stores) {
    let world = World::start(stores.short_lived()).await;
    let round = async |world: &mut World| {
        for _ in 0..4 {
            let one = world.rng.below(PROCESSES);
            world.kill(one);
            world.some_time(200).await;
            world.restart(one).await;
            world.some_time(800).await;
        }
    };
    world.under_load(round).await;
}
