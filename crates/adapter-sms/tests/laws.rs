//! The stub keeps the port's contract, whether it takes messages or fails.
#![allow(clippy::panic, reason = "in a test a panic is a failed assertion")]

use std::sync::Arc;

use adapter_sms::{Context, Outbox, Settings, build};
use domain::ports::{Clock, SmsSender};
use domain::timestamp::Timestamp;

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn stub(settings: &[(&str, &str)]) -> Arc<dyn SmsSender> {
    let context = Context {
        clock: Arc::new(At(conformance::sample::NOW)),
        outbox: Arc::new(Outbox::default()),
    };
    let settings = Settings::new(settings.iter().copied());
    match build("stub", "stub", settings, &context) {
        Ok(gateway) => gateway,
        Err(faults) => panic!("{faults:?}"),
    }
}

mod taking {
    use super::*;

    async fn open() -> Arc<dyn SmsSender> {
        stub(&[])
    }

    conformance::sms_sender_laws!(open);
}

mod failing {
    use super::*;

    async fn open() -> Arc<dyn SmsSender> {
        stub(&[("fail", "unknown")])
    }

    conformance::sms_sender_laws!(open);
}
