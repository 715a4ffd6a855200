//! The master that has the codes, and then the one that has the limits, dies; its replica takes over,
//! perhaps without the last writes.

use servers::RedisCluster;

use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn masters_of_a_cluster_die_under_load() {
    let cluster = RedisCluster::start();
    let world = World::start(Stores::shared_postgres().with_cluster(&cluster)).await;
    let round = async |world: &mut World| {
        for key in ["{codes}", "{rate_limits}"] {
            let before = world.now();
            let dead = cluster.kill_master_of(key);
            cluster.master_of(key);
            world.works_again().await;
            world.lost_since(before);
            cluster.restart(dead);
            cluster.wait_until_whole();
        }
    };
    world.under_load(round).await;
}
