//! Why a database cannot be used.

use std::error::Error as _;
use std::path::PathBuf;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::row::describe;

/// Why the database cannot be used, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{server} {fault}")]
pub struct OpenError {
    server: String,
    fault: Fault,
}

impl OpenError {
    pub(crate) fn new(server: impl Into<String>, fault: Fault) -> Self {
        Self {
            server: server.into(),
            fault,
        }
    }

    /// What is wrong with it.
    pub fn into_fault(self) -> Fault {
        self.fault
    }
}

/// What is wrong with a database that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The URL cannot be read. It is not shown, for it may hold a password.
    #[error(
        "is not the URL of a PostgreSQL database: write postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters as %40, and nothing after it but options like ?sslmode=require"
    )]
    Url,
    /// The file of authorities cannot be read.
    #[error("needs the certificates in {}, which cannot be read ({reason}): correct postgres.ca_file", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Nobody listens there, or there is no such host.
    #[error("cannot be reached ({0}): start it, or correct host and port in postgres.url")]
    Unreachable(String),
    /// It does not answer.
    #[error("did not answer in time: see what keeps it, or correct postgres.url")]
    Silent,
    /// Its certificate is not trusted, or it has none.
    #[error(
        "does not speak TLS as it should ({0}): set postgres.ca_file to the authority of its certificate and the host in postgres.url to a name in it, or do without TLS by sslmode=disable in a network of your own"
    )]
    Tls(String),
    /// The user or the password is wrong.
    #[error("does not let this user in ({0}): correct user and password in postgres.url")]
    Login(String),
    /// Nobody may connect from here as this user, whatever the password.
    #[error(
        "does not let this user in from here ({0}): add a line for it to pg_hba.conf there and reload that, or, if there is one that wants TLS (hostssl), write ?sslmode=require after the database in postgres.url"
    )]
    Unlisted(String),
    /// The user may not connect to this database.
    #[error("does not let this user connect ({0}): GRANT CONNECT ON DATABASE … TO this user")]
    NoConnect(String),
    /// The database is missing.
    #[error("does not exist: create it with CREATE DATABASE, or correct postgres.url")]
    NoDatabase,
    /// It has as many connections as it may have.
    #[error(
        "has no connection left ({0}): lower postgres.pool in every process, raise max_connections, or put PgBouncer in between"
    )]
    Full(String),
    /// It has just been started or told to stop.
    #[error("is not ready ({0}): start again once it is, or see in its log what keeps it")]
    NotReady(String),
    /// The server is too old.
    #[error("runs PostgreSQL {0}: upgrade it to 13 or later")]
    TooOld(i32),
    /// The database keeps text in a way that cannot hold all of it.
    #[error(
        "keeps text as {0}: make another one by CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and name it in postgres.url"
    )]
    Encoding(String),
    /// The server is a standby, or told to take no writes.
    #[error("takes no writes: start the primary, and name it in postgres.url")]
    ReadOnly,
    /// Its transactions are isolated in another way than the statements here were written for.
    #[error(
        "isolates transactions as {0}: ALTER ROLE or DATABASE to SET default_transaction_isolation = 'read committed'"
    )]
    Isolation(String),
    /// Its migrations take longer than a start may.
    #[error(
        "is being migrated, which takes longer than a start may: run `phone-auth migrate`, which waits until that is done, then start again"
    )]
    Unfinished,
    /// The schema is missing or old, and this user may not change that.
    #[error(
        "lacks the schema phone_auth or its latest migrations, and this user may not make them ({0}): run `phone-auth migrate` with a user who owns the database"
    )]
    NotMigrated(String),
    /// The user may not use what is there.
    #[error(
        "does not let this user use the schema phone_auth ({0}): GRANT it USAGE ON SCHEMA, SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA and EXECUTE ON ALL FUNCTIONS IN SCHEMA phone_auth"
    )]
    Forbidden(String),
    /// Something of its schema was dropped.
    #[error("lacks {0}, which its migrations made: restore a backup")]
    Incomplete(String),
    /// A later version made its schema.
    #[error(
        "was written by a newer phone-auth (schema {found}, this one knows {known}): run that version or restore a backup"
    )]
    Newer {
        /// The database's schema.
        found: i32,
        /// The latest schema known here.
        known: i32,
    },
    /// Anything else.
    #[error("cannot be opened: {0}")]
    Other(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        let reason = describe(error);
        match error.code() {
            // In every language.
            Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
                if reason.contains("pg_hba.conf") =>
            {
                Self::Unlisted(reason)
            }
            Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
                Self::Login(reason)
            }
            Some(&SqlState::INVALID_CATALOG_NAME) => Self::NoDatabase,
            Some(&SqlState::TOO_MANY_CONNECTIONS) => Self::Full(reason),
            Some(&SqlState::CANNOT_CONNECT_NOW) => Self::NotReady(reason),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Self::Forbidden(reason),
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => Self::ReadOnly,
            Some(_) => Self::Other(reason),
            None => Self::of_connecting(error),
        }
    }
}

impl Fault {
    /// The kinds of these errors can be told by their texts only.
    fn of_connecting(error: &Error) -> Self {
        let reason = error.source().unwrap_or(error).to_string();
        match error.to_string() {
            kind if kind.contains("TLS") => Self::Tls(reason),
            _ if reason == "password missing" => Self::Login(reason),
            _ if reason == "database does not allow writes" => Self::ReadOnly,
            _ => Self::Unreachable(reason),
        }
    }
}
