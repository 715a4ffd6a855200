//! Redis is stopped and started again, with all it had.

use servers::Redis;

use crate::parts::{ALL_BUT_USERS, Part, REDIS};
use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_stopped_under_load() {
    stopped(Stores::with_redis, &REDIS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_with_sessions_is_stopped_under_load() {
    stopped(Stores::with_all_but_users_in, &ALL_BUT_USERS).await;
}

async fn stopped(put: fn(Stores, &Redis) -> Stores, part: &Part) {
    let redis = Redis::start_with(&["appendonly yes", "appendfsync always"]);
    let world = World::start(put(Stores::shared_postgres(), &redis)).await;
    let round = async |world: &mut World| {
        redis.stop();
        world.without(part, 1500).await;
        redis.restart();
    };
    world.under_load(round).await;
}
