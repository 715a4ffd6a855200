use async_trait::async_trait;
use domain::id::{PhoneCodeId, SessionId, UserId};
use domain::ports::{Inserted, Rotation, SessionStore, StoreError};
use domain::session::{RefreshDigest, Renewal, UserSession};
use domain::timestamp::Timestamp;
use tokio_postgres::Row;

use crate::Postgres;
use crate::pool::params;
use crate::row::{Unreadable, all, bytes, column, first, is_so, millis, moment, number, optional};

macro_rules! columns {
    () => {
        "id, user_id, code_id, refresh, created_at, last_seen_at, expires_at, ends_at, \
         revoked_at, user_agent, address"
    };
}

const INSERT: &str =
    "SELECT phone_auth.insert_session($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const GET: &str = concat!("SELECT ", columns!(), " FROM phone_auth.get_session($1)");
const LIVE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM phone_auth.live_sessions($1, $2)"
);
const ROTATE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM phone_auth.rotate_session($1, $2, $3, $4, $5)"
);
const REVOKE: &str = "SELECT phone_auth.revoke_session($1, $2)";
const REVOKE_ALL: &str = "SELECT phone_auth.revoke_sessions($1, $2)";
const SWEEP: &str = "SELECT phone_auth.sweep_sessions($1, $2)";
const HEALTH: &str = "SELECT FROM phone_auth.revoke_session('', 0)";

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
        Ok(match is_so(&rows)? {
            true => Inserted::Stored,
            false => Inserted::CodeAlreadyUsed,
        })
    }

    async fn get(&self, id: SessionId) -> Result<Option<UserSession>, StoreError> {
        let id = params![id.as_bytes() => BYTEA];
        first(&self.pool.repeatable(GET, id).await?, session)
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
        is_so(&self.pool.once(REVOKE, row).await?)
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
        self.health(HEALTH).await
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
