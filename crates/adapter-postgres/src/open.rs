//! Opening the database: refuses what cannot work before it changes anything, then migrates.

use std::time::Duration;

use refinery::Migration;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::{Client, Error};

use crate::fault::Fault;
use crate::pool::{Params, params};
use crate::row::describe;
use crate::server::{Connection, Server};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// How long opening may take: time is left to say within 5 s that it failed, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long a migration has to end that a start gave up, so that it keeps nobody else waiting.
const LINGER: Duration = Duration::from_millis(400);

/// The oldest major version that is tried; its makers mend no older one.
const OLDEST: i32 = 13;

const VERSION: &str = "SELECT current_setting('server_version_num')::int4 / 10000";

/// Asks the catalog, which anybody may read.
const HAS_SCHEMA: &str = "SELECT EXISTS (
    SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE nspname = 'phone_auth' AND relname = 'refinery_schema_history')";

const APPLIED: &str = "SELECT coalesce(max(version), 0) FROM phone_auth.refinery_schema_history";

const MISSING: &str = "
    SELECT name FROM unnest($1) AS name WHERE to_regclass(name) IS NULL
     UNION ALL
    SELECT name FROM unnest($2) AS name WHERE to_regproc(name) IS NULL
     LIMIT 1";

const LACKING_RIGHT: &str = "
    SELECT format('no %s ON %s', may, pg_class.oid::regclass)
      FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS may
     WHERE relnamespace = 'phone_auth'::regnamespace AND relkind = 'r' AND relname !~ 'history'
       AND NOT has_table_privilege(pg_class.oid, may)
     UNION ALL
    SELECT format('no EXECUTE ON %s', pg_proc.oid::regproc)
      FROM pg_proc
     WHERE pronamespace = 'phone_auth'::regnamespace
       AND NOT has_function_privilege(pg_proc.oid, 'EXECUTE')
     LIMIT 1";

/// Others refuse some text, or keep what is no text.
const ENCODING: &str = "SELECT current_setting('server_encoding')";

/// Whoever waited for a lock has to see what others did meanwhile.
const ISOLATION: &str = "SELECT current_setting('transaction_isolation')";

/// All of it is one transaction, for behind PgBouncer nothing holds longer. Nothing that somebody
/// else made in another schema is taken for the server's own.
const BEGIN: &str = "BEGIN; SET LOCAL search_path = pg_catalog";

/// Nodes that start at once wait for each other here.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('phone_auth.migrate', 0))";

const COMMIT: &str = "COMMIT";

/// Whoever is given an empty schema of that name need not be allowed to make one.
const CREATE: &str = "
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'phone_auth') THEN
            CREATE SCHEMA phone_auth;
        END IF;
    END $$;
    CREATE TABLE IF NOT EXISTS phone_auth.refinery_schema_history (
        version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255))";

/// As refinery itself writes it down, so that its tool can read it.
const RECORD: &str = r#"INSERT INTO phone_auth.refinery_schema_history VALUES
    ($1, $2, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), $3)"#;

/// Makes sure that the server can be used and that its schema is the latest.
pub(crate) async fn ready(server: &Server) -> Result<(), Fault> {
    let deadline = Instant::now() + PATIENCE;
    let (connection, applied) = by(deadline, Fault::Silent, connect(server)).await?;
    let late = match lacking(applied) {
        0 => Fault::Silent,
        _ => Fault::Unfinished,
    };
    let ready = by(deadline, late, complete(&connection.client, applied)).await;
    if let Err(Fault::Unfinished) = ready {
        let _ = timeout(LINGER, server.cancel(&connection)).await;
    }
    ready
}

/// Applies the migrations that the database lacks, however long it takes, and says how many.
pub(crate) async fn migrate(server: &Server) -> Result<usize, Fault> {
    let deadline = Instant::now() + PATIENCE;
    let (connection, applied) = by(deadline, Fault::Silent, connect(server)).await?;
    let applied = apply(&connection.client, applied).await?;
    connection.client.batch_execute(COMMIT).await?;
    Ok(applied)
}

/// How many migrations the database lacks.
pub(crate) async fn pending(server: &Server) -> Result<usize, Fault> {
    let deadline = Instant::now() + PATIENCE;
    let (_, applied) = by(deadline, Fault::Silent, connect(server)).await?;
    Ok(lacking(applied))
}

async fn by<T>(
    deadline: Instant,
    late: Fault,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    timeout_at(deadline, work).await.unwrap_or(Err(late))
}

async fn complete(client: &Client, applied: i32) -> Result<(), Fault> {
    apply(client, applied).await?;
    let (relations, functions) = (made(&["TABLE", "VIEW"]), made(&["FUNCTION"]));
    let made = params![relations => TEXT_ARRAY, functions => TEXT_ARRAY];
    if let Some(missing) = ask(client, MISSING, made).await? {
        return Err(Fault::Incomplete(missing));
    }
    match ask(client, LACKING_RIGHT, params![]).await? {
        Some(right) => Err(Fault::Forbidden(right)),
        None => Ok(client.batch_execute(COMMIT).await?),
    }
}

/// Connects to a server that can be used, and says which schema it has: 0 is none.
async fn connect(server: &Server) -> Result<(Connection, i32), Fault> {
    let connection = server.connect().await.map_err(|error| match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Fault::NoConnect(describe(&error)),
        _ => error.into(),
    })?;
    connection.client.batch_execute(BEGIN).await?;
    match ask(&connection.client, VERSION, params![]).await? {
        Some(version) if version < OLDEST => return Err(Fault::TooOld(version)),
        _ => {}
    }
    match ask(&connection.client, ENCODING, params![]).await? {
        Some(encoding) if encoding != "UTF8" => return Err(Fault::Encoding(encoding)),
        _ => {}
    }
    match ask(&connection.client, ISOLATION, params![]).await? {
        Some(level) if level != "read committed" => return Err(Fault::Isolation(level)),
        _ => {}
    }
    let applied = inspect(&connection.client).await?;
    Ok((connection, applied))
}

/// The version of the schema, 0 if there is none, once it is sure that it is known here.
async fn inspect(client: &Client) -> Result<i32, Fault> {
    if ask(client, HAS_SCHEMA, params![]).await? != Some(true) {
        return Ok(0);
    }
    let found = ask(client, APPLIED, params![]).await?.unwrap_or_default();
    match known() {
        known if found > known => Err(Fault::Newer { found, known }),
        _ => Ok(found),
    }
}

/// All that is lacking: until it is committed, it did not happen.
async fn apply(client: &Client, applied: i32) -> Result<usize, Fault> {
    if lacking(applied) == 0 {
        return Ok(0);
    }
    client.batch_execute(LOCK).await?;
    // While this one waited, another node may have done it.
    let applied = inspect(client).await?;
    try_apply(client, applied)
        .await
        .map_err(|error| match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Fault::NotMigrated(describe(&error)),
            _ => error.into(),
        })?;
    Ok(lacking(applied))
}

async fn try_apply(client: &Client, applied: i32) -> Result<(), Error> {
    client.batch_execute(CREATE).await?;
    let runner = embedded::migrations::runner();
    let lacking = runner
        .get_migrations()
        .iter()
        .filter(|migration| migration.version() > applied);
    for migration in lacking {
        client
            .batch_execute(migration.sql().unwrap_or_default())
            .await?;
        let checksum = migration.checksum().to_string();
        let record =
            params![migration.version() => INT4, migration.name() => VARCHAR, checksum => VARCHAR];
        client.query_typed(RECORD, record).await?;
    }
    Ok(())
}

/// The first column of the first row.
async fn ask<T: FromSqlOwned>(
    client: &Client,
    sql: &str,
    params: Params<'_>,
) -> Result<Option<T>, Error> {
    let rows = client.query_typed(sql, params).await?;
    rows.first()
        .map(|row| row.try_get(0))
        .transpose()
        .map(Option::flatten)
}

/// The names of what the migrations make, of these kinds. None of them drops anything.
fn made(kinds: &[&str]) -> Vec<String> {
    let runner = embedded::migrations::runner();
    let migrations = runner.get_migrations().iter();
    let lines = migrations.filter_map(Migration::sql).flat_map(str::lines);
    let name = |line: &str| {
        let (kind, rest) = line.strip_prefix("CREATE ")?.split_once(' ')?;
        let name = rest.split([' ', '(']).next()?;
        kinds.contains(&kind).then(|| name.to_owned())
    };
    lines.filter_map(name).collect()
}

fn versions() -> Vec<i32> {
    let runner = embedded::migrations::runner();
    let migrations = runner.get_migrations().iter();
    migrations.map(Migration::version).collect()
}

fn known() -> i32 {
    versions().into_iter().max().unwrap_or_default()
}

fn lacking(applied: i32) -> usize {
    versions()
        .into_iter()
        .filter(|version| *version > applied)
        .count()
}
