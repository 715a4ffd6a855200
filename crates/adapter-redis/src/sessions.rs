use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use domain::id::{SessionId, UserId};
use domain::ports::{Inserted, Rotation, SessionStore, StoreError};
use domain::session::{RefreshDigest, Renewal, UserSession};
use domain::timestamp::Timestamp;
use redis::{FromRedisValue, ParsingError, Value};

use crate::Redis;
use crate::row::{GRACE, Row, millis, millis_of};
use crate::script::{Call, Script};

static INSERT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("sessions/insert.lua")));
static ROTATE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("sessions/rotate.lua")));
static REVOKE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("sessions/revoke.lua")));
static REVOKE_ALL: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("sessions/revoke_all.lua")));
static LIST: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("sessions/list.lua")));

/// How long a session's code stays taken, and the session in its user's list: longer than the
/// session itself, however often that is refreshed.
fn code_ttl(session: &UserSession) -> Duration {
    session.ends_at.since(session.created_at) + 2 * GRACE
}

#[async_trait]
impl SessionStore for Redis {
    async fn insert(&self, session: &UserSession, max_live: u32) -> Result<Inserted, StoreError> {
        let over_at = session.expires_at.min(session.ends_at);
        let keys = [
            self.sessions.key(session.id),
            self.sessions.key(session.code),
            self.sessions.key(session.user),
        ];
        let call = INSERT
            .on(&keys)
            .arg(millis(session.created_at))
            .arg(max_live)
            .arg(millis_of(over_at.since(session.created_at) + GRACE))
            .arg(millis_of(code_ttl(session)));
        let stored: bool = self.sessions.run(with_fields(call, session)).await?;
        Ok(if stored {
            Inserted::Stored
        } else {
            Inserted::CodeAlreadyUsed
        })
    }

    async fn get(&self, id: SessionId) -> Result<Option<UserSession>, StoreError> {
        let command = redis::Cmd::hgetall(self.sessions.key(id));
        let row: Row = self.sessions.query(&command).await?;
        row.read(session)
    }

    async fn rotate(
        &self,
        id: SessionId,
        presented: RefreshDigest,
        renewal: &Renewal,
    ) -> Result<Rotation, StoreError> {
        let call = ROTATE
            .on(&[self.sessions.key(id)])
            .arg(presented.as_bytes())
            .arg(renewal.refresh.as_bytes())
            .arg(millis(renewal.last_seen_at))
            .arg(millis(renewal.expires_at))
            .arg(millis_of(GRACE));
        match self.sessions.run(call).await? {
            Rotated::Now(row) => session(&row).map(Rotation::Rotated),
            Rotated::Reused => Ok(Rotation::Reused),
            Rotated::Gone => Ok(Rotation::Gone),
        }
    }

    async fn revoke(&self, id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        let call = REVOKE.on(&[self.sessions.key(id)]).arg(millis(now));
        self.sessions.run(call).await
    }

    async fn revoke_all(&self, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
        let call = REVOKE_ALL.on(&[self.sessions.key(user)]).arg(millis(now));
        self.sessions.run(call).await
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<UserSession>, StoreError> {
        let call = LIST.on(&[self.sessions.key(user)]);
        let rows: Vec<Row> = self.sessions.run(call).await?;
        let mut sessions = rows.iter().map(session).collect::<Result<Vec<_>, _>>()?;
        sessions.retain(|session| session.is_live(now));
        Ok(sessions)
    }

    /// Sessions leave by their time to live.
    async fn sweep(&self, _now: Timestamp, _limit: usize) -> Result<usize, StoreError> {
        Ok(0)
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.sessions.health().await
    }
}

/// What the script `rotate` answers.
enum Rotated {
    Now(Row),
    Reused,
    Gone,
}

impl FromRedisValue for Rotated {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        match value {
            Value::Int(0) => Ok(Self::Gone),
            Value::Int(_) => Ok(Self::Reused),
            fields => Row::from_redis_value(fields).map(Self::Now),
        }
    }
}

/// What may be missing is left out.
fn with_fields(call: Call, session: &UserSession) -> Call {
    let call = call
        .field("id", session.id.to_string())
        .field("user_id", session.user.to_string())
        .field("code_id", session.code.to_string())
        .field("created_at", millis(session.created_at))
        .field("last_seen_at", millis(session.last_seen_at))
        .field("expires_at", millis(session.expires_at))
        .field("ends_at", millis(session.ends_at))
        .field("address", session.address.to_string());
    let call = match &session.refresh {
        Some(refresh) => call.field("refresh", refresh.as_bytes()),
        None => call,
    };
    let call = match session.revoked_at {
        Some(revoked_at) => call.field("revoked_at", millis(revoked_at)),
        None => call,
    };
    match &session.user_agent {
        Some(user_agent) => call.field("user_agent", user_agent),
        None => call,
    }
}

fn session(row: &Row) -> Result<UserSession, StoreError> {
    let refresh = row.maybe("refresh", Row::array)?;
    Ok(UserSession {
        id: row.parse("id")?,
        user: row.parse("user_id")?,
        code: row.parse("code_id")?,
        refresh: refresh.map(RefreshDigest::from_bytes),
        created_at: row.moment("created_at")?,
        last_seen_at: row.moment("last_seen_at")?,
        expires_at: row.moment("expires_at")?,
        ends_at: row.moment("ends_at")?,
        revoked_at: row.maybe("revoked_at", Row::moment)?,
        user_agent: row.maybe("user_agent", Row::text)?.map(str::to_owned),
        address: row.parse("address")?,
    })
}
