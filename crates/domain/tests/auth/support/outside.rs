//! The ports that are no stores: gateway, queue, tokens, events, time, randomness.

use std::sync::Arc;

use async_trait::async_trait;
use domain::auth::SendJob;
use domain::event::Event;
use domain::message::SmsMessage;
use domain::ports::{
    AccessClaims, AccessToken, Clock, Entropy, EventSink, Jwk, QueueFull, Receipt, SendQueue,
    SendSlot, SmsError, SmsSender, TokenError, TokenIssuer,
};
use domain::timestamp::Timestamp;

use super::fake::Fake;

impl Clock for Fake {
    fn now(&self) -> Timestamp {
        self.now()
    }
}

impl Entropy for Fake {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = self.random().to_be_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}

impl EventSink for Fake {
    fn record(&self, event: &Event) {
        self.events.lock().push(event.clone());
    }
}

#[async_trait]
impl SmsSender for Fake {
    async fn send(&self, message: &SmsMessage) -> Result<Receipt, SmsError> {
        self.pause().await;
        self.sent.lock().push(message.clone());
        let refusal = self.gateway.lock().pop_front();
        refusal.map_or_else(
            || {
                Ok(Receipt {
                    gateway: "fake".into(),
                    message_id: None,
                })
            },
            Err,
        )
    }

    async fn health(&self) -> Result<(), SmsError> {
        Ok(())
    }
}

/// The queue over [`Fake::jobs`], with [`Fake::places`] left.
pub struct Queue(pub Arc<Fake>);

struct Slot {
    fake: Arc<Fake>,
    filled: bool,
}

impl SendQueue for Queue {
    fn reserve(&self) -> Result<Box<dyn SendSlot>, QueueFull> {
        if self.0.fate("queue.reserve") != (true, true) {
            return Err(QueueFull);
        }
        let mut places = self.0.places.lock();
        *places = places.checked_sub(1).ok_or(QueueFull)?;
        Ok(Box::new(Slot {
            fake: self.0.clone(),
            filled: false,
        }))
    }
}

impl SendSlot for Slot {
    fn fill(mut self: Box<Self>, job: SendJob) {
        self.filled = true;
        self.fake.jobs.lock().push_back(job);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.filled {
            *self.fake.places.lock() += 1;
        }
    }
}

/// Tokens are the claims in plain text: `user session issued_at expires_at`.
#[async_trait]
impl TokenIssuer for Fake {
    async fn issue(&self, claims: &AccessClaims) -> Result<AccessToken, TokenError> {
        self.pause().await;
        if self.fate("tokens.issue") != (true, true) {
            return Err(TokenError::Unavailable("the test breaks it".into()));
        }
        let AccessClaims {
            user,
            session,
            issued_at,
            expires_at,
        } = claims;
        let (from, to) = (issued_at.as_millis(), expires_at.as_millis());
        Ok(AccessToken::new(format!("{user} {session} {from} {to}")))
    }

    async fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenError> {
        self.pause().await;
        if self.fate("tokens.verify") != (true, true) {
            return Err(TokenError::Unavailable("the test breaks it".into()));
        }
        let claims = || {
            let mut words = token.split(' ');
            Some(AccessClaims {
                user: words.next()?.parse().ok()?,
                session: words.next()?.parse().ok()?,
                issued_at: Timestamp::from_millis(words.next()?.parse().ok()?),
                expires_at: Timestamp::from_millis(words.next()?.parse().ok()?),
            })
        };
        let claims = claims().filter(|claims| now < claims.expires_at);
        claims.ok_or(TokenError::Rejected)
    }

    fn public_keys(&self) -> Vec<Jwk> {
        Vec::new()
    }
}
