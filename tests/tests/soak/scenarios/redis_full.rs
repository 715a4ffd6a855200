//! Redis has no memory left: it reads, and refuses to write.

use servers::Redis;

use crate::parts::WRITES_TO_REDIS;
use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_full_under_load() {
    let redis = Redis::start();
    let world = World::start(Stores::shared_postgres().with_redis(&redis)).await;
    let round = async |world: &mut World| {
        redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
        world.without(&WRITES_TO_REDIS, 1500).await;
        redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    };
    world.under_load(round).await;
}
