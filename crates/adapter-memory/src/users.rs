use std::collections::HashMap;

use async_trait::async_trait;
use domain::id::UserId;
use domain::ports::{StoreError, UserRepo};
use domain::user::{NewUser, User};
use domain::vault::{PhoneIndex, SealedPhone};

use crate::lock::RwLock;

/// The users of this process.
#[derive(Default)]
pub struct MemoryUserRepo(RwLock<Users>);

#[derive(Default)]
struct Users {
    by_id: HashMap<UserId, User>,
    by_phone: HashMap<PhoneIndex, UserId>,
}

impl Users {
    fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Option<&User> {
        let id = indexes.iter().find_map(|index| self.by_phone.get(index))?;
        self.by_id.get(id)
    }

    fn find_or_create(&mut self, new: &NewUser) -> (User, bool) {
        let index = *new.user.phone.index();
        let known = self
            .find_by_phone(&[index])
            .or_else(|| self.find_by_phone(&new.aliases));
        if let Some(user) = known {
            return (user.clone(), false);
        }
        self.by_phone.insert(index, new.user.id);
        self.by_id.insert(new.user.id, new.user.clone());
        (new.user.clone(), true)
    }

    fn reseal(&mut self, id: UserId, phone: &SealedPhone) -> Result<bool, StoreError> {
        let index = *phone.index();
        let Some(user) = self.by_id.get_mut(&id) else {
            return Ok(false);
        };
        let holder = self.by_phone.get(&index);
        if holder.is_some_and(|holder| *holder != id) {
            return Err(StoreError::corrupt("two users have one phone"));
        }
        self.by_phone.remove(user.phone.index());
        self.by_phone.insert(index, id);
        user.phone = phone.clone();
        Ok(true)
    }

    fn delete(&mut self, id: UserId) -> bool {
        let user = self.by_id.remove(&id);
        user.is_some_and(|user| self.by_phone.remove(user.phone.index()).is_some())
    }
}

impl MemoryUserRepo {
    /// A repository without users.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl UserRepo for MemoryUserRepo {
    async fn find(&self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.0.read().by_id.get(&id).cloned())
    }

    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Option<User>, StoreError> {
        Ok(self.0.read().find_by_phone(indexes).cloned())
    }

    async fn find_or_create(&self, new: &NewUser) -> Result<(User, bool), StoreError> {
        Ok(self.0.write().find_or_create(new))
    }

    async fn reseal(&self, id: UserId, phone: &SealedPhone) -> Result<bool, StoreError> {
        self.0.write().reseal(id, phone)
    }

    async fn delete(&self, id: UserId) -> Result<bool, StoreError> {
        Ok(self.0.write().delete(id))
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
