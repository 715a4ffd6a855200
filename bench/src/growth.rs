//! Whether a call takes longer when a thousand times as many people have signed in before.

use std::path::Path;
use std::rc::Rc;

use rusqlite::Connection;
use servers::psql;

use crate::calls::{access_tokens, proofs, session_check, sign_in};
use crate::installation::Installation;
use crate::load::{Until, drive};
use crate::report::{Report, Samples, Target};
use crate::server::Server;
use crate::store::Store;
use crate::{ROUNDS, Result};

/// Sessions whose checks are timed.
const SESSIONS: usize = 1000;

/// Stored sessions, and users, for each of them.
const MULTIPLES: [u32; 2] = [1, 1000];

const CALLS: usize = 200;

/// Median latencies over few and over many stored users and sessions, one call at a time.
pub(crate) async fn measure(report: &mut Report<'_>) -> Result<()> {
    for store in [Store::Sqlite, Store::RedisPostgres] {
        measure_on(report, store).await?;
    }
    Ok(())
}

async fn measure_on(report: &mut Report<'_>, store: Store) -> Result<()> {
    let (mut servers, mut tokens) = (Vec::new(), Vec::new());
    for multiple in MULTIPLES {
        let installation = Rc::new(Installation::on(store)?);
        let server = Server::node(&installation)?;
        tokens.push(access_tokens(&server, SESSIONS).await?);
        drop(server);
        match &installation.database {
            Some(url) => multiply_in_postgres(url, multiple),
            None => multiply(&installation.folder().join("data/phone-auth.db"), multiple)?,
        }
        servers.push(Server::node(&installation)?);
    }
    let mut checks = [const { Vec::new() }; 2];
    let mut sign_ins = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        for (i, server) in servers.iter().enumerate() {
            let requests = tokens[i].iter().map(|token| session_check(token)).collect();
            checks[i].push(latency(server, requests).await?);
            let requests = proofs(server, CALLS).await?.iter().map(sign_in).collect();
            sign_ins[i].push(latency(server, requests).await?);
        }
    }
    rows(report, store, "session check", checks)?;
    rows(report, store, "sign in", sign_ins)
}

fn rows(
    report: &mut Report<'_>,
    store: Store,
    call: &str,
    [few, many]: [Vec<f64>; 2],
) -> Result<()> {
    let ratios = Samples::ratios(&many, &few);
    let name = format!("{call}, {}", store.name());
    let what = format!("{name}: 1,000,000 ÷ 1,000 stored");
    report.row(what, "×", ratios, Target::AtMost(1.2))?;
    for (stored, latencies) in [("1,000", few), ("1,000,000", many)] {
        let samples = latencies.into_iter().collect();
        report.row(
            format!("{name}: {stored} stored"),
            "µs",
            samples,
            Target::None,
        )?;
    }
    Ok(())
}

/// Median microseconds from request to answer, on one connection.
async fn latency(server: &Server, requests: Vec<Vec<u8>>) -> Result<f64> {
    let load = drive(
        &[server.address],
        1,
        Until::Count(requests.len()),
        async |client, i| client.expect(&requests[i]).await.map(drop),
    )
    .await?;
    let micros = load
        .latencies
        .iter()
        .map(|latency| latency.as_secs_f64() * 1e6);
    Ok(micros.collect::<Samples>().median())
}

/// Makes `multiple` sessions of as many users out of each one stored.
///
/// A copy's ids start with the time of the original's, so that the originals come to lie far
/// apart: a call that finds one of them does not find the next one in the same page.
fn multiply(database: &Path, multiple: u32) -> Result<()> {
    let connection = Connection::open(database)?;
    // It was empty a moment ago: nothing to protect from a crash.
    connection.execute_batch("PRAGMA synchronous = off; PRAGMA cache_size = -500000; BEGIN")?;
    // What is put together of two blobs is a text.
    let copy = |id| format!("CAST(substr({id}, 1, 6) || randomblob(10) AS BLOB)");
    let [id, user, code] = ["id", "user_id", "code_id"].map(copy);
    connection.execute(
        &format!(
            "WITH RECURSIVE copies(i) AS (SELECT 2 WHERE ?1 > 1
                 UNION ALL SELECT i + 1 FROM copies WHERE i < ?1)
             INSERT INTO sessions (id, user_id, code_id, refresh, created_at, last_seen_at,
                                   expires_at, ends_at, user_agent, address)
             SELECT {id}, {user}, {code}, randomblob(32), created_at, last_seen_at, expires_at,
                    ends_at, user_agent, address
             FROM sessions CROSS JOIN copies"
        ),
        [multiple],
    )?;
    connection.execute(
        "INSERT OR IGNORE INTO users (id, phone_index, phone_sealed, created_at)
         SELECT user_id, randomblob(32), phone_sealed, sessions.created_at
         FROM sessions, (SELECT phone_sealed FROM users LIMIT 1)",
        [],
    )?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}

/// The same with PostgreSQL, whose statistics are brought up to date as its autovacuum would.
fn multiply_in_postgres(url: &str, multiple: u32) {
    let random = "substr(uuid_send(gen_random_uuid()), 1, 10)";
    let digest = "uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())";
    psql(
        url,
        &format!(
            "INSERT INTO phone_auth.sessions (id, user_id, code_id, refresh, created_at,
                 last_seen_at, expires_at, ends_at, user_agent, address)
             SELECT substr(id, 1, 6) || {random}, substr(user_id, 1, 6) || {random},
                 substr(code_id, 1, 6) || {random}, {digest}, created_at, last_seen_at,
                 expires_at, ends_at, user_agent, address
             FROM phone_auth.sessions, generate_series(2, {multiple});
             INSERT INTO phone_auth.users (id, phone_index, phone_sealed, created_at)
             SELECT user_id, {digest}, phone_sealed, sessions.created_at
             FROM phone_auth.sessions, (SELECT phone_sealed FROM phone_auth.users LIMIT 1) AS one
             ON CONFLICT DO NOTHING"
        ),
    );
    psql(url, "VACUUM (ANALYZE)");
    // What is still to be written would be written while calls are timed.
    psql(url, "CHECKPOINT");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_session_becomes_so_many_of_different_users() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let db = Connection::open(&path).unwrap();
        let schema = include_str!("../../crates/adapter-sqlite/migrations/V1__initial.sql");
        db.execute_batch(schema).unwrap();
        db.execute_batch(
            "INSERT INTO users (id, phone_index, phone_sealed, created_at)
                 VALUES (zeroblob(16), zeroblob(32), zeroblob(48), 1);
             INSERT INTO sessions (id, user_id, code_id, refresh, created_at, last_seen_at,
                                   expires_at, ends_at, user_agent, address) VALUES
                 (zeroblob(16), zeroblob(16), zeroblob(16), zeroblob(32), 1, 1, 9, 9, NULL, '::1');",
        )
        .unwrap();
        multiply(&path, 7).unwrap();
        let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
        let users = "SELECT count(DISTINCT user_id) FROM sessions WHERE length(user_id) = 16";
        assert_eq!(count(users), 7);
        assert_eq!(
            count("SELECT count(*) FROM users NATURAL JOIN (SELECT user_id id FROM sessions)"),
            7
        );
        multiply(&path, 1).unwrap();
        assert_eq!(count("SELECT count(*) FROM sessions"), 7);
    }

    #[test]
    fn they_become_as_many_in_postgres() {
        let url = servers::Postgres::shared().database();
        psql(&url, "CREATE SCHEMA phone_auth");
        for migration in [
            include_str!("../../crates/adapter-postgres/migrations/V2__users.sql"),
            include_str!("../../crates/adapter-postgres/migrations/V3__sessions.sql"),
        ] {
            psql(&url, migration);
        }
        let zeros = |count: usize| format!("'\\x{}'", "00".repeat(count));
        let (id, digest) = (zeros(16), zeros(32));
        psql(
            &url,
            &format!(
                "INSERT INTO phone_auth.users VALUES ({id}, {digest}, {digest}, 1);
                 INSERT INTO phone_auth.sessions (id, user_id, code_id, refresh, created_at,
                     last_seen_at, expires_at, ends_at, address)
                 VALUES ({id}, {id}, {id}, {digest}, 1, 1, 9, 9, '::1')"
            ),
        );
        multiply_in_postgres(&url, 7);
        let joined = "SELECT count(DISTINCT users.id) FROM phone_auth.users
                      JOIN phone_auth.sessions ON user_id = users.id AND length(user_id) = 16";
        assert_eq!(psql(&url, joined), "7");
        multiply_in_postgres(&url, 1);
        assert_eq!(psql(&url, "SELECT count(*) FROM phone_auth.sessions"), "7");
    }
}
