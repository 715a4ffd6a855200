//! Redis loses everything: it is started empty, or somebody flushes it. No code signs in twice, no
//! phone has more guesses, and everybody stays signed in.

use servers::Redis;

use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_restarted_empty_under_load() {
    emptied(|redis| {
        redis.kill();
        redis.restart();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_flushed_under_load() {
    emptied(|redis| drop(redis.cli(&["FLUSHALL"]))).await;
}

async fn emptied(empty: impl Fn(&Redis)) {
    let redis = Redis::start();
    let world = World::start(Stores::shared_postgres().with_redis(&redis)).await;
    let round = async |world: &mut World| {
        for _ in 0..3 {
            let before = world.now();
            empty(&redis);
            world.lost_since(before);
            world.some_time(800).await;
        }
    };
    world.under_load(round).await;
}
