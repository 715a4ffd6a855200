//! Redis loses everything: it is started empty, or somebody flushes it. No phone has more guesses; if
//! the sessions are elsewhere, no code signs in twice and everybody stays signed in.

use servers::Redis;

use crate::stores::Stores;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn redis_beside_postgres_is_restarted_empty_under_load() {
    emptied(beside_postgres, restart, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_beside_postgres_is_flushed_under_load() {
    emptied(beside_postgres, flush, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_beside_one_file_is_flushed_under_load() {
    let beside_one_file = |redis: &Redis| Stores::sqlite().with_redis(redis);
    emptied(beside_one_file, flush, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_with_sessions_is_flushed_under_load() {
    let with_sessions = |redis: &Redis| Stores::shared_postgres().with_all_but_users_in(redis);
    emptied(with_sessions, flush, &["I1", "I4", "I8"]).await;
}

fn beside_postgres(redis: &Redis) -> Stores {
    Stores::shared_postgres().with_redis(redis)
}

fn restart(redis: &Redis) {
    redis.kill();
    redis.restart();
}

fn flush(redis: &Redis) {
    redis.cli(&["FLUSHALL"]);
}

async fn emptied(
    put: impl Fn(&Redis) -> Stores,
    empty: fn(&Redis),
    given_up: &'static [&'static str],
) {
    let redis = Redis::start();
    let world = World::start(put(&redis)).await.giving_up(given_up);
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
