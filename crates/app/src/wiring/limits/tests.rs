//! Over two stores the laws of one hold, but for races for the last room of both: see ADR 9.

use std::time::Duration;

use adapter_memory::MemoryRateLimiter;
use conformance::sample::{NOW, charge};

use super::*;

/// By key, so that every law's charges are on both stores.
fn split(beside_users: Arc<dyn RateLimiter>, others: Arc<dyn RateLimiter>) -> SplitLimits {
    SplitLimits {
        is_beside_users: |charge| charge.key.as_bytes()[0] % 2 == 0,
        ..SplitLimits::new(beside_users, others)
    }
}

fn memory() -> Arc<dyn RateLimiter> {
    Arc::new(MemoryRateLimiter::default())
}

/// Every law of one call after another; of the races those in which one of the stores decides.
macro_rules! laws_of_two_stores {
    (
        $test_laws:ident, $port:ident, $tests:ident, $open:expr,
        laws: $laws:tt, sweeping: $sweeping:tt, races: $races:tt
    ) => {
        conformance::$test_laws! {
            $port, $tests, $open, laws: $laws, sweeping: $sweeping,
            races: [
                any_history_is_as_the_model_says,
                parallel_charges_stay_within_their_limit,
                parallel_charges_are_counted_all_or_none,
                parallel_refunds_give_everything_back,
            ]
        }
    };
}

async fn in_memory() -> Arc<dyn RateLimiter> {
    Arc::new(split(memory(), memory()))
}
conformance::rate_limiter_laws!([laws_of_two_stores] test_laws, rate_limiter, laws_in_memory, in_memory);

#[cfg(feature = "sqlite")]
async fn on_a_file() -> Arc<dyn RateLimiter> {
    use std::sync::atomic::{AtomicU32, Ordering};

    thread_local! {
        // A test has a thread of its own, and takes its folder with it.
        static FOLDER: tempfile::TempDir = tempfile::tempdir().unwrap();
    }
    static FILES: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}.db", FILES.fetch_add(1, Ordering::Relaxed));
    let path = FOLDER.with(|folder| folder.path().join(name));
    let file = adapter_sqlite::Sqlite::open(path).unwrap();
    Arc::new(split(Arc::new(file), memory()))
}
#[cfg(feature = "sqlite")]
conformance::rate_limiter_laws!([laws_of_two_stores] test_laws, rate_limiter, laws_on_a_file, on_a_file);

/// As in production: the budgets in PostgreSQL, the limits in Redis, which forgets by itself.
#[cfg(all(feature = "postgres", feature = "redis"))]
async fn on_servers() -> Arc<dyn RateLimiter> {
    use adapter_redis::{Port, Servers};

    let database = adapter_postgres::Settings {
        url: servers::Postgres::shared().database(),
        pool: 4,
        ca_file: None,
    };
    let redis = adapter_redis::Settings {
        servers: Servers::Single(servers::Redis::shared().url().to_owned()),
        ports: vec![Port::RateLimits],
        prefix: servers::Redis::shared().prefix(),
        ca_file: None,
    };
    let database = adapter_postgres::Postgres::open(&database).await.unwrap();
    let redis = adapter_redis::Redis::open(&redis).await.unwrap();
    Arc::new(split(Arc::new(database), Arc::new(redis)))
}
#[cfg(all(feature = "postgres", feature = "redis"))]
conformance::rate_limiter_laws!([laws_of_two_stores] test_laws_but_sweeping, rate_limiter, laws_on_servers, on_servers);

/// A failure of a phone and one of its caller's address, of which so many fit.
fn failures(of_phone: u32, of_address: u32) -> [Charge; 2] {
    let failure = |scope, count| Charge {
        scope,
        ..charge(&[(count, 3600)])
    };
    [
        failure(Scope::FailuresPerPhone, of_phone),
        failure(Scope::FailuresPerAddress, of_address),
    ]
}

async fn granted(limiter: &dyn RateLimiter, charges: &[Charge]) -> bool {
    limiter.acquire(charges, NOW).await.unwrap() == Decision::Granted
}

/// What a single store does not do: refuse a call for the room that another one gives back.
async fn calls_race_for_the_last_room_of_both_stores(limiter: Arc<dyn RateLimiter>) {
    let (both, calls) = (failures(3, 3), 8);
    let racing = (0..calls).map(|_| {
        let (limiter, both) = (limiter.clone(), both.clone());
        tokio::spawn(async move { granted(&*limiter, &both).await })
    });
    let mut won = 0;
    for call in racing.collect::<Vec<_>>() {
        won += usize::from(call.await.unwrap());
    }
    assert!(won <= 3, "{won} of 3");
    for _ in won..3 {
        assert!(granted(&*limiter, &both).await, "{won} were granted");
    }
    for charge in &both {
        assert!(!granted(&*limiter, std::slice::from_ref(charge)).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_race_for_the_last_room_of_both_stores_never_get_more_and_lose_nothing() {
    for _ in 0..100 {
        calls_race_for_the_last_room_of_both_stores(in_memory().await).await;
    }
}

#[cfg(all(feature = "postgres", feature = "redis"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_race_on_two_servers_never_get_more_and_lose_nothing() {
    let limiter = on_servers().await;
    for _ in 0..20 {
        calls_race_for_the_last_room_of_both_stores(limiter.clone()).await;
    }
}

#[tokio::test]
async fn the_failures_of_a_phone_are_beside_the_users_and_nothing_else_is() {
    let (beside_users, others) = (memory(), memory());
    let limiter = SplitLimits::new(beside_users.clone(), others.clone());
    let [of_phone, of_address] = failures(1, 1);
    let both = [of_phone.clone(), of_address.clone()];
    assert!(granted(&limiter, &both).await);
    assert!(!granted(&*beside_users, std::slice::from_ref(&of_phone)).await);
    assert!(!granted(&*others, std::slice::from_ref(&of_address)).await);
    assert!(granted(&*beside_users, &[of_address]).await);
    assert!(granted(&*others, &[of_phone]).await);
}

struct Down;

#[async_trait]
impl RateLimiter for Down {
    async fn acquire(&self, _: &[Charge], _: Timestamp) -> Result<Decision, StoreError> {
        Err(StoreError::unavailable("down"))
    }

    async fn refund(&self, _: &[Charge], _: Timestamp) -> Result<(), StoreError> {
        Err(StoreError::unavailable("down"))
    }

    async fn clear(&self, _: &[CounterKey]) -> Result<(), StoreError> {
        Err(StoreError::unavailable("down"))
    }

    async fn sweep(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        Err(StoreError::unavailable("down"))
    }

    async fn health(&self) -> Result<(), StoreError> {
        Err(StoreError::unavailable("down"))
    }
}

#[tokio::test]
async fn where_one_store_is_down_nothing_is_granted_and_the_other_is_not_charged() {
    let down = || Arc::new(Down);
    let up = memory();
    for limiter in [
        SplitLimits::new(down(), up.clone()),
        SplitLimits::new(up.clone(), down()),
    ] {
        let both = failures(1, 1);
        for _ in 0..2 {
            let unavailable = limiter.acquire(&both, NOW).await;
            assert!(
                matches!(unavailable, Err(StoreError::Unavailable(_))),
                "{unavailable:?}"
            );
        }
        for charge in &both {
            assert!(
                granted(&*up, std::slice::from_ref(charge)).await,
                "it was charged"
            );
        }
        assert!(limiter.refund(&both, NOW).await.is_err());
        assert!(limiter.clear(&[both[0].key]).await.is_err());
        assert!(limiter.health().await.is_err());
    }
}

#[tokio::test]
async fn an_address_that_was_refused_is_refused_without_the_users_store() {
    let others = memory();
    let limiter = SplitLimits::new(Arc::new(Down), others.clone());
    let both = failures(9, 1);
    let of_address = &both[1..];
    assert!(granted(&*others, of_address).await);
    assert!(limiter.acquire(&both, NOW).await.is_err(), "both are asked");
    for _ in 0..2 {
        assert!(!granted(&limiter, &both).await);
    }
    // Once its time is over: the phone's budget is asked for, and in vain nothing is counted.
    others.clear(&[of_address[0].key]).await.unwrap();
    for _ in 0..2 {
        assert!(limiter.acquire(&both, NOW).await.is_err());
    }
    assert!(granted(&*others, of_address).await, "it was charged");
    assert!(limiter.acquire(&both, NOW).await.is_err(), "as at first");
    assert!(!granted(&limiter, &both).await);
}

#[tokio::test]
async fn where_one_store_is_down_the_other_is_swept() {
    let up = memory();
    let over = NOW + Duration::from_secs(3600);
    for limiter in [
        SplitLimits::new(Arc::new(Down), up.clone()),
        SplitLimits::new(up.clone(), Arc::new(Down)),
    ] {
        assert!(granted(&*up, &[charge(&[(1, 3600)])]).await);
        assert!(limiter.sweep(over, 10).await.is_err());
        assert_eq!(up.sweep(over, 10).await.unwrap(), 0, "it was not swept");
    }
}
