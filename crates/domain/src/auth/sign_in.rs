use std::fmt;
use std::time::Duration;

use futures_util::future::{join_all, join4};

use super::{Auth, AuthError, Limits, Part, SessionView, Tokens, UserView};
use crate::code::{Code, PhoneCode, Verdict};
use crate::event::Event;
use crate::id::PhoneCodeId;
use crate::phone::PhoneNumber;
use crate::rate_limit::{Charge, Scope};
use crate::session::{Caller, SessionToken};
use crate::timestamp::Timestamp;

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
#[derive(Clone, Copy)]
pub struct SignIn<'a> {
    /// The digits, as typed.
    pub code: &'a str,
    /// Who signs in.
    pub caller: &'a Caller,
    /// What the session is to be held by.
    pub grant: Grant,
}

/// Without the digits: they may be the right ones.
impl fmt::Debug for SignIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("caller", &self.caller)
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
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

/// What a guess at a phone's codes is charged unless it proves right.
struct Stake {
    phone: PhoneNumber,
    charges: Vec<Charge>,
    charged_at: Timestamp,
}

impl Auth {
    /// Signs in with a code and its id.
    ///
    /// # Errors
    /// [`AuthError::CodeMalformed`], [`AuthError::CodeIncorrect`], [`AuthError::CodeGone`],
    /// [`AuthError::RateLimited`], [`AuthError::Unavailable`]: then the code is not
    /// spent, unless a store did what it was asked and its answer was lost.
    pub async fn sign_in(&self, id: &str, sign_in: SignIn<'_>) -> Result<SignedIn, AuthError> {
        let guess = self.parse_code(sign_in.code)?;
        let id = id.parse().map_err(|_| self.gone())?;
        let now = self.now();
        let codes = self.begin_attempts(&[id], now).await?;
        // Nothing is charged then: guesses at a dead code cost the phone nothing.
        let code = codes.first().ok_or_else(|| self.gone())?;
        let stake = async {
            let phone = self.vault().open(&code.phone)?;
            self.stake(phone, 1, sign_in.caller, now).await
        };
        match stake.await {
            Ok(stake) => self.settle(&codes, &guess, stake, sign_in).await,
            Err(error) => {
                self.release(&codes).await;
                Err(error)
            }
        }
    }

    /// Signs in with a code and the phone it was sent to, whichever of the phone's live codes it
    /// is. A guess is a try of each of them, and as many failures of the phone if it is wrong: more
    /// codes must not mean more guesses.
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
        let is_it = |code: &PhoneCode| indexes.contains(code.phone.index());
        let codes = Part::Codes.own(codes, |codes| codes.iter().all(is_it))?;
        let live = codes.iter().filter(|code| code.is_live(now));
        let live: Vec<_> = live.map(|code| code.id).collect();
        if live.is_empty() {
            return Err(self.gone());
        }
        let stake = self.stake(phone, live.len(), sign_in.caller, now).await?;
        match self.begin_attempts(&live, now).await {
            Ok(codes) => self.settle(&codes, &guess, stake, sign_in).await,
            Err(error) => {
                self.refund(&stake.charges, now).await;
                Err(error)
            }
        }
    }

    /// Counts an attempt of each code, and returns those that can still be judged. All are counted
    /// before any is judged: else a store that fails in between has judged a guess for free.
    async fn begin_attempts(
        &self,
        ids: &[PhoneCodeId],
        now: Timestamp,
    ) -> Result<Vec<PhoneCode>, AuthError> {
        let counting = ids.iter().map(|id| async move {
            let counted = self.ports.codes.begin_attempt(*id).await;
            let is_it = |code: &PhoneCode| code.id == *id;
            Part::Codes.own(counted, |code| code.as_ref().is_none_or(is_it))
        });
        let (mut codes, mut failure) = (Vec::new(), None);
        for counted in join_all(counting).await {
            match counted {
                Ok(code) => codes.extend(code.filter(|code| !code.is_over(now))),
                Err(error) => failure = Some(error),
            }
        }
        let Some(error) = failure else {
            return Ok(codes);
        };
        self.release(&codes).await;
        Err(error)
    }

    /// Gives counted attempts back.
    async fn release(&self, codes: &[PhoneCode]) {
        let release = |code: &PhoneCode| {
            let released = self.ports.codes.release_attempt(code.id);
            self.attend(Part::Codes, released)
        };
        join_all(codes.iter().map(release)).await;
    }

    /// Charges a guess at so many codes, before it is judged.
    async fn stake(
        &self,
        phone: PhoneNumber,
        codes: usize,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Stake, AuthError> {
        let limits = &self.policy.limits;
        let codes = u32::try_from(codes).unwrap_or(u32::MAX);
        let charges = limits.of_failure(&self.vault(), &phone, codes, caller.address);
        self.charge(&charges, now).await?;
        Ok(Stake {
            phone,
            charges,
            charged_at: now,
        })
    }

    /// Judges a guess at codes of one phone whose attempts are counted, signs the person in if it
    /// is right, and gives back what it did not cost.
    async fn settle(
        &self,
        codes: &[PhoneCode],
        guess: &Code,
        stake: Stake,
        sign_in: SignIn<'_>,
    ) -> Result<SignedIn, AuthError> {
        let refusal = match self.judge(codes, guess, &stake) {
            Ok(code) => match self.open_session(code, &stake.phone, sign_in).await {
                Ok(entered) => return self.enter(code, &stake, entered).await,
                Err(error) => error,
            },
            Err(error) => error,
        };
        match &refusal {
            AuthError::CodeIncorrect { .. } => {}
            AuthError::CodeGone => self.refund(&stake.charges, stake.charged_at).await,
            // Trouble on our side costs the person no try.
            _ => {
                self.refund(&stake.charges, stake.charged_at).await;
                self.release(codes).await;
            }
        }
        Err(refusal)
    }

    /// The code that the guess is right for.
    fn judge<'a>(
        &self,
        codes: &'a [PhoneCode],
        guess: &Code,
        stake: &Stake,
    ) -> Result<&'a PhoneCode, AuthError> {
        let now = stake.charged_at;
        // All digits first: keys that fail leave no guess half judged.
        let digits = codes
            .iter()
            .map(|code| self.digits(code, &stake.phone, now));
        let digits = digits.collect::<Result<Vec<_>, _>>()?;
        let mut most = None;
        for (code, digits) in codes.iter().zip(&digits) {
            match code.judge(guess, digits, now) {
                Verdict::Correct => return Ok(code),
                Verdict::Incorrect { remaining } => most = most.max(Some((remaining, code.id))),
                Verdict::Gone => {}
            }
        }
        let (remaining, code) = most.ok_or_else(|| self.gone())?;
        self.emit(Event::CodeIncorrect { code });
        Err(AuthError::CodeIncorrect { remaining })
    }

    /// Lets the person in whose session is stored, and its code's id with it: whatever becomes of
    /// the rest, unless their user was deleted a moment ago.
    async fn enter(
        &self,
        code: &PhoneCode,
        stake: &Stake,
        entered: SignedIn,
    ) -> Result<SignedIn, AuthError> {
        let mut of_address = stake.charges.clone();
        of_address.retain(|charge| charge.scope == Scope::FailuresPerAddress);
        let failures = [Limits::failures_of(&self.vault(), &stake.phone)];
        let (user, ..) = join4(
            self.ports.users.find(entered.user.id),
            self.attend(Part::Codes, self.ports.codes.consume(code.id)),
            self.refund(&of_address, stake.charged_at),
            self.attend(Part::RateLimits, self.ports.limiter.clear(&failures)),
        )
        .await;
        // Who deletes a user ends their sessions afterwards: one that is stored later is ours to end.
        if matches!(user, Ok(None)) {
            self.revoke_all(entered.user.id).await?;
            return Err(self.gone());
        }
        self.attend(Part::Users, async { user.map(drop) }).await;
        Ok(entered)
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

    pub(super) fn gone(&self) -> AuthError {
        self.emit(Event::CodeGone);
        AuthError::CodeGone
    }
}
