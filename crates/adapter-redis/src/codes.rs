use std::cmp::Reverse;
use std::sync::LazyLock;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use domain::code::{CodeLength, Delivery, DeliveryStatus, PhoneCode};
use domain::id::PhoneCodeId;
use domain::message::Locale;
use domain::ports::{CodeStore, StoreError};
use domain::timestamp::Timestamp;
use domain::vault::{KeyId, PhoneIndex, SealedPhone};

use crate::Redis;
use crate::link::Link;
use crate::row::{GRACE, Row, millis, millis_of, sound};
use crate::script::{Call, Script};

static PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("codes/put.lua")));
static FIND_BY_PHONE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("codes/find_by_phone.lua")));
static BEGIN_ATTEMPT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("codes/begin_attempt.lua")));
static RELEASE_ATTEMPT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("codes/release_attempt.lua")));
static CONSUME: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("codes/consume.lua")));
static SET_DELIVERY: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("codes/set_delivery.lua")));

fn key_of_phone(link: &Link, index: &PhoneIndex) -> String {
    link.key(format_args!("phone:{}", HEXLOWER.encode(index.as_bytes())))
}

#[async_trait]
impl CodeStore for Redis {
    async fn put(&self, code: &PhoneCode) -> Result<bool, StoreError> {
        let phone = key_of_phone(&self.codes, code.phone.index());
        let keys = [self.codes.key(code.id), phone];
        let ttl = code.expires_at.since(code.created_at) + GRACE;
        let call = with_fields(PUT.on(&keys).arg(millis_of(ttl)), code);
        self.codes.run(call).await
    }

    async fn get(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError> {
        let row: Row = self
            .codes
            .query(&redis::Cmd::hgetall(self.codes.key(id)))
            .await?;
        row.read(code)
    }

    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Vec<PhoneCode>, StoreError> {
        let keys = indexes.iter().map(|index| key_of_phone(&self.codes, index));
        let keys: Vec<String> = keys.collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<Row> = self.codes.run(FIND_BY_PHONE.on(&keys)).await?;
        let mut found = rows.iter().map(code).collect::<Result<Vec<_>, _>>()?;
        found.sort_by_key(|code| Reverse(code.created_at));
        Ok(found)
    }

    async fn begin_attempt(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError> {
        let call = BEGIN_ATTEMPT.on(&[self.codes.key(id)]);
        let row: Row = self.codes.run(call).await?;
        row.read(code)
    }

    async fn release_attempt(&self, id: PhoneCodeId) -> Result<(), StoreError> {
        self.codes
            .run(RELEASE_ATTEMPT.on(&[self.codes.key(id)]))
            .await
    }

    async fn consume(&self, id: PhoneCodeId) -> Result<bool, StoreError> {
        self.codes.run(CONSUME.on(&[self.codes.key(id)])).await
    }

    async fn set_delivery(&self, id: PhoneCodeId, delivery: Delivery) -> Result<bool, StoreError> {
        let yielding: Vec<_> = delivery.supersedes().map(DeliveryStatus::as_str).collect();
        let call = SET_DELIVERY
            .on(&[self.codes.key(id)])
            .arg(delivery.send)
            .arg(delivery.status.as_str())
            .arg(millis(delivery.queued_at))
            .arg(yielding);
        self.codes.run(call).await
    }

    /// Codes leave by their time to live.
    async fn sweep(&self, _now: Timestamp, _limit: usize) -> Result<usize, StoreError> {
        Ok(0)
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.codes.health().await
    }
}

fn with_fields(call: Call, code: &PhoneCode) -> Call {
    call.field("id", code.id.to_string())
        .field("phone_index", code.phone.index().as_bytes())
        .field("phone_sealed", code.phone.sealed())
        .field("key_id", code.key.0)
        .field("salt", &code.salt)
        .field("length", code.length.get())
        .field("locale", code.locale.as_str())
        .field("created_at", millis(code.created_at))
        .field("expires_at", millis(code.expires_at))
        .field("tries", code.tries)
        .field("attempts", code.attempts)
        .field("consumed", u8::from(code.consumed))
        .field("send", code.delivery.send)
        .field("status", code.delivery.status.as_str())
        .field("queued_at", millis(code.delivery.queued_at))
}

fn code(row: &Row) -> Result<PhoneCode, StoreError> {
    let index = PhoneIndex::from_bytes(row.array("phone_index")?);
    let locale = Locale::from_tag(row.text("locale")?);
    Ok(PhoneCode {
        id: row.parse("id")?,
        phone: SealedPhone::from_stored(index, row.bytes("phone_sealed")?),
        key: KeyId(row.parse("key_id")?),
        salt: row.array("salt")?,
        length: sound(CodeLength::new(row.parse("length")?), "length")?,
        locale: sound(locale, "locale")?,
        created_at: row.moment("created_at")?,
        expires_at: row.moment("expires_at")?,
        tries: row.parse("tries")?,
        attempts: row.parse("attempts")?,
        consumed: row.parse::<u8>("consumed")? != 0,
        delivery: Delivery {
            send: row.parse("send")?,
            status: sound(DeliveryStatus::from_name(row.text("status")?), "status")?,
            queued_at: row.moment("queued_at")?,
        },
    })
}
