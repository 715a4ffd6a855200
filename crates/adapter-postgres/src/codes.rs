use async_trait::async_trait;
use domain::code::{CodeLength, Delivery, DeliveryStatus, PhoneCode};
use domain::id::PhoneCodeId;
use domain::message::Locale;
use domain::ports::{CodeStore, StoreError};
use domain::timestamp::Timestamp;
use domain::vault::{KeyId, PhoneIndex};
use tokio_postgres::Row;

use crate::Postgres;
use crate::pool::params;
use crate::row::{
    Unreadable, all, bytes, column, first, is_so, millis, moment, number, phone, sound,
};

macro_rules! columns {
    () => {
        "id, phone_index, phone_sealed, key_id, salt, length, locale, created_at, expires_at, \
         tries, attempts, consumed, send, status, queued_at"
    };
}

const PUT: &str = "SELECT phone_auth.put_code(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
const GET: &str = concat!("SELECT ", columns!(), " FROM phone_auth.get_code($1)");
const OF_PHONE: &str = concat!("SELECT ", columns!(), " FROM phone_auth.codes_of_phone($1)");
const BEGIN_ATTEMPT: &str = concat!("SELECT ", columns!(), " FROM phone_auth.begin_attempt($1)");
const RELEASE_ATTEMPT: &str = "SELECT FROM phone_auth.release_attempt($1)";
const CONSUME: &str = "SELECT phone_auth.consume_code($1)";
const SET_DELIVERY: &str = "SELECT phone_auth.set_delivery($1, $2, $3, $4, $5)";
const SWEEP: &str = "SELECT phone_auth.sweep_codes($1, $2)";
const HEALTH: &str = "SELECT FROM phone_auth.release_attempt('')";

#[async_trait]
impl CodeStore for Postgres {
    async fn put(&self, code: &PhoneCode) -> Result<bool, StoreError> {
        let row = params![
            code.id.as_bytes() => BYTEA,
            code.phone.index().as_bytes() => BYTEA,
            code.phone.sealed() => BYTEA,
            i64::from(code.key.0) => INT8,
            code.salt => BYTEA,
            i16::from(code.length.get()) => INT2,
            code.locale.as_str() => TEXT,
            millis(code.created_at) => INT8,
            millis(code.expires_at) => INT8,
            i16::from(code.tries) => INT2,
            i16::from(code.attempts) => INT2,
            code.consumed => BOOL,
            i16::from(code.delivery.send) => INT2,
            code.delivery.status.as_str() => TEXT,
            millis(code.delivery.queued_at) => INT8,
        ];
        is_so(&self.pool.once(PUT, row).await?)
    }

    async fn get(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError> {
        let id = params![id.as_bytes() => BYTEA];
        first(&self.pool.repeatable(GET, id).await?, code)
    }

    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Vec<PhoneCode>, StoreError> {
        let indexes: Vec<_> = indexes.iter().map(|index| index.as_bytes()).collect();
        let rows = self
            .pool
            .repeatable(OF_PHONE, params![indexes => BYTEA_ARRAY])
            .await?;
        all(&rows, code)
    }

    async fn begin_attempt(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError> {
        let id = params![id.as_bytes() => BYTEA];
        first(&self.pool.once(BEGIN_ATTEMPT, id).await?, code)
    }

    async fn release_attempt(&self, id: PhoneCodeId) -> Result<(), StoreError> {
        let id = params![id.as_bytes() => BYTEA];
        self.pool.once(RELEASE_ATTEMPT, id).await.map(drop)
    }

    async fn consume(&self, id: PhoneCodeId) -> Result<bool, StoreError> {
        let id = params![id.as_bytes() => BYTEA];
        is_so(&self.pool.once(CONSUME, id).await?)
    }

    async fn set_delivery(&self, id: PhoneCodeId, delivery: Delivery) -> Result<bool, StoreError> {
        let yielding: Vec<_> = delivery.supersedes().map(DeliveryStatus::as_str).collect();
        let row = params![
            id.as_bytes() => BYTEA,
            i16::from(delivery.send) => INT2,
            delivery.status.as_str() => TEXT,
            millis(delivery.queued_at) => INT8,
            yielding => TEXT_ARRAY,
        ];
        is_so(&self.pool.once(SET_DELIVERY, row).await?)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.sweep(SWEEP, now, limit).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.health(HEALTH).await
    }
}

fn code(row: &Row) -> Result<PhoneCode, Unreadable> {
    let status = DeliveryStatus::from_name(column(row, 13)?);
    Ok(PhoneCode {
        id: PhoneCodeId::from_bytes(bytes(row, 0)?),
        phone: phone(row, 1)?,
        key: KeyId(number::<i64, _>(row, 3)?),
        salt: bytes(row, 4)?,
        length: sound(CodeLength::new(number::<i16, _>(row, 5)?), row, 5)?,
        locale: sound(Locale::from_tag(column(row, 6)?), row, 6)?,
        created_at: moment(row, 7)?,
        expires_at: moment(row, 8)?,
        tries: number::<i16, _>(row, 9)?,
        attempts: number::<i16, _>(row, 10)?,
        consumed: column(row, 11)?,
        delivery: Delivery {
            send: number::<i16, _>(row, 12)?,
            status: sound(status, row, 13)?,
            queued_at: moment(row, 14)?,
        },
    })
}
