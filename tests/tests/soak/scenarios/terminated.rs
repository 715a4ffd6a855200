//! A process is told to end under load: it answers and delivers what it has begun.

use servers::Redis;

use crate::client::PROCESSES;
use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn processes_on_one_file_are_told_to_end_under_load() {
    terminated(Stores::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_on_redis_and_postgres_are_told_to_end_under_load() {
    let redis = Redis::start();
    terminated(Stores::shared_postgres().with_redis(&redis)).await;
}

async fn terminated(stores: Stores) {
    // Longer than it serves on: when it ends, messages are under way.
    let slow = stores.set("sms.gateways.stub.delay", "1s");
    let world = World::start(slow).await;
    let round = async |world: &mut World| {
        for _ in 0..3 {
            let one = world.rng.below(PROCESSES);
            world.terminate(one).await;
            world.some_time(200).await;
            world.restart(one).await;
            world.some_time(800).await;
        }
    };
    world.under_load(round).await;
}
