//! Connections, and the one way in which every operation uses them: within its deadline, and
//! leaving nothing behind at the server.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::StoreError;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

use crate::row::store_error;
use crate::server::{Connection, Server};

/// How long an operation may take, from waiting for a connection to its answer: time is left to
/// say within 2 s that there was none.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long an abandoned statement has to end. Its connection counts as used until then: a server
/// that is stuck gets no crowd of new ones.
const LINGER: Duration = Duration::from_secs(1);

/// A statement that is not answered for this long may be on a dead connection, and the idle ones may
/// have died with it. Most that only wait for a lock end sooner.
const SILENCE: Duration = Duration::from_millis(1100);

/// The parameters of a statement, with the types of their columns: the server is not asked.
pub(crate) type Params<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// Values, each with the type of its column.
macro_rules! params {
    ($($value:expr => $type:ident),* $(,)?) => {
        &[$((
            &$value as &(dyn tokio_postgres::types::ToSql + Sync),
            tokio_postgres::types::Type::$type,
        )),*]
    };
}
pub(crate) use params;

/// Whether a statement may run again when nobody knows what became of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Harmless,
    Never,
}

/// At most so many connections, opened when they are needed and kept for the next operation.
pub(crate) struct Pool {
    room: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
    server: Server,
}

/// Room for one connection, taken until the last who has it lets go.
type Room = Arc<OwnedSemaphorePermit>;

impl Pool {
    pub(crate) fn new(server: Server, size: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(size.max(1))),
            idle: Arc::default(),
            server,
        }
    }

    /// Runs a statement that does no harm if it runs twice: when its connection turns out to be
    /// dead, it gets another one.
    pub(crate) async fn repeatable(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        self.run(sql, params, Again::Harmless).await
    }

    /// Runs a statement that must not run twice.
    pub(crate) async fn once(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        self.run(sql, params, Again::Never).await
    }

    async fn run(
        &self,
        sql: &str,
        params: Params<'_>,
        again: Again,
    ) -> Result<Vec<Row>, StoreError> {
        let deadline = Instant::now() + PATIENCE;
        let room = self.room.clone().acquire_owned();
        let Ok(Ok(room)) = self.server.within(PATIENCE, room).await else {
            return Err(StoreError::unavailable("no connection was free in time"));
        };
        let room = Arc::new(room);
        let attempts = async {
            match self.attempt(sql, params, &room).await {
                Err(error) if is_undone(&error) || is_lost(&error) && again == Again::Harmless => {
                    self.attempt(sql, params, &room).await
                }
                outcome => outcome,
            }
        };
        let left = deadline.saturating_duration_since(Instant::now());
        match self.server.within(left, attempts).await {
            Ok(outcome) => outcome.map_err(|error| store_error(&error)),
            Err(_) => Err(StoreError::unavailable("PostgreSQL did not answer in time")),
        }
    }

    async fn attempt(&self, sql: &str, params: Params<'_>, room: &Room) -> Result<Vec<Row>, Error> {
        let connection = match self.idle_connection() {
            Some(connection) => connection,
            None => self.server.connect().await?,
        };
        let client = connection.client.clone();
        let in_use = InUse {
            since: Instant::now(),
            connection: Some(connection),
            room: room.clone(),
            pool: self,
        };
        let outcome = client.query_typed(sql, params).await;
        match &outcome {
            Err(error) if is_lost(error) => in_use.give_up(),
            _ => in_use.put_back(),
        }
        outcome
    }

    fn idle_connection(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        std::iter::from_fn(|| idle.pop()).find(|connection| !connection.client.is_closed())
    }
}

/// A connection with a statement under way. Dropped before that is answered, it ends it.
struct InUse<'a> {
    since: Instant,
    connection: Option<Connection>,
    room: Room,
    pool: &'a Pool,
}

impl InUse<'_> {
    fn put_back(mut self) {
        self.pool.idle.lock().extend(self.connection.take());
    }

    /// The connection is dead, and the idle ones may be.
    fn give_up(mut self) {
        self.connection = None;
        self.pool.idle.lock().clear();
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        // Dead ones would cost their next users a deadline each.
        let suspects = match self.since.elapsed() > SILENCE {
            true => std::mem::take(&mut *self.pool.idle.lock()),
            false => Vec::new(),
        };
        let Pool { room, idle, server } = self.pool;
        let (free, idle, server) = (room.clone(), idle.clone(), server.clone());
        let room = self.room.clone();
        self.pool.server.go_on(async move {
            if let Ok(Ok(())) = timeout(LINGER, server.cancel(&connection)).await {
                let mut idle = idle.lock();
                idle.extend(suspects);
                // Others have connected meanwhile.
                idle.truncate(free.available_permits());
            }
            connection.cut();
            drop(room);
        });
    }
}

/// Whether the server says that it did nothing: others were at work, who are done now, or it became
/// a standby, and another is the primary.
fn is_undone(error: &Error) -> bool {
    let undone = [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    error.code().is_some_and(|code| undone.contains(code))
}

/// Whether the connection is of no use any more. What became of its statement is not known.
fn is_lost(error: &Error) -> bool {
    let Some(error) = error.as_db_error() else {
        return true;
    };
    // The severity that people read is in the server's language; PgBouncer tells no other.
    let fatal = match error.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        None => error.severity() == "FATAL",
    };
    // A primary that became a standby stays one.
    fatal || *error.code() == SqlState::READ_ONLY_SQL_TRANSACTION
}
