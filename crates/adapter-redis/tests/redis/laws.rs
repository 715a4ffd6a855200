//! The laws of the store ports, each under a prefix of its own.

/// The laws of every port that `Redis` is, on the servers that `$open` opens.
macro_rules! laws {
    ($kind:ident, $open:expr) => {
        mod $kind {
            #[allow(unused_imports, reason = "not every kind needs all")]
            use super::*;

            async fn open() -> Arc<Redis> {
                Arc::new(($open)().await)
            }

            conformance::code_store_laws!(open, forgets_by_itself);
            conformance::session_store_laws!(open, forgets_by_itself);
            conformance::rate_limiter_laws!(open, forgets_by_itself);
        }
    };
}

use std::sync::Arc;

use adapter_redis::Redis;
use servers::{RedisCluster, RedisSentinel};

use crate::{on, on_cluster, on_sentinel};

laws!(single, async || on(servers::Redis::shared()).await);
laws!(cluster, async || on_cluster(RedisCluster::shared()).await);
laws!(sentinel, async || on_sentinel(RedisSentinel::shared())
    .await);
