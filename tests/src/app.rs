//! The app in this process, on free ports, with a folder and a clock of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use app::Outbox;
use domain::auth::Auth;
use domain::phone::{Country, PhoneNumber};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::clock::TestClock;
use crate::http::Request;
use crate::setup::Told;
pub use crate::setup::{Setup, Store};
use crate::until;

/// An app that serves, until it is dropped: then it stops as gracefully as on SIGTERM.
pub struct TestApp {
    pub clock: TestClock,
    setup: Setup,
    told: Told,
    life: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// A code that was asked for, and its digits as they arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    pub id: String,
    pub digits: String,
    pub body: Value,
}

/// What somebody has who signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub access: String,
    pub refresh: String,
    pub session: String,
    pub user: String,
    pub body: Value,
}

impl SignedIn {
    /// From the answer to a sign-in or a refresh.
    #[track_caller]
    pub fn from(body: Value) -> Self {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Self {
            access: text(&body["access_token"]),
            refresh: text(&body["refresh_token"]),
            session: text(&body["session"]["id"]),
            user: text(&body["user"]["id"]),
            body,
        }
    }
}

/// A number of the default region.
pub fn phone(spelling: &str) -> PhoneNumber {
    let home = Country::parse("CN").expect("a region");
    PhoneNumber::parse(spelling, home).expect("a phone number")
}

/// Digits of the same length that are wrong.
pub fn wrong(digits: &str) -> String {
    let last = if digits.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &digits[..digits.len() - 1])
}

/// The digits at the end of a message.
pub fn digits_of(text: &str) -> String {
    let (_, digits) = text.rsplit_once('#').expect("digits at the end");
    digits.to_owned()
}

impl TestApp {
    pub(crate) fn new(
        setup: Setup,
        clock: TestClock,
        told: Told,
        stop: oneshot::Sender<()>,
        thread: JoinHandle<()>,
    ) -> Self {
        Self {
            clock,
            setup,
            told,
            life: Some((stop, thread)),
        }
    }

    /// With the built-in defaults.
    pub async fn start(store: Store) -> Self {
        Setup::on(store).start().await
    }

    /// Another instance over the same stores, keys and clock.
    pub async fn sibling(&self) -> Self {
        let ports = self.auth().ports().clone();
        let setup = self.setup.clone();
        let setup = match setup.store {
            Store::Memory => setup.parts(|parts| {
                parts
                    .codes(ports.codes)
                    .rate_limits(ports.limiter)
                    .sessions(ports.sessions)
                    .users(ports.users)
            }),
            _ => setup,
        };
        setup.start().await
    }

    /// What it was started with.
    pub fn setup(&self) -> Setup {
        self.setup.clone()
    }

    /// The public listener.
    pub fn address(&self) -> SocketAddr {
        self.told.public
    }

    /// The listener of operations.
    pub fn ops(&self) -> SocketAddr {
        self.told.ops
    }

    /// The use cases.
    pub fn auth(&self) -> &Arc<Auth> {
        &self.told.auth
    }

    /// What the stub gateway "sent".
    pub fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(self.told.outbox.as_ref().expect("the stub gateway"))
    }

    /// The folder of its data.
    pub fn folder(&self) -> &Path {
        self.setup.folder.path()
    }

    /// The URL of its database, if that is a server's.
    pub fn database(&self) -> Option<&str> {
        self.setup.rooms.database()
    }

    /// A call of the public listener.
    pub fn get(&self, path: &str) -> Request {
        Request::new(self.told.public, "GET", path)
    }

    /// A call of the public listener.
    pub fn post(&self, path: &str) -> Request {
        Request::new(self.told.public, "POST", path)
    }

    /// A call of the public listener.
    pub fn delete(&self, path: &str) -> Request {
        Request::new(self.told.public, "DELETE", path)
    }

    /// The texts of the messages to a phone, oldest first.
    pub fn messages(&self, to: &str) -> Vec<String> {
        let messages = self.outbox().newest_first(Some(&phone(to)));
        let oldest_first = messages.into_iter().rev();
        oldest_first
            .map(|message| message.text.to_string())
            .collect()
    }

    /// How many messages there are, to anybody.
    pub fn message_count(&self) -> usize {
        self.outbox().newest_first(None).len()
    }

    /// A request for a code.
    pub fn ask(&self, phone: &str) -> Request {
        self.post("/v1/phone-codes").json(json!({ "phone": phone }))
    }

    /// A try to sign in.
    pub fn enter(&self, id: &str, code: &str) -> Request {
        let body = json!({ "phone_code_id": id, "code": code });
        self.post("/v1/sessions").json(body)
    }

    /// A use of a refresh token.
    pub fn refresh(&self, token: &str) -> Request {
        let body = json!({ "refresh_token": token });
        self.post("/v1/sessions/refresh").json(body)
    }

    /// Asks for a code and reads it in the outbox.
    pub async fn code(&self, phone: &str) -> Asked {
        let before = self.messages(phone).len();
        let body = self.ask(phone).await.ok(202);
        let text = until("the message", async || {
            let messages = self.messages(phone);
            (messages.len() > before).then(|| messages.last().cloned())?
        })
        .await;
        Asked {
            id: body["id"].as_str().expect("an id").to_owned(),
            digits: digits_of(&text),
            body,
        }
    }

    /// Asks for a code, reads it in the outbox and signs in with it.
    pub async fn sign_in(&self, phone: &str) -> SignedIn {
        let Asked { id, digits, .. } = self.code(phone).await;
        SignedIn::from(self.enter(&id, &digits).await.ok(201))
    }

    /// What became of a code's message, once it is no longer under way.
    pub async fn delivery(&self, id: &str) -> String {
        let path = format!("/v1/phone-codes/{id}");
        until("the end of the message", async || {
            let status = self.get(&path).await.ok(200)["status"].clone();
            (status != "queued").then(|| status.as_str().expect("a status").to_owned())
        })
        .await
    }

    /// Whether somebody has proven that phone.
    pub async fn has_user(&self, phone: &str) -> bool {
        self.auth().user_by_phone(phone).await.is_ok()
    }

    /// Stops it.
    pub fn stop(self) {}
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let Some((stop, thread)) = self.life.take() else {
            return;
        };
        let _ = stop.send(());
        // A test that failed may have left a store silent, for which a stop waits.
        if !std::thread::panicking() {
            thread.join().expect("the app ends without a panic");
        }
    }
}
