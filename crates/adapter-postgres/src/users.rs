use async_trait::async_trait;
use domain::id::UserId;
use domain::ports::{StoreError, UserRepo};
use domain::user::{NewUser, User};
use domain::vault::{PhoneIndex, SealedPhone};
use tokio_postgres::Row;

use crate::Postgres;
use crate::pool::params;
use crate::row::{Unreadable, bytes, column, first, is_so, millis, moment, phone};

const GET: &str = "SELECT id, phone_index, phone_sealed, created_at FROM phone_auth.get_user($1)";
const OF_PHONE: &str =
    "SELECT id, phone_index, phone_sealed, created_at FROM phone_auth.user_of_phone($1)";
const FIND_OR_CREATE: &str = "SELECT id, phone_index, phone_sealed, created_at, created
     FROM phone_auth.find_or_create_user($1, $2, $3, $4)";
const RESEAL: &str = "SELECT phone_auth.reseal_user($1, $2, $3)";
const DELETE: &str = "SELECT phone_auth.delete_user($1)";
const HEALTH: &str = "SELECT FROM phone_auth.reseal_user('', '', '')";

#[async_trait]
impl UserRepo for Postgres {
    async fn find(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let id = params![id.as_bytes() => BYTEA];
        first(&self.pool.repeatable(GET, id).await?, user)
    }

    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Option<User>, StoreError> {
        let indexes: Vec<_> = indexes.iter().map(|index| index.as_bytes()).collect();
        let rows = self
            .pool
            .repeatable(OF_PHONE, params![indexes => BYTEA_ARRAY])
            .await?;
        first(&rows, user)
    }

    async fn find_or_create(&self, new: &NewUser) -> Result<(User, bool), StoreError> {
        let indexes = std::iter::once(new.user.phone.index()).chain(&new.aliases);
        let indexes: Vec<_> = indexes.map(|index| index.as_bytes()).collect();
        let row = params![
            new.user.id.as_bytes() => BYTEA,
            indexes => BYTEA_ARRAY,
            new.user.phone.sealed() => BYTEA,
            millis(new.user.created_at) => INT8,
        ];
        let rows = self.pool.once(FIND_OR_CREATE, row).await?;
        let found = first(&rows, |row| Ok((user(row)?, column(row, 4)?)))?;
        found.ok_or_else(|| StoreError::unavailable("a user was neither found nor made"))
    }

    async fn reseal(&self, id: UserId, phone: &SealedPhone) -> Result<bool, StoreError> {
        let row = params![
            id.as_bytes() => BYTEA,
            phone.index().as_bytes() => BYTEA,
            phone.sealed() => BYTEA,
        ];
        is_so(&self.pool.repeatable(RESEAL, row).await?)
    }

    async fn delete(&self, id: UserId) -> Result<bool, StoreError> {
        let id = params![id.as_bytes() => BYTEA];
        is_so(&self.pool.once(DELETE, id).await?)
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.health(HEALTH).await
    }
}

fn user(row: &Row) -> Result<User, Unreadable> {
    Ok(User {
        id: UserId::from_bytes(bytes(row, 0)?),
        phone: phone(row, 1)?,
        created_at: moment(row, 3)?,
    })
}
