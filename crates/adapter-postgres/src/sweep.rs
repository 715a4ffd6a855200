//! Removing rows that are over: by one node at a time, a few rows in each transaction.

use domain::ports::StoreError;
use domain::timestamp::Timestamp;

use crate::Postgres;
use crate::pool::params;
use crate::row::millis;

/// The most rows one transaction sweeps: writes that wait behind it hardly notice.
const STEP: usize = 256;

/// A `DELETE` of at most `$2` rows that are over at `$1`. It removes nothing while another node is
/// at it, and leaves what somebody is changing for the next time: it waits for nobody.
macro_rules! sweep {
    ($table:literal, $over:literal) => {
        concat!(
            "DELETE FROM phone_auth.",
            $table,
            " WHERE ctid = ANY (ARRAY(SELECT ctid FROM phone_auth.",
            $table,
            " WHERE (SELECT pg_try_advisory_xact_lock(hashtextextended('phone_auth sweep ",
            $table,
            "', 0))) AND ",
            $over,
            " LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING true"
        )
    };
}
pub(crate) use sweep;

impl Postgres {
    /// Runs such a `DELETE` until `limit` rows are gone, or no more are over.
    pub(crate) async fn sweep(
        &self,
        delete: &str,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let mut removed = 0;
        while removed < limit {
            let step = STEP.min(limit - removed);
            let over = params![millis(now) => INT8, step as i64 => INT8];
            let swept = self.pool.once(delete, over).await?.len();
            removed += swept;
            if swept < step {
                break;
            }
        }
        Ok(removed)
    }
}
