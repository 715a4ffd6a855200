use async_trait::async_trait;
use domain::id::{PhoneCodeId, SessionId, UserId};
use domain::ports::{Inserted, Rotation, SessionStore, StoreError};
use domain::session::{RefreshDigest, Renewal, UserSession};
use domain::timestamp::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use crate::Sqlite;
use crate::row::{millis, moment, sound};

macro_rules! columns {
    () => {
        "id, user_id, code_id, refresh, created_at, last_seen_at, expires_at, ends_at, \
         revoked_at, user_agent, address"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO sessions (",
    columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (code_id) DO NOTHING"
);
/// Leaves the session `?1` and the newest `?4` others.
const REVOKE_OLDEST: &str = "
    UPDATE sessions SET revoked_at = ?3 WHERE id IN (
        SELECT id FROM sessions
         WHERE user_id = ?2 AND revoked_at IS NULL AND id <> ?1 AND expires_at > ?3 AND ends_at > ?3
         ORDER BY created_at DESC LIMIT -1 OFFSET ?4)";
const BY_ID: &str = concat!("SELECT ", columns!(), " FROM sessions WHERE id = ?1");
const LIVE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM sessions
       WHERE user_id = ?1 AND revoked_at IS NULL AND expires_at > ?2 AND ends_at > ?2
       ORDER BY created_at DESC"
);
const ROTATE: &str = concat!(
    "UPDATE sessions SET refresh = ?3, last_seen_at = ?4, expires_at = ?5
      WHERE id = ?1 AND refresh = ?2 AND revoked_at IS NULL RETURNING ",
    columns!()
);
const REVOKE_REFRESHED: &str = "UPDATE sessions SET revoked_at = ?2
      WHERE id = ?1 AND refresh IS NOT NULL AND revoked_at IS NULL";
const REVOKE: &str = "UPDATE sessions SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
const REVOKE_ALL: &str = "UPDATE sessions SET revoked_at = ?2
      WHERE user_id = ?1 AND revoked_at IS NULL RETURNING expires_at > ?2 AND ends_at > ?2";
const SWEEP: &str = "DELETE FROM sessions WHERE id IN
    (SELECT id FROM sessions WHERE min(expires_at, ends_at) <= ?1 LIMIT ?2)";

#[async_trait]
impl SessionStore for Sqlite {
    async fn insert(&self, session: &UserSession, max_live: u32) -> Result<Inserted, StoreError> {
        let session = session.clone();
        self.writer
            .write(move |conn| insert(conn, &session, max_live))
            .await
    }

    async fn get(&self, id: SessionId) -> Result<Option<UserSession>, StoreError> {
        self.readers.read(|conn| {
            conn.prepare_cached(BY_ID)?
                .query_row([id.as_bytes()], session)
                .optional()
        })
    }

    async fn rotate(
        &self,
        id: SessionId,
        presented: RefreshDigest,
        renewal: &Renewal,
    ) -> Result<Rotation, StoreError> {
        let renewal = *renewal;
        self.writer
            .write(move |conn| rotate(conn, id, presented, &renewal))
            .await
    }

    async fn revoke(&self, id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        self.writer
            .write(move |conn| {
                let revoked = conn
                    .prepare_cached(REVOKE)?
                    .execute(params![id.as_bytes(), millis(now)])?;
                Ok(revoked == 1)
            })
            .await
    }

    async fn revoke_all(&self, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
        self.writer
            .write(move |conn| {
                let mut statement = conn.prepare_cached(REVOKE_ALL)?;
                let revoked =
                    statement.query_map(params![user.as_bytes(), millis(now)], |row| row.get(0))?;
                revoked
                    .map(|was_live: Result<bool>| was_live.map(u64::from))
                    .sum()
            })
            .await
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<UserSession>, StoreError> {
        self.readers.read(|conn| {
            conn.prepare_cached(LIVE)?
                .query_map(params![user.as_bytes(), millis(now)], session)?
                .collect()
        })
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.sweep(SWEEP, now, limit).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.health().await
    }
}

fn insert(conn: &Connection, session: &UserSession, max_live: u32) -> Result<Inserted> {
    let created_at = millis(session.created_at);
    let inserted = conn.prepare_cached(INSERT)?.execute(params![
        session.id.as_bytes(),
        session.user.as_bytes(),
        session.code.as_bytes(),
        session.refresh.as_ref().map(RefreshDigest::as_bytes),
        created_at,
        millis(session.last_seen_at),
        millis(session.expires_at),
        millis(session.ends_at),
        session.revoked_at.map(millis),
        session.user_agent,
        session.address.to_string(),
    ])?;
    if inserted == 0 {
        return Ok(Inserted::CodeAlreadyUsed);
    }
    conn.prepare_cached(REVOKE_OLDEST)?.execute(params![
        session.id.as_bytes(),
        session.user.as_bytes(),
        created_at,
        max_live.saturating_sub(1),
    ])?;
    Ok(Inserted::Stored)
}

fn rotate(
    conn: &Connection,
    id: SessionId,
    presented: RefreshDigest,
    renewal: &Renewal,
) -> Result<Rotation> {
    let now = millis(renewal.last_seen_at);
    let row = params![
        id.as_bytes(),
        presented.as_bytes(),
        renewal.refresh.as_bytes(),
        now,
        millis(renewal.expires_at),
    ];
    let rotated = conn
        .prepare_cached(ROTATE)?
        .query_row(row, session)
        .optional()?;
    if let Some(session) = rotated {
        return Ok(Rotation::Rotated(session));
    }
    let revoked = conn
        .prepare_cached(REVOKE_REFRESHED)?
        .execute(params![id.as_bytes(), now])?;
    Ok(if revoked == 1 {
        Rotation::Reused
    } else {
        Rotation::Gone
    })
}

fn session(row: &Row<'_>) -> Result<UserSession> {
    let revoked_at: Option<u64> = row.get(8)?;
    Ok(UserSession {
        id: SessionId::from_bytes(row.get(0)?),
        user: UserId::from_bytes(row.get(1)?),
        code: PhoneCodeId::from_bytes(row.get(2)?),
        refresh: row.get::<_, Option<_>>(3)?.map(RefreshDigest::from_bytes),
        created_at: moment(row, 4)?,
        last_seen_at: moment(row, 5)?,
        expires_at: moment(row, 6)?,
        ends_at: moment(row, 7)?,
        revoked_at: revoked_at.map(Timestamp::from_millis),
        user_agent: row.get(9)?,
        address: sound(row.get_ref(10)?.as_str()?.parse().ok(), 10, Type::Text)?,
    })
}
