use super::{Auth, AuthError, Part, UserView};
use crate::event::Event;
use crate::id::UserId;
use crate::phone::PhoneNumber;
use crate::user::User;

/// What an operator does with a user, by phone.
impl Auth {
    /// The user of a phone, in any common spelling, and how many live sessions there are.
    ///
    /// # Errors
    /// [`AuthError::PhoneInvalid`], [`AuthError::NotFound`], [`AuthError::Unavailable`].
    pub async fn user_by_phone(&self, phone: &str) -> Result<(UserView, usize), AuthError> {
        let user = self.find_user(phone).await?;
        let live = self.ports.sessions.list(user.id, self.now()).await;
        let live = live.map_err(Part::Sessions.failed())?;
        Ok((self.user_view(&user)?, live.len()))
    }

    /// Ends all sessions of a phone's user, and says how many were live.
    ///
    /// # Errors
    /// As [`Auth::user_by_phone`].
    pub async fn sign_out_user(&self, phone: &str) -> Result<u64, AuthError> {
        let user = self.find_user(phone).await?;
        self.revoke_all(user.id).await
    }

    /// Deletes a phone's user and ends all their sessions.
    ///
    /// # Errors
    /// As [`Auth::user_by_phone`].
    pub async fn delete_user(&self, phone: &str) -> Result<UserId, AuthError> {
        let user = self.find_user(phone).await?.id;
        // Before the deletion, so that a failure leaves a user to try again with; and after it,
        // for whoever signed in meanwhile.
        self.revoke_all(user).await?;
        let deleted = self.ports.users.delete(user).await;
        if deleted.map_err(Part::Users.failed())? {
            self.emit(Event::UserDeleted { user });
        }
        self.revoke_all(user).await?;
        Ok(user)
    }

    async fn find_user(&self, phone: &str) -> Result<User, AuthError> {
        // No policy: a country that is not texted any more may still have users.
        let phone = PhoneNumber::parse(phone, self.policy.phones.default_region)
            .map_err(|_| AuthError::PhoneInvalid)?;
        let indexes = self.vault().indexes(&phone);
        let user = self.ports.users.find_by_phone(&indexes).await;
        let is_it = |user: &User| indexes.contains(user.phone.index());
        let user = Part::Users.own(user, |user| user.as_ref().is_none_or(is_it))?;
        user.ok_or(AuthError::NotFound)
    }

    pub(super) async fn revoke_all(&self, user: UserId) -> Result<u64, AuthError> {
        let revoked = self.ports.sessions.revoke_all(user, self.now()).await;
        let sessions = revoked.map_err(Part::Sessions.failed())?;
        if sessions > 0 {
            self.emit(Event::SignedOut { user, sessions });
        }
        Ok(sessions)
    }

    pub(super) fn user_view(&self, user: &User) -> Result<UserView, AuthError> {
        let phone = self.vault().open(&user.phone)?;
        Ok(UserView {
            id: user.id,
            phone,
            created_at: user.created_at,
        })
    }
}
