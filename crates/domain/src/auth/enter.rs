use std::time::Duration;

use super::{
    Auth, AuthError, Credentials, Grant, Part, SessionView, SignIn, SignedIn, Tokens, UserView,
};
use crate::code::PhoneCode;
use crate::event::Event;
use crate::id::{SessionId, UserId};
use crate::phone::PhoneNumber;
use crate::ports::{AccessClaims, Inserted};
use crate::session::{SessionLifetime, SessionToken, UserSession};
use crate::timestamp::Timestamp;
use crate::user::{NewUser, User};
use crate::vault::TokenUse;

impl Auth {
    /// Makes the session that a code proved.
    pub(super) async fn open_session(
        &self,
        code: &PhoneCode,
        phone: &PhoneNumber,
        sign_in: SignIn<'_>,
    ) -> Result<SignedIn, AuthError> {
        let now = self.now();
        let (user, new_user) = self.user_of(code, phone, now).await?;
        let id = SessionId::generate(now, &*self.ports.entropy);
        let lifetime = match sign_in.grant {
            Grant::Tokens => self.policy.session_lifetime,
            Grant::AccessOnly(total) | Grant::Cookie(total) => SessionLifetime::Fixed(total),
        };
        let (expires_at, ends_at) = lifetime.ends(now);
        // Signed before the session is stored: keys that fail spend nobody's code.
        let credentials = self
            .credentials(sign_in.grant, user.id, id, now, expires_at)
            .await?;
        let refresh = match &credentials {
            Credentials::Tokens(tokens) => tokens.refresh.as_ref().map(SessionToken::digest),
            Credentials::Cookie(_) => None,
        };
        let session = UserSession {
            id,
            user: user.id,
            code: code.id,
            refresh,
            created_at: now,
            last_seen_at: now,
            expires_at,
            ends_at,
            revoked_at: None,
            user_agent: sign_in.caller.user_agent.clone(),
            address: sign_in.caller.address,
        };
        let inserted = self
            .ports
            .sessions
            .insert(&session, self.policy.sessions_per_user)
            .await;
        if inserted.map_err(Part::Sessions.failed())? == Inserted::CodeAlreadyUsed {
            return Err(self.gone());
        }
        self.emit(Event::SignedIn {
            user: user.id,
            session: id,
        });
        Ok(SignedIn {
            session: SessionView::new(session, id),
            user: UserView {
                id: user.id,
                phone: phone.clone(),
                created_at: user.created_at,
            },
            new_user,
            credentials,
        })
    }

    /// The phone's user, made now unless there is one, sealed under the current key.
    async fn user_of(
        &self,
        code: &PhoneCode,
        phone: &PhoneNumber,
        now: Timestamp,
    ) -> Result<(User, bool), AuthError> {
        let vault = self.vault();
        let indexes = vault.indexes(phone);
        let phone = if code.key == vault.current_key() {
            code.phone.clone()
        } else {
            vault.seal(phone, &*self.ports.entropy)
        };
        let mut aliases = indexes.clone();
        aliases.retain(|index| index != phone.index());
        let id = UserId::generate(now, &*self.ports.entropy);
        let new = NewUser {
            user: User {
                id,
                phone,
                created_at: now,
            },
            aliases,
        };
        let found = self.ports.users.find_or_create(&new).await;
        let is_it = |(user, _): &(User, bool)| indexes.contains(user.phone.index());
        let (user, created) = Part::Users.own(found, is_it)?;
        if created {
            self.emit(Event::UserCreated { user: user.id });
        }
        if user.phone.index() != new.user.phone.index() {
            // Kept under an older key: moved now, so that the old key can be dropped one day.
            self.attend(
                Part::Users,
                self.ports.users.reseal(user.id, &new.user.phone),
            )
            .await;
        }
        Ok((user, created))
    }

    async fn credentials(
        &self,
        grant: Grant,
        user: UserId,
        session: SessionId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Credentials, AuthError> {
        let token =
            |usage| SessionToken::generate(usage, session, &self.vault(), &*self.ports.entropy);
        let (lifetime, refresh) = match grant {
            Grant::Cookie(_) => return Ok(Credentials::Cookie(token(TokenUse::Cookie))),
            Grant::Tokens => (self.policy.access_lifetime, Some(token(TokenUse::Refresh))),
            Grant::AccessOnly(total) => (total, None),
        };
        self.tokens(user, session, lifetime, refresh, now, expires_at)
            .await
            .map(Credentials::Tokens)
    }

    pub(super) async fn tokens(
        &self,
        user: UserId,
        session: SessionId,
        lifetime: Duration,
        refresh: Option<SessionToken>,
        now: Timestamp,
        session_expires_at: Timestamp,
    ) -> Result<Tokens, AuthError> {
        let access_lifetime = lifetime.min(session_expires_at.since(now));
        let claims = AccessClaims {
            user,
            session,
            issued_at: now,
            expires_at: now + access_lifetime,
        };
        let access = self.ports.tokens.issue(&claims).await?;
        Ok(Tokens {
            access,
            access_lifetime,
            refresh,
            refresh_expires_at: session_expires_at,
        })
    }
}
