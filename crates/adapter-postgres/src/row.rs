//! How values of the domain lie in columns, and what an error of PostgreSQL means to the domain.

use domain::ports::{Source, StoreError, with_causes};
use domain::timestamp::Timestamp;
use domain::vault::{PhoneIndex, SealedPhone};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, FromSqlOwned, Type};
use tokio_postgres::{Error, Row};

/// A column holds what this product would not have written.
#[derive(Debug, thiserror::Error)]
#[error("the column {0} is out of range")]
pub(crate) struct Unreadable(String);

/// A moment as a column: PostgreSQL's integers end at 2^63 - 1, and so does time here.
pub(crate) fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn moment(row: &Row, column: usize) -> Result<Timestamp, Unreadable> {
    number::<i64, _>(row, column).map(Timestamp::from_millis)
}

pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Unreadable> {
    sound(row.try_get(column).ok(), row, column)
}

pub(crate) fn number<S, T>(row: &Row, index: usize) -> Result<T, Unreadable>
where
    S: FromSqlOwned,
    T: TryFrom<S>,
{
    sound(T::try_from(column::<S>(row, index)?).ok(), row, index)
}

pub(crate) fn bytes<const N: usize>(row: &Row, index: usize) -> Result<[u8; N], Unreadable> {
    sound(column::<&[u8]>(row, index)?.try_into().ok(), row, index)
}

/// Nothing where the column is null.
pub(crate) fn optional<T>(
    row: &Row,
    index: usize,
    read: impl Fn(&Row, usize) -> Result<T, Unreadable>,
) -> Result<Option<T>, Unreadable> {
    match column::<Option<Something>>(row, index)? {
        Some(Something) => read(row, index).map(Some),
        None => Ok(None),
    }
}

/// A value of any type that is not null.
struct Something;

impl FromSql<'_> for Something {
    fn from_sql(_: &Type, _: &[u8]) -> Result<Self, Source> {
        Ok(Self)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A phone whose index and ciphertext are side by side.
pub(crate) fn phone(row: &Row, index: usize) -> Result<SealedPhone, Unreadable> {
    let sealed: &[u8] = column(row, index + 1)?;
    let index = PhoneIndex::from_bytes(bytes(row, index)?);
    Ok(SealedPhone::from_stored(index, sealed))
}

/// What was read, or an error that names the column this product would not have written so.
pub(crate) fn sound<T>(value: Option<T>, row: &Row, index: usize) -> Result<T, Unreadable> {
    value.ok_or_else(|| {
        let column = row.columns().get(index);
        Unreadable(column.map_or_else(|| index.to_string(), |column| column.name().to_owned()))
    })
}

/// The first row, if there is one.
pub(crate) fn first<T>(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, Unreadable>,
) -> Result<Option<T>, StoreError> {
    let first = rows.first().map(read).transpose();
    first.map_err(StoreError::corrupt)
}

/// What a function says that answers yes or no.
pub(crate) fn is_so(rows: &[Row]) -> Result<bool, StoreError> {
    first(rows, |row| column(row, 0)).map(Option::unwrap_or_default)
}

pub(crate) fn all<T>(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, Unreadable>,
) -> Result<Vec<T>, StoreError> {
    let all: Result<_, _> = rows.iter().map(read).collect();
    all.map_err(StoreError::corrupt)
}

pub(crate) fn store_error(error: &Error) -> StoreError {
    let damaged = [
        SqlState::DATA_CORRUPTED,
        SqlState::INDEX_CORRUPTED,
        // A table has other columns than the functions were made for.
        SqlState::DATATYPE_MISMATCH,
    ];
    if error.code().is_some_and(|code| damaged.contains(code)) {
        StoreError::corrupt(describe(error))
    } else {
        StoreError::unavailable(describe(error))
    }
}

/// In one line. Without the server's details, for these may quote rows.
pub(crate) fn describe(error: &Error) -> String {
    match error.as_db_error() {
        Some(error) => {
            let message = error.message().replace('\n', " ");
            format!("{message} ({})", error.code().code())
        }
        None => with_causes(error),
    }
}
