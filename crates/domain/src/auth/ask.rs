use std::fmt;
use std::time::Duration;

use super::{Auth, AuthError, CodeView, Part, SendJob};
use crate::code::{Delivery, PhoneCode};
use crate::event::Event;
use crate::id::PhoneCodeId;
use crate::message::Locale;
use crate::phone::PhoneNumber;
use crate::ports::{SendSlot, StoreError, with_causes};
use crate::rate_limit::{Charge, Decision};
use crate::session::Caller;
use crate::timestamp::Timestamp;

/// How long a call waits for others with its idempotency key. Whoever made it has an answer by
/// then, so going on would text a person who asks again; and calls must not pile up behind a store
/// that is slow to fail.
const LONGEST_TURN: Duration = Duration::from_secs(2);

/// Somebody asks for a code.
#[derive(Clone)]
pub struct AskCode<'a> {
    /// Any common spelling of a phone number.
    pub phone: &'a str,
    /// The language of the message.
    pub locale: Locale,
    /// Who asks.
    pub caller: &'a Caller,
    /// The caller's own name for this call: the same name again sends nothing and gets the same
    /// answer, for as long as the code is kept.
    pub idempotency_key: Option<&'a str>,
}

/// Without the phone and the key: both are as the caller sent them.
impl fmt::Debug for AskCode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AskCode")
            .field("locale", &self.locale)
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

impl Auth {
    /// Issues a code and queues its message. Nobody's existence shows: a known and an unknown
    /// number get the same answer, and no user is made.
    ///
    /// # Errors
    /// [`AuthError::PhoneInvalid`], [`AuthError::PhoneNotAllowed`], [`AuthError::RateLimited`],
    /// [`AuthError::IdempotencyConflict`], [`AuthError::Unavailable`]. In each case no message was
    /// queued and no allowance spent.
    pub async fn ask_code(&self, ask: AskCode<'_>) -> Result<CodeView, AuthError> {
        let phone = self.parse_phone(ask.phone)?;
        let Some(key) = ask.idempotency_key else {
            let id = PhoneCodeId::generate(self.now(), &*self.ports.entropy);
            return self.issue(id, &phone, &ask).await;
        };
        // The same call may arrive twice at once: the second waits here for the first's answer.
        let turn = key.bytes().fold(0, u8::wrapping_add);
        let asked_at = self.now();
        let _turn = self.turns[usize::from(turn) % self.turns.len()]
            .lock()
            .await;
        if self.now().since(asked_at) > LONGEST_TURN {
            return Err(AuthError::Unavailable {
                part: Part::Codes,
                source: "calls with such a key take too long".into(),
            });
        }
        let [id, earlier] = self.ids_of_key(key);
        for id in [id, earlier] {
            if let Some(view) = self.issued_before(id, &phone, ask.locale).await? {
                return Ok(view);
            }
        }
        self.issue(id, &phone, &ask).await
    }

    /// The id of a code asked for now under this key, and the other one that a live code may have.
    /// A lifetime has one id: used for a second code later on, it would belong to the session that
    /// the first one opened.
    fn ids_of_key(&self, key: &str) -> [PhoneCodeId; 2] {
        let lifetime = self.policy.code_lifetime.as_millis().max(1);
        let period = (u128::from(self.now().as_millis()) / lifetime) as u64;
        [period, period.saturating_sub(1)].map(|period| self.vault().code_id_for(key, period))
    }

    async fn issue(
        &self,
        id: PhoneCodeId,
        phone: &PhoneNumber,
        ask: &AskCode<'_>,
    ) -> Result<CodeView, AuthError> {
        let slot = self.ports.queue.reserve()?;
        let now = self.now();
        let code = self.new_code(id, phone, ask.locale, now);
        let charges = self.charges_of_send(phone, ask.caller, now);
        self.charge(&charges, now).await?;
        let put = self
            .ports
            .codes
            .put(&code)
            .await
            .map_err(Part::Codes.failed());
        if !matches!(put, Ok(true)) {
            self.refund(&charges, now).await;
            put?;
            // Another process issued a code under this idempotency key a moment ago.
            let view = self.issued_before(id, phone, ask.locale).await?;
            return view.ok_or(AuthError::IdempotencyConflict);
        }
        let view = CodeView::new(&code, phone, &self.policy.resend_waits, now);
        self.queue(slot, code, phone.clone(), charges, now);
        Ok(view)
    }

    /// The answer that the call got which issued this code, if the code is not over.
    async fn issued_before(
        &self,
        id: PhoneCodeId,
        phone: &PhoneNumber,
        locale: Locale,
    ) -> Result<Option<CodeView>, AuthError> {
        let code = self.code(id).await?;
        let now = self.now();
        let Some(code) = code.filter(|code| now < code.expires_at) else {
            return Ok(None);
        };
        let same_phone = self.vault().indexes(phone).contains(code.phone.index());
        if !same_phone || code.locale != locale {
            return Err(AuthError::IdempotencyConflict);
        }
        let as_issued = PhoneCode {
            attempts: 0,
            delivery: Delivery::first(code.created_at),
            ..code
        };
        let (waits, then) = (&self.policy.resend_waits, as_issued.created_at);
        Ok(Some(CodeView::new(&as_issued, phone, waits, then)))
    }

    fn new_code(
        &self,
        id: PhoneCodeId,
        phone: &PhoneNumber,
        locale: Locale,
        now: Timestamp,
    ) -> PhoneCode {
        let vault = self.vault();
        let mut salt = [0; 16];
        self.ports.entropy.fill(&mut salt);
        PhoneCode {
            id,
            phone: vault.seal(phone, &*self.ports.entropy),
            key: vault.current_key(),
            salt,
            length: self.policy.code_length,
            locale,
            created_at: now,
            expires_at: now + self.policy.code_lifetime,
            tries: self.policy.tries,
            attempts: 0,
            consumed: false,
            delivery: Delivery::first(now),
        }
    }

    /// Sends the same digits again.
    ///
    /// # Errors
    /// [`AuthError::CodeGone`], [`AuthError::RateLimited`], [`AuthError::Unavailable`].
    pub async fn resend_code(
        &self,
        id: PhoneCodeId,
        caller: &Caller,
    ) -> Result<CodeView, AuthError> {
        let code = self.code(id).await?;
        let now = self.now();
        let code = code
            .filter(|code| code.is_live(now))
            .ok_or(AuthError::CodeGone)?;
        let phone = self.vault().open(&code.phone)?;
        let delivery = code.delivery.next(now).ok_or(AuthError::CodeGone)?;
        let resend_at = code.resend_at(&self.policy.resend_waits, now);
        if now < resend_at && self.test_number(&phone, now).is_none() {
            return Err(AuthError::RateLimited {
                scope: None,
                retry_after: resend_at.since(now),
            });
        }
        let slot = self.ports.queue.reserve()?;
        let charges = self.charges_of_send(&phone, caller, now);
        self.charge(&charges, now).await?;
        let recorded = self.ports.codes.set_delivery(id, delivery).await;
        if !matches!(recorded, Ok(true)) {
            self.refund(&charges, now).await;
            recorded.map_err(Part::Codes.failed())?;
            // Another resend of this code was faster.
            let retry_after = self.policy.resend_waits.after(delivery.send);
            return Err(AuthError::RateLimited {
                scope: None,
                retry_after,
            });
        }
        let code = PhoneCode { delivery, ..code };
        let view = CodeView::new(&code, &phone, &self.policy.resend_waits, now);
        self.queue(slot, code, phone, charges, now);
        Ok(view)
    }

    /// What became of a code.
    ///
    /// # Errors
    /// [`AuthError::NotFound`] where it was never issued or is forgotten,
    /// [`AuthError::Unavailable`].
    pub async fn code_status(&self, id: PhoneCodeId) -> Result<CodeView, AuthError> {
        let code = self.code(id).await?;
        let code = code.ok_or(AuthError::NotFound)?;
        let phone = self.vault().open(&code.phone)?;
        Ok(CodeView::new(
            &code,
            &phone,
            &self.policy.resend_waits,
            self.now(),
        ))
    }

    fn queue(
        &self,
        slot: Box<dyn SendSlot>,
        code: PhoneCode,
        phone: PhoneNumber,
        charges: Vec<Charge>,
        now: Timestamp,
    ) {
        let (id, send, country) = (code.id, code.delivery.send, phone.country());
        slot.fill(SendJob {
            code,
            phone,
            charges,
            charged_at: now,
        });
        self.emit(Event::CodeRequested {
            code: id,
            country,
            send,
        });
    }

    /// A test number costs no message, so only its caller is charged.
    fn charges_of_send(&self, phone: &PhoneNumber, caller: &Caller, now: Timestamp) -> Vec<Charge> {
        let vault = self.vault();
        let limits = &self.policy.limits;
        let mut charges = limits.of_caller(&vault, caller.address);
        if self.test_number(phone, now).is_none() {
            charges.extend(limits.of_message(&vault, phone));
        }
        charges
    }

    pub(super) async fn charge(&self, charges: &[Charge], now: Timestamp) -> Result<(), AuthError> {
        let limiter = &self.ports.limiter;
        match limiter
            .acquire(charges, now)
            .await
            .map_err(Part::RateLimits.failed())?
        {
            Decision::Granted => Ok(()),
            Decision::Denied { scope, retry_after } => {
                self.emit(Event::Limited { scope });
                Err(AuthError::RateLimited {
                    scope: Some(scope),
                    retry_after,
                })
            }
        }
    }

    /// Gives charges back. A limiter that fails here leaves them spent: the strict side.
    pub(super) async fn refund(&self, charges: &[Charge], at: Timestamp) {
        if !charges.is_empty() {
            self.attend(Part::RateLimits, self.ports.limiter.refund(charges, at))
                .await;
        }
    }

    /// Waits for something that the answer does not depend on, and reports its failure.
    pub(super) async fn attend<T>(
        &self,
        part: Part,
        work: impl Future<Output = Result<T, StoreError>>,
    ) {
        if let Err(error) = work.await {
            self.emit(Event::Trouble {
                part,
                error: with_causes(&error),
                outage: matches!(error, StoreError::Unavailable(_)),
            });
        }
    }
}
