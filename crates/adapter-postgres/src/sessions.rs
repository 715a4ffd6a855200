use async_trait::async_trait;
use domain::id::{PhoneCodeId, SessionId, UserId};
use domain::ports::{Inserted, Rotation, SessionStore, StoreError};
use domain::session::{RefreshDigest, Renewal, UserSession};
use domain::timestamp::Timestamp;
use tokio_postgres::Row;

use crate::Postgres;
use crate::pool::params;
use crate::row::{Unreadable, all, bytes, column, first, millis, moment, number, optional};
use crate::sweep::sweep;

macro_rules! columns {
    () => {
        "id, user_id, code_id, refresh, created_at, last_seen_at, expires_at, ends_at, \
         revoked_at, user_agent, address"
    };
}

const INSERT: &str =
    "SELECT phone_auth.insert_session($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const BY_ID: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM phone_auth.sessions WHERE id = $1"
);
const LIVE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM phone_auth.sessions
       WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND ends_at > $2
       ORDER BY created_at DESC, id"
);
/// Either the one change or the other: a live session is answered as renewed, or as revoked.
const ROTATE: &str = concat!(
    "UPDATE phone_auth.sessions SET
        refresh = CASE WHEN refresh = $2 THEN $3 ELSE refresh END,
        last_seen_at = CASE WHEN refresh = $2 THEN $4 ELSE last_seen_at END,
        expires_at = CASE WHEN refresh = $2 THEN $5 ELSE expires_at END,
        revoked_at = CASE WHEN refresh = $2 THEN NULL ELSE $4 END
      WHERE id = $1 AND refresh IS NOT NULL AND revoked_at IS NULL RETURNING ",
    columns!()
);
const REVOKE: &str = "UPDATE phone_auth.sessions SET revoked_at = $2
      WHERE id = $1 AND revoked_at IS NULL RETURNING true";
const REVOKE_ALL: &str = "SELECT phone_auth.revoke_sessions($1, $2)";
const SWEEP: &str = sweep!(
    "sessions",
    "over_in_hour <= $1 / 3600000 AND least(expires_at, ends_at) <= $1"
);

#[async_trait]
impl SessionStore for Postgres {
    async fn insert(&self, session: &UserSession, max_live: u32) -> Result<Inserted, StoreError> {
        let row = params![
            session.id.as_bytes() => BYTEA,
            session.user.as_bytes() => BYTEA,
            session.code.as_bytes() => BYTEA,
            session.refresh.as_ref().map(|digest| digest.as_bytes()) => BYTEA,
            millis(session.created_at) => INT8,
            millis(session.last_seen_at) => INT8,
            millis(session.expires_at) => INT8,
            millis(session.ends_at) => INT8,
            session.revoked_at.map(millis) => INT8,
            session.user_agent => TEXT,
            session.address => INET,
            i64::from(max_live.saturating_sub(1)) => INT8,
        ];
        let rows = self.pool.once(INSERT, row).await?;
        Ok(match first(&rows, |row| column(row, 0))? {
            Some(true) => Inserted::Stored,
            _ => Inserted::CodeAlreadyUsed,
        })
    }

    async fn get(&self, id: SessionId) -> Result<Option<UserSession>, StoreError> {
        let id = params![id.as_bytes() => BYTEA];
        first(&self.pool.repeatable(BY_ID, id).await?, session)
    }

    async fn rotate(
        &self,
        id: SessionId,
        presented: RefreshDigest,
        renewal: &Renewal,
    ) -> Result<Rotation, StoreError> {
        let row = params![
            id.as_bytes() => BYTEA,
            presented.as_bytes() => BYTEA,
            renewal.refresh.as_bytes() => BYTEA,
            millis(renewal.last_seen_at) => INT8,
            millis(renewal.expires_at) => INT8,
        ];
        let rows = self.pool.once(ROTATE, row).await?;
        Ok(match first(&rows, session)? {
            Some(session) if session.revoked_at.is_none() => Rotation::Rotated(session),
            Some(_) => Rotation::Reused,
            None => Rotation::Gone,
        })
    }

    async fn revoke(&self, id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        let row = params![id.as_bytes() => BYTEA, millis(now) => INT8];
        Ok(!self.pool.once(REVOKE, row).await?.is_empty())
    }

    async fn revoke_all(&self, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
        let row = params![user.as_bytes() => BYTEA, millis(now) => INT8];
        let rows = self.pool.once(REVOKE_ALL, row).await?;
        let live = first(&rows, |row| number::<i64, _>(row, 0))?;
        Ok(live.unwrap_or_default())
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<UserSession>, StoreError> {
        let live = params![user.as_bytes() => BYTEA, millis(now) => INT8];
        all(&self.pool.repeatable(LIVE, live).await?, session)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.sweep(SWEEP, now, limit).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.health().await
    }
}

fn session(row: &Row) -> Result<UserSession, Unreadable> {
    Ok(UserSession {
        id: SessionId::from_bytes(bytes(row, 0)?),
        user: UserId::from_bytes(bytes(row, 1)?),
        code: PhoneCodeId::from_bytes(bytes(row, 2)?),
        refresh: optional(row, 3, bytes)?.map(RefreshDigest::from_bytes),
        created_at: moment(row, 4)?,
        last_seen_at: moment(row, 5)?,
        expires_at: moment(row, 6)?,
        ends_at: moment(row, 7)?,
        revoked_at: optional(row, 8, moment)?,
        user_agent: column(row, 9)?,
        address: column(row, 10)?,
    })
}
