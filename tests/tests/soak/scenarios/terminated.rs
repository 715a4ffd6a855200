//! A process is told to end under load: it answers and delivers what it has begun.

use std::time::Duration;

use servers::Redis;
use tokio::time::sleep;

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

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_wait_for_redis_are_told_to_end_under_load() {
    let redis = Redis::start();
    let world = World::start(Stores::shared_postgres().with_redis(&redis)).await;
    let round = async |world: &mut World| {
        for one in 0..PROCESSES {
            let before = world.now();
            redis.pause();
            world.some_time(100).await;
            let back_in_time = async {
                // Later than the process lets nobody in any more, earlier than its calls give up.
                sleep(Duration::from_millis(950)).await;
                redis.resume();
            };
            tokio::join!(world.terminate(one), back_in_time);
            world.unreliable_since(before);
            world.restart(one).await;
            world.some_time(800).await;
        }
    };
    world.under_load(round).await;
}
