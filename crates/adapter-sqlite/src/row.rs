//! How values of the domain lie in columns, and what an error of SQLite means to the domain.

use domain::ports::StoreError;
use domain::timestamp::Timestamp;
use domain::vault::{PhoneIndex, SealedPhone};
use rusqlite::types::Type;
use rusqlite::{Error, ErrorCode, Result, Row};

/// A moment as a column: SQLite's integers end at 2^63 - 1, and so does time here.
pub(crate) fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn moment(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

/// A phone whose index and ciphertext are side by side.
pub(crate) fn phone(row: &Row<'_>, column: usize) -> Result<SealedPhone> {
    let index = PhoneIndex::from_bytes(row.get(column)?);
    Ok(SealedPhone::from_stored(
        index,
        row.get::<_, Box<[u8]>>(column + 1)?,
    ))
}

/// What was read, or an error that names the column this product would not have written so.
pub(crate) fn sound<T>(value: Option<T>, column: usize, kind: Type) -> Result<T> {
    value.ok_or_else(|| Error::FromSqlConversionFailure(column, kind, "out of range".into()))
}

pub(crate) fn is_busy(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

pub(crate) fn store_error(error: Error) -> StoreError {
    let unreadable = matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
    );
    let damaged = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    );
    if unreadable || damaged {
        StoreError::corrupt(error)
    } else {
        StoreError::unavailable(error)
    }
}
