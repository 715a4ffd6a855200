//! Redis is stopped and started again, with all it had.

use servers::Redis;

use crate::parts::REDIS;
use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_stopped_under_load() {
    let redis = Redis::start_with(&["appendonly yes", "appendfsync always"]);
    let world = World::start(Stores::shared_postgres().with_redis(&redis)).await;
    let round = async |world: &mut World| {
        redis.stop();
        world.without(&REDIS, 1500).await;
        redis.restart();
    };
    world.under_load(round).await;
}
