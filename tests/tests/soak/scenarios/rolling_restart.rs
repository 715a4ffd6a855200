//! One process after the other is replaced behind a load balancer, and nobody notices.

use servers::Redis;

use crate::client::PROCESSES;
use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_on_one_file_fails_no_call() {
    rolled(Stores::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_on_redis_and_postgres_fails_no_call() {
    let redis = Redis::start();
    rolled(Stores::shared_postgres().with_redis(&redis)).await;
}

async fn rolled(stores: Stores) {
    let world = World::start(stores).await;
    world.balance();
    let round = async |world: &mut World| {
        for process in 0..PROCESSES {
            world.terminate(process).await;
            world.restart(process).await;
            world.until_down(&[]).await;
            world.some_time(200).await;
        }
    };
    let history = world.under_load(round).await;
    let calls = history.calls.iter();
    let failed: Vec<_> = calls.filter(|call| call.is_unknown()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
