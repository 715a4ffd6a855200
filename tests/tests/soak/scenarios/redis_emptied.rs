//! Redis loses everything: it is started empty, or somebody flushes it. No code signs in twice, no
//! phone has more guesses, and everybody stays signed in.

use servers::Redis;

use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn redis_beside_postgres_is_restarted_empty_under_load() {
    emptied(Stores::shared_postgres(), |redis| {
        redis.kill();
        redis.restart();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_beside_postgres_is_flushed_under_load() {
    emptied(Stores::shared_postgres(), flush).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_beside_one_file_is_flushed_under_load() {
    emptied(Stores::sqlite(), flush).await;
}

fn flush(redis: &Redis) {
    redis.cli(&["FLUSHALL"]);
}

async fn emptied(database: Stores, empty: impl Fn(&Redis)) {
    let redis = Redis::start();
    let world = World::start(database.with_redis(&redis)).await;
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
