//! Redis says nothing for five seconds, and then goes on as if nothing had been.

use servers::Redis;

use crate::parts::REDIS;
use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn redis_stalls_under_load() {
    let redis = Redis::start();
    let world = World::start(Stores::shared_postgres().with_redis(&redis)).await;
    let round = async |world: &mut World| {
        redis.pause();
        world.without(&REDIS, 5000).await;
        redis.resume();
    };
    world.under_load(round).await;
}
