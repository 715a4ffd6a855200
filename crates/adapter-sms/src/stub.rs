//! The stub gateway: it sends nothing and shows every message in the outbox.
//!
//! | setting | |
//! |---|---|
//! | `delay` | how long a send takes, `0s` to `30s` |
//! | `fail` | the error it answers: `bad_number`, `slow_down`, `misconfigured`, `unavailable` or `unknown` |
//! | `fail_times` | only so many sends fail, the first ones; without it all |

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::message::SmsMessage;
use domain::ports::{Receipt, SmsError, SmsSender};

use crate::outbox::OutboxMessage;
use crate::{Context, SettingFault, Settings};

/// The port's own bound.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

const ERRORS: &str = "bad_number, slow_down, misconfigured, unavailable or unknown";

struct Stub {
    name: String,
    delay: Duration,
    fault: Option<Fault>,
    /// Sends that are still to fail.
    failures: AtomicU64,
    context: Context,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    BadNumber,
    SlowDown,
    Misconfigured,
    Unavailable,
    Unknown,
}

pub(crate) fn build(
    name: &str,
    mut settings: Settings,
    context: &Context,
) -> Result<Arc<dyn SmsSender>, Vec<SettingFault>> {
    let delay = settings.read(
        "delay",
        "a duration of at most 30s, such as 200ms",
        |text| {
            humantime::parse_duration(text)
                .ok()
                .filter(|delay| *delay <= LONGEST_DELAY)
        },
    );
    let times = settings.read("fail_times", "a whole number", |text| text.parse().ok());
    let fault = match times {
        Some(_) => settings.require("fail", ERRORS, Fault::from_name),
        None => settings.read("fail", ERRORS, Fault::from_name),
    };
    settings.finish()?;
    Ok(Arc::new(Stub {
        name: name.to_owned(),
        delay: delay.unwrap_or_default(),
        fault,
        failures: AtomicU64::new(times.unwrap_or(u64::MAX)),
        context: context.clone(),
    }))
}

impl Fault {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "bad_number" => Self::BadNumber,
            "slow_down" => Self::SlowDown,
            "misconfigured" => Self::Misconfigured,
            "unavailable" => Self::Unavailable,
            "unknown" => Self::Unknown,
            _ => return None,
        })
    }

    fn error(self) -> SmsError {
        let source = "the stub gateway is set to fail".into();
        match self {
            Self::BadNumber => SmsError::BadNumber(source),
            Self::SlowDown => {
                let retry_after = Some(Duration::from_secs(60));
                SmsError::SlowDown {
                    retry_after,
                    source,
                }
            }
            Self::Misconfigured => SmsError::Misconfigured(source),
            Self::Unavailable => SmsError::Unavailable(source),
            Self::Unknown => SmsError::Unknown(source),
        }
    }
}

impl Stub {
    /// The error of this send, counted.
    fn next_fault(&self) -> Option<Fault> {
        let one_less = |left: u64| left.checked_sub(1);
        let fault = self.fault?;
        self.failures
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .ok()?;
        Some(fault)
    }

    fn show(&self, message: &SmsMessage) {
        self.context.outbox.put(OutboxMessage {
            to: message.to.clone(),
            text: message.text.clone(),
            sent_at: self.context.clock.now(),
        });
    }
}

#[async_trait]
impl SmsSender for Stub {
    async fn send(&self, message: &SmsMessage) -> Result<Receipt, SmsError> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let fault = self.next_fault();
        // Unknown is rehearsed at its worst: the message did arrive.
        if matches!(fault, None | Some(Fault::Unknown)) {
            self.show(message);
        }
        match fault {
            Some(fault) => Err(fault.error()),
            None => Ok(Receipt {
                gateway: self.name.clone(),
                message_id: None,
            }),
        }
    }

    async fn health(&self) -> Result<(), SmsError> {
        let failing = self.failures.load(Ordering::Relaxed) > 0;
        match self.fault {
            Some(fault @ (Fault::Misconfigured | Fault::Unavailable)) if failing => {
                Err(fault.error())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use domain::code::{Code, CodeLength};
    use domain::message::{Locale, Templates};
    use domain::phone::{Country, PhoneNumber};
    use domain::ports::MockClock;
    use domain::timestamp::Timestamp;

    use super::*;
    use crate::Outbox;

    pub(crate) fn phone(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text, Country::parse("CN").unwrap()).unwrap()
    }

    pub(crate) fn message(to: &str) -> SmsMessage {
        let code = Code::parse("314159", CodeLength::new(6).unwrap()).unwrap();
        Templates::new("brand", "localhost").sign_in_code(
            "id-1".into(),
            phone(to),
            Locale::En,
            code,
            5,
        )
    }

    fn context() -> Context {
        let mut clock = MockClock::new();
        clock.expect_now().return_const(Timestamp::from_secs(7));
        Context {
            clock: Arc::new(clock),
            outbox: Arc::new(Outbox::default()),
        }
    }

    fn stub<const N: usize>(
        settings: [(&str, &str); N],
        context: &Context,
    ) -> Result<Arc<dyn SmsSender>, Vec<SettingFault>> {
        crate::build("stub", "pretend", Settings::new(settings), context)
    }

    #[tokio::test]
    async fn a_message_is_taken_at_once_and_shown_in_the_outbox() {
        let context = context();
        let gateway = stub([], &context).unwrap();
        let message = message("+8613800138000");
        let receipt = gateway.send(&message).await.unwrap();
        assert_eq!(
            receipt,
            Receipt {
                gateway: "pretend".into(),
                message_id: None
            }
        );
        let shown = context.outbox.newest_first(None);
        assert_eq!(shown.len(), 1);
        assert_eq!((&shown[0].to, &shown[0].text), (&message.to, &message.text));
        assert_eq!(shown[0].sent_at, Timestamp::from_secs(7));
        gateway.health().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_send_takes_as_long_as_configured() {
        let context = context();
        let gateway = stub([("delay", "1s 500ms")], &context).unwrap();
        let before = tokio::time::Instant::now();
        gateway.send(&message("+8613800138000")).await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_millis(1500));
    }

    #[tokio::test]
    async fn every_error_of_the_port_can_be_provoked() {
        for name in [
            "bad_number",
            "slow_down",
            "misconfigured",
            "unavailable",
            "unknown",
        ] {
            let context = context();
            let gateway = stub([("fail", name)], &context).unwrap();
            for _ in 0..3 {
                let error = gateway.send(&message("+8613800138000")).await.unwrap_err();
                let got = match error {
                    SmsError::BadNumber(_) => "bad_number",
                    SmsError::SlowDown { .. } => "slow_down",
                    SmsError::Misconfigured(_) => "misconfigured",
                    SmsError::Unavailable(_) => "unavailable",
                    SmsError::Unknown(_) => "unknown",
                };
                assert_eq!(got, name);
            }
            let arrived = context.outbox.newest_first(None).len();
            assert_eq!(arrived, if name == "unknown" { 3 } else { 0 }, "{name}");
            let sick = matches!(name, "misconfigured" | "unavailable");
            assert_eq!(gateway.health().await.is_err(), sick, "{name}");
        }
    }

    #[tokio::test]
    async fn a_gateway_set_to_fail_some_times_recovers() {
        let gateway = stub([("fail", "unavailable"), ("fail_times", "2")], &context()).unwrap();
        for _ in 0..2 {
            gateway.health().await.unwrap_err();
            gateway.send(&message("+8613800138000")).await.unwrap_err();
        }
        gateway.health().await.unwrap();
        for _ in 0..2 {
            gateway.send(&message("+8613800138000")).await.unwrap();
        }
    }

    #[test]
    fn everything_wrong_with_the_settings_is_told_at_once_and_no_value_repeated() {
        let wrong = [
            ("delay", "31s"),
            ("fail_times", "often"),
            ("fail", "hunter2"),
            ("url", "x"),
        ];
        let faults = stub(wrong, &context()).err().unwrap();
        let told: Vec<_> = faults
            .iter()
            .map(|f| format!("{} {}", f.key, f.text))
            .collect();
        assert_eq!(
            told,
            [
                "delay cannot be that: write a duration of at most 30s, such as 200ms",
                "fail_times cannot be that: write a whole number",
                "fail cannot be that: write bad_number, slow_down, misconfigured, unavailable or unknown",
                "url is unknown here: remove it; there are delay, fail_times, fail",
            ]
        );
        assert!(!format!("{:?}", Settings::new(wrong)).contains("hunter2"));
    }

    #[test]
    fn a_number_of_failures_without_an_error_is_a_missing_setting() {
        let faults = stub([("fail_times", "1")], &context()).err().unwrap();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].key, "fail");
        assert!(
            faults[0].text.starts_with("is missing: write bad_number"),
            "{}",
            faults[0].text
        );
    }

    #[test]
    fn an_unknown_kind_of_gateway_is_a_fault_of_its_kind() {
        let none: [(&str, &str); 0] = [];
        let faults = crate::build("pigeon", "p", Settings::new(none), &context())
            .err()
            .unwrap();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].key, "kind");
    }
}
