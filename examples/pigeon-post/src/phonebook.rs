//! A store: the users, in a list under one lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::id::UserId;
use domain::ports::{StoreError, UserRepo};
use domain::user::{NewUser, User};
use domain::vault::{PhoneIndex, SealedPhone};

/// Users in this process. Fine for a village.
#[derive(Default)]
pub struct Phonebook {
    users: Mutex<Vec<User>>,
}

impl Phonebook {
    fn users(&self) -> MutexGuard<'_, Vec<User>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl UserRepo for Phonebook {
    async fn find(&self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.users().iter().find(|user| user.id == id).cloned())
    }

    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Option<User>, StoreError> {
        Ok(self.users().iter().find(|user| indexes.contains(user.phone.index())).cloned())
    }

    async fn find_or_create(&self, new: &NewUser) -> Result<(User, bool), StoreError> {
        // One lock over look-up and insertion: that is what makes it one user per phone.
        let mut users = self.users();
        let is_theirs = |user: &&User| {
            let index = user.phone.index();
            index == new.user.phone.index() || new.aliases.contains(index)
        };
        if let Some(user) = users.iter().find(is_theirs) {
            return Ok((user.clone(), false));
        }
        users.push(new.user.clone());
        Ok((new.user.clone(), true))
    }

    async fn reseal(&self, id: UserId, phone: &SealedPhone) -> Result<bool, StoreError> {
        let mut users = self.users();
        let user = users.iter_mut().find(|user| user.id == id);
        let found = user.map(|user| user.phone = phone.clone());
        Ok(found.is_some())
    }

    async fn delete(&self, id: UserId) -> Result<bool, StoreError> {
        let mut users = self.users();
        let before = users.len();
        users.retain(|user| user.id != id);
        Ok(users.len() < before)
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
