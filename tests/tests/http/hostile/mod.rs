//! Input that must get a clean 4xx and leave nothing behind.

mod access_tokens;
mod bodies;
mod codes;
mod forms;
mod framing;
mod phones;
mod slowness;

use tests_support::app::{Setup, Store, TestApp};
use tests_support::faults::Faulty;
use tests_support::http::{Answer, Request, say};

const PHONE: &str = "+8615612340000";

/// A service whose stores tell whether anybody wrote to them.
struct Target {
    app: TestApp,
    stores: Faulty,
    _real: TestApp,
}

impl Target {
    async fn start(store: Store) -> Self {
        let real = Setup::on(store).unlimited().start().await;
        let stores = Faulty::over(&real);
        let setup = real.setup().parts(|parts| stores.put_into(parts));
        let app = setup.start().await;
        Self {
            app,
            stores,
            _real: real,
        }
    }

    /// Makes a call, and makes sure that it left nothing behind.
    async fn refuses(&self, call: Request) -> Answer {
        let told: String = format!("{call:?}").chars().take(400).collect();
        let (writes, messages) = (self.stores.writes(), self.app.message_count());
        let answer = call.attempt().await;
        let answer = answer.unwrap_or_else(|error| panic!("no answer ({error}) to {told}"));
        let is_clean = (400..500).contains(&answer.status) && answer.status != 429;
        assert!(is_clean, "{}: {} to {told}", answer.status, answer.text());
        assert_eq!(
            self.stores.writes(),
            writes,
            "something was written by {told}"
        );
        assert_eq!(
            self.app.message_count(),
            messages,
            "something was sent by {told}"
        );
        answer
    }

    /// Sends bytes as they are; whatever the answer, nothing may be left behind.
    async fn refuses_bytes(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let bytes = bytes.as_ref();
        let told = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
        let (writes, messages) = (self.stores.writes(), self.app.message_count());
        let answer = say(self.app.address(), bytes).await;
        let answer = answer.unwrap_or_else(|error| panic!("no answer ({error}) to {told:?}"));
        assert!(
            (400..500).contains(&answer.status),
            "{} to {told:?}",
            answer.status
        );
        assert_eq!(
            self.stores.writes(),
            writes,
            "something was written by {told:?}"
        );
        assert_eq!(
            self.app.message_count(),
            messages,
            "something was sent by {told:?}"
        );
        answer
    }
}
