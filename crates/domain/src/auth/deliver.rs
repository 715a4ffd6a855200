use super::{Auth, Part};
use crate::code::{Delivery, DeliveryStatus, PhoneCode};
use crate::event::Event;
use crate::message::SmsMessage;
use crate::phone::PhoneNumber;
use crate::ports::{SmsError, with_causes};
use crate::rate_limit::Charge;
use crate::timestamp::Timestamp;

/// A message on its way to a gateway.
#[derive(Debug, Clone)]
pub struct SendJob {
    pub(super) code: PhoneCode,
    pub(super) phone: PhoneNumber,
    pub(super) charges: Vec<Charge>,
    pub(super) charged_at: Timestamp,
}

/// How a message ended.
struct Outcome {
    status: DeliveryStatus,
    error: Option<String>,
    /// Whether the send allowance goes back to the phone, and to its caller.
    refund: Refund,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Refund {
    Nothing,
    AllButCaller,
    All,
}

impl Outcome {
    const fn ok(status: DeliveryStatus) -> Self {
        Self {
            status,
            error: None,
            refund: Refund::Nothing,
        }
    }

    fn failed(error: impl Into<String>, refund: Refund) -> Self {
        Self {
            status: DeliveryStatus::Failed,
            error: Some(error.into()),
            refund,
        }
    }
}

impl From<SmsError> for Outcome {
    fn from(error: SmsError) -> Self {
        let refund = match &error {
            // It may have arrived, and it may be billed.
            SmsError::Unknown(_) => Refund::Nothing,
            // Nobody texted it, but trying dead numbers is not free for who tries them.
            SmsError::BadNumber(_) => Refund::AllButCaller,
            SmsError::SlowDown { .. } | SmsError::Misconfigured(_) | SmsError::Unavailable(_) => {
                Refund::All
            }
        };
        Self::failed(with_causes(&error), refund)
    }
}

impl Auth {
    /// Renders a queued message, hands it to a gateway and records what became of it. For the
    /// queue's workers.
    pub async fn deliver(&self, job: &SendJob) {
        let outcome = self.hand_over(job).await;
        self.conclude(job, outcome).await;
    }

    /// Records that a message was not sent because its worker failed.
    pub async fn abandon(&self, job: &SendJob, error: &str) {
        self.conclude(job, Outcome::failed(error, Refund::Nothing))
            .await;
    }

    async fn hand_over(&self, job: &SendJob) -> Outcome {
        let (code, now) = (&job.code, self.now());
        if self.test_number(&job.phone, now).is_some() {
            return Outcome::ok(DeliveryStatus::Delivered);
        }
        // By then it reads as failed, and the person may have asked for the next one.
        if now >= code.expires_at || now >= job.charged_at + Delivery::DEADLINE {
            return Outcome::failed("it waited too long for a worker", Refund::All);
        }
        match self
            .vault()
            .digits(code.key, code.id, &code.salt, code.length)
        {
            Err(error) => Outcome::failed(error.to_string(), Refund::All),
            Ok(digits) => {
                let message = self.message(job, digits);
                let sent = self.ports.sms.send(&message).await;
                sent.map_or_else(Outcome::from, |_| Outcome::ok(DeliveryStatus::Sent))
            }
        }
    }

    fn message(&self, job: &SendJob, digits: crate::code::Code) -> SmsMessage {
        let code = &job.code;
        let id = format!("{}-{}", code.id, code.delivery.send);
        let valid = code.expires_at.since(code.delivery.queued_at);
        let minutes = valid.as_secs().div_ceil(60);
        self.policy
            .templates
            .sign_in_code(id, job.phone.clone(), code.locale, digits, minutes)
    }

    async fn conclude(&self, job: &SendJob, outcome: Outcome) {
        let Outcome {
            status,
            error,
            refund,
        } = outcome;
        // First the allowance, then the status: who reads "failed" may ask again at once.
        let back: Vec<Charge> = job
            .charges
            .iter()
            .filter(|charge| match refund {
                Refund::Nothing => false,
                Refund::AllButCaller => !charge.scope.is_callers_own(),
                Refund::All => true,
            })
            .cloned()
            .collect();
        self.refund(&back, job.charged_at).await;
        let (code, delivery) = (job.code.id, job.code.delivery.with(status));
        // Unrecorded, it reads as queued until its deadline, then as failed.
        self.attend(Part::Codes, self.ports.codes.set_delivery(code, delivery))
            .await;
        self.emit(Event::CodeDelivered {
            code,
            status,
            error,
        });
    }
}
