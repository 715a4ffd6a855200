//! An app before it starts: its stores, settings, ports and clock.

use std::net::SocketAddr;
use std::sync::Arc;

use app::config::{Config, Sources};
use app::{Builder, Outbox};
use domain::auth::Auth;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::app::TestApp;
use crate::clock::TestClock;
use crate::stores::Rooms;
pub use crate::stores::Store;

/// Every limit that may be off, off, and the waits as short as they may be.
const UNLIMITED: [(&str, &str); 9] = [
    ("code.resend_after", "1s"),
    ("limits.sends_per_phone", "off"),
    ("limits.sends_per_address", "off"),
    ("limits.sends_per_network", "off"),
    ("limits.sends_per_prefix", "off"),
    ("limits.sends_per_country", "off"),
    ("limits.sends_overall", "off"),
    ("limits.failures_per_phone", "100/1s"),
    ("limits.failures_per_address", "off"),
];

/// An app before it starts.
#[derive(Clone)]
pub struct Setup {
    pub(crate) store: Store,
    pub(crate) folder: Arc<TempDir>,
    /// Its places on servers, for as long as it or a sibling lives.
    pub(crate) rooms: Arc<Rooms>,
    settings: Vec<(String, String)>,
    parts: Builder,
    clock: TestClock,
}

impl Setup {
    /// With the built-in defaults, but for the stores.
    pub fn on(store: Store) -> Self {
        let clock = TestClock::default();
        let rooms = Rooms::new(store);
        let setup = Self {
            store,
            settings: Vec::new(),
            parts: Builder::new().clock(Arc::new(clock.clone())),
            clock,
            folder: Arc::new(tempfile::tempdir().expect("a temporary folder")),
            rooms: Arc::new(rooms),
        };
        let setup = setup
            .set("server.bind", "127.0.0.1:0")
            .set("server.ops_bind", "127.0.0.1:0")
            .set("server.workers", "2");
        let rooms = Arc::clone(&setup.rooms);
        let rows = rooms.settings().iter();
        let setup = rows.fold(setup, |setup, (key, value)| setup.set(key, value));
        let folder = setup.folder.path().join("data");
        setup.set("data.dir", &folder.display().to_string())
    }

    /// With one more setting; a later one wins.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Without the limits that another thing's test would run into.
    pub fn unlimited(self) -> Self {
        let rows = UNLIMITED.iter();
        rows.fold(self, |setup, (key, value)| setup.set(key, value))
    }

    /// With ports of the test's own.
    pub fn parts(self, change: impl FnOnce(Builder) -> Builder) -> Self {
        Self {
            parts: change(self.parts),
            ..self
        }
    }

    /// Starts it, in a runtime of its own, as a process would.
    pub async fn start(self) -> TestApp {
        let sources = Sources {
            flags: self.settings.clone(),
            ..Sources::default()
        };
        let config = Config::load(&sources).unwrap_or_else(|faults| panic!("{faults}"));
        let (started, start) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let parts = self.parts.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let running = parts.start(config).await;
                let running = running.unwrap_or_else(|error| panic!("{error}"));
                let told = Told {
                    public: running.public(),
                    ops: running.ops(),
                    auth: Arc::clone(running.auth()),
                    outbox: running.outbox().cloned(),
                };
                let _ = started.send(told);
                // Told to stop, or forgotten by a test that failed.
                let _ = stopped.await;
                running.stop().await;
            });
        });
        let clock = self.clock.clone();
        let told = start.await.expect("the app starts");
        TestApp::new(self, clock, told, stop, thread)
    }
}

/// What an app tells of itself when it serves.
pub(crate) struct Told {
    pub(crate) public: SocketAddr,
    pub(crate) ops: SocketAddr,
    pub(crate) auth: Arc<Auth>,
    pub(crate) outbox: Option<Arc<Outbox>>,
}
