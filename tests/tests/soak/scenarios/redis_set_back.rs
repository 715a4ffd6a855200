//! Redis dies, and comes back as it was at its last snapshot.

use servers::Redis;

use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_killed_and_set_back_under_load() {
    set_back(Stores::with_redis, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_with_sessions_is_killed_and_set_back_under_load() {
    set_back(Stores::with_all_but_users_in, &["I1", "I4", "I5", "I8"]).await;
}

async fn set_back(put: fn(Stores, &Redis) -> Stores, given_up: &'static [&'static str]) {
    let redis = Redis::start();
    let stores = put(Stores::shared_postgres(), &redis);
    let world = World::start(stores).await.giving_up(given_up);
    let round = async |world: &mut World| {
        for _ in 0..3 {
            let before = world.now();
            redis.cli(&["SAVE"]);
            world.some_time(800).await;
            redis.kill();
            redis.restart();
            world.lost_since(before);
            world.some_time(800).await;
        }
    };
    world.under_load(round).await;
}
