use super::sign_in::Credentials;
use super::{Auth, AuthError, Part, SessionView, SignedIn, UserView};
use crate::event::Event;
use crate::id::SessionId;
use crate::ports::Rotation;
use crate::session::{Renewal, SessionLifetime, SessionToken, UserSession};
use crate::timestamp::Timestamp;
use crate::user::User;
use crate::vault::TokenUse;

/// Somebody who showed a valid token of a live session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    pub(super) session: UserSession,
}

impl Authenticated {
    /// The session that the token belongs to.
    pub fn view(&self) -> SessionView {
        SessionView::new(self.session.clone(), self.session.id)
    }
}

impl Auth {
    /// Exchanges a refresh token for new tokens. Each works once; a second use ends the session,
    /// for one of the two users stole it.
    ///
    /// # Errors
    /// [`AuthError::RefreshRejected`], [`AuthError::Unavailable`].
    pub async fn refresh(&self, token: &str) -> Result<SignedIn, AuthError> {
        let vault = self.vault();
        let presented = SessionToken::parse(TokenUse::Refresh, token, &vault);
        let presented = presented.ok_or(AuthError::RefreshRejected)?;
        let id = presented.session();
        let now = self.now();
        let session = self.session(id).await?;
        let session = session
            .filter(|s| s.is_live(now))
            .ok_or(AuthError::RefreshRejected)?;
        let user = self
            .user(&session)
            .await?
            .ok_or(AuthError::RefreshRejected)?;
        let expires_at = self.renewed_until(&session, now);
        let next = SessionToken::generate(TokenUse::Refresh, id, &vault, &*self.ports.entropy);
        let renewal = Renewal {
            refresh: next.digest(),
            last_seen_at: now,
            expires_at,
        };
        // Signed before the exchange: keys that fail cost nobody their refresh token.
        let lifetime = self.policy.access_lifetime;
        let tokens = self
            .tokens(session.user, id, lifetime, Some(next), now, expires_at)
            .await?;
        let rotated = self
            .ports
            .sessions
            .rotate(id, presented.digest(), &renewal)
            .await;
        let is_it = |rotation: &Rotation| match rotation {
            Rotation::Rotated(session) => session.id == id,
            Rotation::Reused | Rotation::Gone => true,
        };
        match Part::Sessions.own(rotated, is_it)? {
            Rotation::Rotated(session) => {
                self.emit(Event::Refreshed { session: id });
                let session = SessionView::new(session, id);
                let credentials = Credentials::Tokens(tokens);
                Ok(SignedIn {
                    session,
                    user,
                    new_user: false,
                    credentials,
                })
            }
            Rotation::Reused => {
                self.emit(Event::RefreshReused { session: id });
                Err(AuthError::RefreshRejected)
            }
            Rotation::Gone => Err(AuthError::RefreshRejected),
        }
    }

    fn renewed_until(&self, session: &UserSession, now: Timestamp) -> Timestamp {
        match self.policy.session_lifetime {
            SessionLifetime::Refreshed { idle, .. } => (now + idle).min(session.ends_at),
            SessionLifetime::Fixed(_) => session.expires_at,
        }
    }

    /// Who shows this access token. Revocation is asked of the store every time.
    ///
    /// # Errors
    /// [`AuthError::Unauthenticated`], [`AuthError::Unavailable`].
    pub async fn authenticate(&self, access_token: &str) -> Result<Authenticated, AuthError> {
        let now = self.now();
        let claims = self.ports.tokens.verify(access_token, now).await?;
        let live = self.live_session(claims.session, now).await?;
        let own = live.session.user == claims.user;
        own.then_some(live).ok_or(AuthError::Unauthenticated)
    }

    /// Who shows this cookie.
    ///
    /// # Errors
    /// [`AuthError::Unauthenticated`], [`AuthError::Unavailable`].
    pub async fn authenticate_cookie(&self, cookie: &str) -> Result<Authenticated, AuthError> {
        let token = SessionToken::parse(TokenUse::Cookie, cookie, &self.vault());
        let token = token.ok_or(AuthError::Unauthenticated)?;
        self.live_session(token.session(), self.now()).await
    }

    async fn live_session(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Authenticated, AuthError> {
        let session = self.session(id).await?;
        let session = session
            .filter(|s| s.is_live(now))
            .ok_or(AuthError::Unauthenticated)?;
        Ok(Authenticated { session })
    }

    /// The caller's live sessions, newest first.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`].
    pub async fn sessions(&self, caller: &Authenticated) -> Result<Vec<SessionView>, AuthError> {
        let current = &caller.session;
        let sessions = self.ports.sessions.list(current.user, self.now()).await;
        let sessions = sessions.map_err(Part::Sessions.failed())?;
        Ok(sessions
            .into_iter()
            .map(|s| SessionView::new(s, current.id))
            .collect())
    }

    /// Ends the caller's own session.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`].
    pub async fn sign_out(&self, caller: &Authenticated) -> Result<(), AuthError> {
        self.revoke(&caller.session).await
    }

    /// Ends one of the caller's sessions.
    ///
    /// # Errors
    /// [`AuthError::NotFound`] if it is not a live session of the caller,
    /// [`AuthError::Unavailable`].
    pub async fn sign_out_one(
        &self,
        caller: &Authenticated,
        id: SessionId,
    ) -> Result<(), AuthError> {
        let now = self.now();
        let session = self.session(id).await?;
        let own = session.filter(|s| s.user == caller.session.user && s.is_live(now));
        self.revoke(&own.ok_or(AuthError::NotFound)?).await
    }

    /// Ends all of the caller's sessions.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`].
    pub async fn sign_out_everywhere(&self, caller: &Authenticated) -> Result<(), AuthError> {
        self.revoke_all(caller.session.user).await.map(|_| ())
    }

    async fn revoke(&self, session: &UserSession) -> Result<(), AuthError> {
        let revoked = self.ports.sessions.revoke(session.id, self.now()).await;
        if revoked.map_err(Part::Sessions.failed())? {
            self.emit(Event::SignedOut {
                user: session.user,
                sessions: 1,
            });
        }
        Ok(())
    }

    /// The caller.
    ///
    /// # Errors
    /// [`AuthError::Unauthenticated`] if the user was deleted, [`AuthError::Unavailable`].
    pub async fn me(&self, caller: &Authenticated) -> Result<UserView, AuthError> {
        self.user(&caller.session)
            .await?
            .ok_or(AuthError::Unauthenticated)
    }

    async fn user(&self, session: &UserSession) -> Result<Option<UserView>, AuthError> {
        let found = self.ports.users.find(session.user).await;
        let is_it = |user: &User| user.id == session.user;
        let user = Part::Users.own(found, |user| user.as_ref().is_none_or(is_it))?;
        user.map(|user| self.user_view(&user)).transpose()
    }
}
