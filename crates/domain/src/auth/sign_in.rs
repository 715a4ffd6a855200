use std::time::Duration;

use futures_util::future::join3;

use super::{Auth, AuthError, Limits, Part, SessionView, Tokens, UserView};
use crate::code::{Code, PhoneCode, Verdict};
use crate::event::Event;
use crate::id::{PhoneCodeId, SessionId, UserId};
use crate::phone::PhoneNumber;
use crate::ports::{AccessClaims, Inserted};
use crate::rate_limit::{Charge, Scope};
use crate::session::{Caller, SessionLifetime, SessionToken, UserSession};
use crate::timestamp::Timestamp;
use crate::user::{NewUser, User};
use crate::vault::TokenUse;

/// What a new session is held by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// A short access token, and a refresh token that renews both.
    Tokens,
    /// One access token that lives as long as the session.
    AccessOnly(Duration),
    /// A browser's cookie that lives as long as the session.
    Cookie(Duration),
}

/// Somebody signs in.
#[derive(Debug, Clone, Copy)]
pub struct SignIn<'a> {
    /// The digits, as typed.
    pub code: &'a str,
    /// Who signs in.
    pub caller: &'a Caller,
    /// What the session is to be held by.
    pub grant: Grant,
}

/// What holds a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Tokens of an API client.
    Tokens(Tokens),
    /// The cookie of a browser.
    Cookie(SessionToken),
}

/// Somebody is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The new session.
    pub session: SessionView,
    /// Who.
    pub user: UserView,
    /// Whether the phone was proven for the first time.
    pub new_user: bool,
    /// What holds the session.
    pub credentials: Credentials,
}

/// A guess that was right, and what was charged in case it was not.
struct Proof {
    code: PhoneCode,
    phone: PhoneNumber,
    charges: Vec<Charge>,
    charged_at: Timestamp,
}

impl Auth {
    /// Signs in with a code and its id.
    ///
    /// # Errors
    /// [`AuthError::CodeMalformed`], [`AuthError::CodeIncorrect`], [`AuthError::CodeGone`],
    /// [`AuthError::RateLimited`], [`AuthError::Unavailable`]: then the code is not spent.
    pub async fn sign_in(&self, id: &str, sign_in: SignIn<'_>) -> Result<SignedIn, AuthError> {
        let guess = self.parse_code(sign_in.code)?;
        let id: PhoneCodeId = id.parse().map_err(|_| self.gone())?;
        let now = self.now();
        let counted = self
            .ports
            .codes
            .begin_attempt(id)
            .await
            .map_err(Part::Codes.failed())?;
        let code = counted.ok_or_else(|| self.gone())?;
        // Judged before anything is charged: guesses at a dead code cost the phone nothing.
        if code.attempts > code.tries || code.consumed || now >= code.expires_at {
            return Err(self.gone());
        }
        let judged = self.prove(&code, &guess, sign_in.caller, now).await;
        match judged {
            Ok(proof) => self.enter(proof, sign_in).await,
            Err(error) => {
                self.release_unless_judged(id, &error).await;
                Err(error)
            }
        }
    }

    async fn prove(
        &self,
        code: &PhoneCode,
        guess: &Code,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Proof, AuthError> {
        let phone = self.vault().open(&code.phone)?;
        let digits = self.digits(code, &phone, now)?;
        let charges = self
            .policy
            .limits
            .of_failure(&self.vault(), &phone, caller.address);
        self.charge(&charges, now).await?;
        match code.judge(guess, &digits, now) {
            Verdict::Correct => Ok(Proof {
                code: code.clone(),
                phone,
                charges,
                charged_at: now,
            }),
            Verdict::Incorrect { remaining } => {
                self.emit(Event::CodeIncorrect { code: code.id });
                Err(AuthError::CodeIncorrect { remaining })
            }
            Verdict::Gone => Err(self.gone()),
        }
    }

    /// Signs in with a code and the phone it was sent to, whichever of the phone's live codes it
    /// is. A guess counts as a try of each of them, and once against the phone.
    ///
    /// # Errors
    /// As [`Auth::sign_in`], and [`AuthError::PhoneInvalid`], [`AuthError::PhoneNotAllowed`].
    pub async fn sign_in_by_phone(
        &self,
        phone: &str,
        sign_in: SignIn<'_>,
    ) -> Result<SignedIn, AuthError> {
        let phone = self.parse_phone(phone)?;
        let guess = self.parse_code(sign_in.code)?;
        let now = self.now();
        let indexes = self.vault().indexes(&phone);
        let codes = self.ports.codes.find_by_phone(&indexes).await;
        let codes = codes.map_err(Part::Codes.failed())?;
        let live: Vec<_> = codes
            .iter()
            .filter(|code| code.is_live(now))
            .map(|c| c.id)
            .collect();
        if live.is_empty() {
            return Err(self.gone());
        }
        let charges = self
            .policy
            .limits
            .of_failure(&self.vault(), &phone, sign_in.caller.address);
        self.charge(&charges, now).await?;
        let proven = self.first_match(&live, &guess, &phone, now).await;
        match proven {
            Ok(code) => {
                self.enter(
                    Proof {
                        code,
                        phone,
                        charges,
                        charged_at: now,
                    },
                    sign_in,
                )
                .await
            }
            Err(error) => {
                if !matches!(error, AuthError::CodeIncorrect { .. }) {
                    self.refund(&charges, now).await;
                }
                Err(error)
            }
        }
    }

    async fn first_match(
        &self,
        ids: &[PhoneCodeId],
        guess: &Code,
        phone: &PhoneNumber,
        now: Timestamp,
    ) -> Result<PhoneCode, AuthError> {
        let mut answer = AuthError::CodeGone;
        for id in ids {
            let counted = self.ports.codes.begin_attempt(*id).await;
            let Some(code) = counted.map_err(Part::Codes.failed())? else {
                continue;
            };
            let digits = match self.digits(&code, phone, now) {
                Ok(digits) => digits,
                Err(error) => {
                    self.release_unless_judged(*id, &error).await;
                    return Err(error);
                }
            };
            match code.judge(guess, &digits, now) {
                Verdict::Correct => return Ok(code),
                Verdict::Incorrect { remaining } => answer = AuthError::CodeIncorrect { remaining },
                Verdict::Gone => {}
            }
        }
        if let AuthError::CodeGone = answer {
            return Err(self.gone());
        }
        Err(answer)
    }

    /// Signs the person in who proved the phone.
    async fn enter(&self, proof: Proof, sign_in: SignIn<'_>) -> Result<SignedIn, AuthError> {
        let id = proof.code.id;
        let entered = self.open_session(&proof, sign_in).await;
        if let Err(error) = entered {
            self.refund(&proof.charges, proof.charged_at).await;
            self.release_unless_judged(id, &error).await;
            return Err(error);
        }
        // The session is stored, and its code's id with it: from here on the person is signed in,
        // whatever becomes of the rest.
        let of_address: Vec<_> = proof
            .charges
            .into_iter()
            .filter(|charge| charge.scope == Scope::FailuresPerAddress)
            .collect();
        let failures = [Limits::failures_of(&self.vault(), &proof.phone)];
        join3(
            self.attend(Part::Codes, self.ports.codes.consume(id)),
            self.refund(&of_address, proof.charged_at),
            self.attend(Part::RateLimits, self.ports.limiter.clear(&failures)),
        )
        .await;
        entered
    }

    async fn open_session(
        &self,
        proof: &Proof,
        sign_in: SignIn<'_>,
    ) -> Result<SignedIn, AuthError> {
        let now = self.now();
        let (user, new_user) = self.user_of(proof, now).await?;
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
            code: proof.code.id,
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
        if new_user {
            self.emit(Event::UserCreated { user: user.id });
        }
        self.emit(Event::SignedIn {
            user: user.id,
            session: id,
        });
        Ok(SignedIn {
            session: SessionView::new(session, id),
            user: UserView {
                id: user.id,
                phone: proof.phone.clone(),
                created_at: user.created_at,
            },
            new_user,
            credentials,
        })
    }

    /// The phone's user, made now unless there is one, sealed under the current key.
    async fn user_of(&self, proof: &Proof, now: Timestamp) -> Result<(User, bool), AuthError> {
        let vault = self.vault();
        let phone = if proof.code.key == vault.current_key() {
            proof.code.phone.clone()
        } else {
            vault.seal(&proof.phone, &*self.ports.entropy)
        };
        let mut aliases = vault.indexes(&proof.phone);
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
        let (user, created) = found.map_err(Part::Users.failed())?;
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

    fn parse_code(&self, text: &str) -> Result<Code, AuthError> {
        let length = self.policy.code_length;
        Code::parse(text, length).ok_or(AuthError::CodeMalformed {
            length: length.get(),
        })
    }

    fn digits(
        &self,
        code: &PhoneCode,
        phone: &PhoneNumber,
        now: Timestamp,
    ) -> Result<Code, AuthError> {
        match self.test_number(phone, now) {
            Some(test) => Ok(test.code.clone()),
            None => Ok(self
                .vault()
                .digits(code.key, code.id, &code.salt, code.length)?),
        }
    }

    fn gone(&self) -> AuthError {
        self.emit(Event::CodeGone);
        AuthError::CodeGone
    }

    /// Gives a counted attempt back where the guess was not turned down but something else
    /// failed, so that trouble on our side costs the person no try.
    async fn release_unless_judged(&self, id: PhoneCodeId, error: &AuthError) {
        if matches!(
            error,
            AuthError::Unavailable { .. } | AuthError::RateLimited { .. }
        ) {
            self.attend(Part::Codes, self.ports.codes.release_attempt(id))
                .await;
        }
    }
}
