use async_trait::async_trait;
use domain::id::UserId;
use domain::ports::{StoreError, UserRepo};
use domain::user::{NewUser, User};
use domain::vault::{PhoneIndex, SealedPhone};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use crate::Sqlite;
use crate::row::{millis, moment, phone};

const BY_ID: &str = "SELECT id, phone_index, phone_sealed, created_at FROM users WHERE id = ?1";
const BY_PHONE: &str =
    "SELECT id, phone_index, phone_sealed, created_at FROM users WHERE phone_index = ?1";
const INSERT: &str =
    "INSERT INTO users (id, phone_index, phone_sealed, created_at) VALUES (?1, ?2, ?3, ?4)";
const RESEAL: &str = "UPDATE users SET phone_index = ?2, phone_sealed = ?3 WHERE id = ?1";
const DELETE: &str = "DELETE FROM users WHERE id = ?1";

#[async_trait]
impl UserRepo for Sqlite {
    async fn find(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.readers.read(|conn| {
            conn.prepare_cached(BY_ID)?
                .query_row([id.as_bytes()], user)
                .optional()
        })
    }

    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Option<User>, StoreError> {
        self.readers.read(|conn| {
            // A user who moves from one index to another meanwhile is under one of them.
            let moment = conn.unchecked_transaction()?;
            find(&moment, indexes)
        })
    }

    async fn find_or_create(&self, new: &NewUser) -> Result<(User, bool), StoreError> {
        let indexes = [&[*new.user.phone.index()], new.aliases.as_slice()].concat();
        // Most sign-ins are of somebody known: they write nothing.
        if let Some(known) = self.readers.read(|conn| find(conn, &indexes))? {
            return Ok((known, false));
        }
        let new = new.user.clone();
        self.writer
            .write(move |conn| match find(conn, &indexes)? {
                Some(known) => Ok((known, false)),
                None => insert(conn, &new).map(|()| (new.clone(), true)),
            })
            .await
    }

    async fn reseal(&self, id: UserId, phone: &SealedPhone) -> Result<bool, StoreError> {
        let phone = phone.clone();
        self.writer
            .write(move |conn| {
                let row = params![id.as_bytes(), phone.index().as_bytes(), phone.sealed()];
                Ok(conn.prepare_cached(RESEAL)?.execute(row)? == 1)
            })
            .await
    }

    async fn delete(&self, id: UserId) -> Result<bool, StoreError> {
        self.writer
            .write(move |conn| Ok(conn.prepare_cached(DELETE)?.execute([id.as_bytes()])? == 1))
            .await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.health().await
    }
}

fn find(conn: &Connection, indexes: &[PhoneIndex]) -> Result<Option<User>> {
    let mut statement = conn.prepare_cached(BY_PHONE)?;
    for index in indexes {
        if let Some(user) = statement.query_row([index.as_bytes()], user).optional()? {
            return Ok(Some(user));
        }
    }
    Ok(None)
}

fn insert(conn: &Connection, user: &User) -> Result<()> {
    conn.prepare_cached(INSERT)?
        .execute(params![
            user.id.as_bytes(),
            user.phone.index().as_bytes(),
            user.phone.sealed(),
            millis(user.created_at),
        ])
        .map(drop)
}

fn user(row: &Row<'_>) -> Result<User> {
    Ok(User {
        id: UserId::from_bytes(row.get(0)?),
        phone: phone(row, 1)?,
        created_at: moment(row, 3)?,
    })
}
