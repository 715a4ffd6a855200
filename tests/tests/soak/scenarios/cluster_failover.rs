//! The master of the codes, of the limits or of the sessions dies; its replica takes over, perhaps
//! without the last writes.

use servers::RedisCluster;

use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn masters_of_a_cluster_die_under_load() {
    let cluster = RedisCluster::start();
    let stores = Stores::shared_postgres().with_cluster(&cluster);
    failed_over(
        &cluster,
        World::start(stores).await,
        &["{codes}", "{rate_limits}"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_of_the_sessions_dies_under_load() {
    let cluster = RedisCluster::start();
    let stores = Stores::shared_postgres().with_all_but_users_in_cluster(&cluster);
    let world = World::start(stores).await;
    let world = world.giving_up(&["I1", "I4", "I5", "I8"]);
    failed_over(&cluster, world, &["{sessions}"]).await;
}

async fn failed_over(cluster: &RedisCluster, world: World, keys: &[&str]) {
    let round = async |world: &mut World| {
        for key in keys {
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
