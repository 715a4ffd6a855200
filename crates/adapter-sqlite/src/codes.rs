use std::cmp::Reverse;

use async_trait::async_trait;
use domain::code::{CodeLength, Delivery, DeliveryStatus, PhoneCode};
use domain::id::PhoneCodeId;
use domain::message::Locale;
use domain::ports::{CodeStore, StoreError};
use domain::timestamp::Timestamp;
use domain::vault::{KeyId, PhoneIndex};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use crate::Sqlite;
use crate::row::{millis, moment, phone, sound};

macro_rules! columns {
    () => {
        "id, phone_index, phone_sealed, key_id, salt, length, locale, created_at, expires_at, \
         tries, attempts, consumed, send, status, queued_at"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO codes (",
    columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
       ON CONFLICT (id) DO NOTHING"
);
const BY_ID: &str = concat!("SELECT ", columns!(), " FROM codes WHERE id = ?1");
const BY_PHONE: &str = concat!("SELECT ", columns!(), " FROM codes WHERE phone_index = ?1");
const BEGIN_ATTEMPT: &str = concat!(
    "UPDATE codes SET attempts = min(attempts + 1, 255) WHERE id = ?1 RETURNING ",
    columns!()
);
const RELEASE_ATTEMPT: &str = "UPDATE codes SET attempts = max(attempts - 1, 0) WHERE id = ?1";
const CONSUME: &str = "UPDATE codes SET consumed = 1 WHERE id = ?1 AND consumed = 0";
const DELIVERY: &str = "SELECT send, status, queued_at FROM codes WHERE id = ?1";
const SET_DELIVERY: &str = "UPDATE codes SET send = ?2, status = ?3, queued_at = ?4 WHERE id = ?1";
const SWEEP: &str =
    "DELETE FROM codes WHERE id IN (SELECT id FROM codes WHERE expires_at <= ?1 LIMIT ?2)";

#[async_trait]
impl CodeStore for Sqlite {
    async fn put(&self, code: &PhoneCode) -> Result<bool, StoreError> {
        let code = code.clone();
        self.writer.write(move |conn| insert(conn, &code)).await
    }

    async fn get(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError> {
        self.readers.read(|conn| {
            conn.prepare_cached(BY_ID)?
                .query_row([id.as_bytes()], code)
                .optional()
        })
    }

    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Vec<PhoneCode>, StoreError> {
        self.readers.read(|conn| {
            let moment = conn.unchecked_transaction()?;
            let mut found = Vec::new();
            for index in indexes {
                let mut statement = moment.prepare_cached(BY_PHONE)?;
                for code in statement.query_map([index.as_bytes()], code)? {
                    found.push(code?);
                }
            }
            found.sort_by_key(|code| Reverse(code.created_at));
            Ok(found)
        })
    }

    async fn begin_attempt(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError> {
        self.writer
            .write(move |conn| {
                conn.prepare_cached(BEGIN_ATTEMPT)?
                    .query_row([id.as_bytes()], code)
                    .optional()
            })
            .await
    }

    async fn release_attempt(&self, id: PhoneCodeId) -> Result<(), StoreError> {
        self.writer
            .write(move |conn| {
                conn.prepare_cached(RELEASE_ATTEMPT)?
                    .execute([id.as_bytes()])
                    .map(drop)
            })
            .await
    }

    async fn consume(&self, id: PhoneCodeId) -> Result<bool, StoreError> {
        self.writer
            .write(move |conn| Ok(conn.prepare_cached(CONSUME)?.execute([id.as_bytes()])? == 1))
            .await
    }

    async fn set_delivery(&self, id: PhoneCodeId, delivery: Delivery) -> Result<bool, StoreError> {
        self.writer
            .write(move |conn| set_delivery(conn, id, delivery))
            .await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.sweep(SWEEP, now, limit).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.health().await
    }
}

fn insert(conn: &Connection, code: &PhoneCode) -> Result<bool> {
    let inserted = conn.prepare_cached(INSERT)?.execute(params![
        code.id.as_bytes(),
        code.phone.index().as_bytes(),
        code.phone.sealed(),
        code.key.0,
        code.salt,
        code.length.get(),
        code.locale.as_str(),
        millis(code.created_at),
        millis(code.expires_at),
        code.tries,
        code.attempts,
        code.consumed,
        code.delivery.send,
        code.delivery.status.as_str(),
        millis(code.delivery.queued_at),
    ])?;
    Ok(inserted == 1)
}

fn set_delivery(conn: &Connection, id: PhoneCodeId, newer: Delivery) -> Result<bool> {
    let held = conn
        .prepare_cached(DELIVERY)?
        .query_row([id.as_bytes()], |row| delivery(row, 0))
        .optional()?;
    let taken = held.is_some_and(|held| held.yields_to(&newer));
    if taken {
        conn.prepare_cached(SET_DELIVERY)?.execute(params![
            id.as_bytes(),
            newer.send,
            newer.status.as_str(),
            millis(newer.queued_at),
        ])?;
    }
    Ok(taken)
}

fn code(row: &Row<'_>) -> Result<PhoneCode> {
    Ok(PhoneCode {
        id: PhoneCodeId::from_bytes(row.get(0)?),
        phone: phone(row, 1)?,
        key: KeyId(row.get(3)?),
        salt: row.get(4)?,
        length: sound(CodeLength::new(row.get(5)?), 5, Type::Integer)?,
        locale: sound(Locale::from_tag(row.get_ref(6)?.as_str()?), 6, Type::Text)?,
        created_at: moment(row, 7)?,
        expires_at: moment(row, 8)?,
        tries: row.get(9)?,
        attempts: row.get(10)?,
        consumed: row.get(11)?,
        delivery: delivery(row, 12)?,
    })
}

/// The three columns from `first` on.
fn delivery(row: &Row<'_>, first: usize) -> Result<Delivery> {
    let status = DeliveryStatus::from_name(row.get_ref(first + 1)?.as_str()?);
    Ok(Delivery {
        send: row.get(first)?,
        status: sound(status, first + 1, Type::Text)?,
        queued_at: moment(row, first + 2)?,
    })
}
