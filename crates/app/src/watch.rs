//! Stores that are lost: the log is told once, and once more when they are back.
//!
//! Every answer of a store passes its watch, so that whatever calls it, a request, a worker or a
//! chore, the loss is told at the first failure and not again at each. Others log an outage for
//! those who look for it only: see [`is_outage`].

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::code::{Delivery, PhoneCode};
use domain::id::{PhoneCodeId, SessionId, UserId};
use domain::ports::{
    CodeStore, Inserted, RateLimiter, Rotation, SessionStore, StoreError, UserRepo, with_causes,
};
use domain::rate_limit::{Charge, CounterKey, Decision};
use domain::session::{RefreshDigest, Renewal, UserSession};
use domain::timestamp::Timestamp;
use domain::user::{NewUser, User};
use domain::vault::{PhoneIndex, SealedPhone};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often a store that is lost is asked whether it is back.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// How long no call may have failed before a store counts as back: one that answers some calls
/// and fails others is lost and back once, not with every call.
const QUIET: Duration = Duration::from_secs(2);

/// Whether something failed because a store could not answer, of which its watch tells the log.
pub(crate) fn is_outage(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::Unavailable(_)))
        || error.source().is_some_and(is_outage)
}

/// A port whose health its watch asks.
#[async_trait]
pub(crate) trait Ask: Send + Sync {
    async fn ask(&self) -> Result<(), StoreError>;
}

/// The watch of one store.
pub(crate) struct Watch {
    name: String,
    /// Those that it serves, each asked while it is lost: one may fail and not the others.
    ports: Mutex<Vec<Arc<dyn Ask>>>,
    /// While it is lost: since when, and the latest failure.
    lost: Mutex<Option<(Instant, Instant)>>,
    wake: Notify,
}

impl Watch {
    /// The watch of a store of that name.
    pub(crate) fn new(name: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            ports: Mutex::default(),
            lost: Mutex::default(),
            wake: Notify::new(),
        })
    }

    /// A port of the store, under watch.
    pub(crate) fn over<P: ?Sized>(self: &Arc<Self>, port: Arc<P>) -> Arc<Watched<P>>
    where
        Arc<P>: Ask + 'static,
    {
        self.ports.lock().push(Arc::new(Arc::clone(&port)));
        Arc::new(Watched {
            port,
            watch: Arc::clone(self),
        })
    }

    fn is_lost(&self) -> bool {
        self.lost.lock().is_some()
    }

    fn see<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error @ StoreError::Unavailable(_)) = &answer {
            self.failed(error);
        }
        answer
    }

    fn failed(&self, error: &StoreError) {
        let now = Instant::now();
        let mut lost = self.lost.lock();
        if let Some((_, latest)) = &mut *lost {
            *latest = now;
            return;
        }
        *lost = Some((now, now));
        tracing::error!(
            store = self.name,
            error = with_causes(error),
            "lost a store: calls that need it are answered 503 until it is back"
        );
        self.wake.notify_one();
    }

    /// Tells when the store is back, each time that it was lost, for as long as it is awaited.
    pub(crate) async fn keep(self: Arc<Self>) {
        self.keep_with(QUIET).await;
    }

    async fn keep_with(&self, quiet: Duration) {
        loop {
            self.wake.notified().await;
            let mut ticks = interval(ASK_EVERY);
            // A server that was silent for long is not asked all at once.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if self.answers().await && self.is_back(quiet) {
                    break;
                }
            }
        }
    }

    /// Whether every port of the store answers.
    async fn answers(&self) -> bool {
        let ports = self.ports.lock().clone();
        for port in ports {
            if port.ask().await.is_err() {
                return false;
            }
        }
        true
    }

    /// Whether no call has failed for so long; then it is no longer lost.
    fn is_back(&self, quiet: Duration) -> bool {
        let mut lost = self.lost.lock();
        let Some((since, _)) = lost.filter(|(_, latest)| latest.elapsed() >= quiet) else {
            return false;
        };
        *lost = None;
        let lost_for = humantime::format_duration(Duration::from_secs(since.elapsed().as_secs()));
        tracing::info!(store = self.name, %lost_for, "a store is back");
        true
    }
}

/// What serves each port, and the watches of all that may be lost.
#[derive(Default)]
pub(crate) struct Serving {
    /// By the port's name in the configuration: `redis at 10.0.0.5:6379`.
    pub(crate) stores: BTreeMap<&'static str, String>,
    pub(crate) watches: Vec<Arc<Watch>>,
}

impl Serving {
    /// The stores that are lost now, of which the log was told.
    pub(crate) fn lost(&self) -> impl Iterator<Item = &str> {
        let lost = self.watches.iter().filter(|watch| watch.is_lost());
        lost.map(|watch| watch.name.as_str())
    }
}

/// A port whose store is under watch.
pub(crate) struct Watched<P: ?Sized> {
    port: Arc<P>,
    watch: Arc<Watch>,
}

/// Each method calls the port's and shows the watch its answer.
macro_rules! watched {
    ($port:ident: $($method:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl $port for Watched<dyn $port> {
            $(async fn $method(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                self.watch.see(self.port.$method($($name),*).await)
            })*
        }

        #[async_trait]
        impl Ask for Arc<dyn $port> {
            async fn ask(&self) -> Result<(), StoreError> {
                self.health().await
            }
        }
    };
}

watched! { CodeStore:
    put(code: &PhoneCode) -> bool;
    get(id: PhoneCodeId) -> Option<PhoneCode>;
    find_by_phone(indexes: &[PhoneIndex]) -> Vec<PhoneCode>;
    begin_attempt(id: PhoneCodeId) -> Option<PhoneCode>;
    release_attempt(id: PhoneCodeId) -> ();
    consume(id: PhoneCodeId) -> bool;
    set_delivery(id: PhoneCodeId, delivery: Delivery) -> bool;
    sweep(now: Timestamp, limit: usize) -> usize;
    health() -> ();
}

watched! { RateLimiter:
    acquire(charges: &[Charge], now: Timestamp) -> Decision;
    refund(charges: &[Charge], at: Timestamp) -> ();
    clear(keys: &[CounterKey]) -> ();
    sweep(now: Timestamp, limit: usize) -> usize;
    health() -> ();
}

watched! { SessionStore:
    insert(session: &UserSession, max_live: u32) -> Inserted;
    get(id: SessionId) -> Option<UserSession>;
    rotate(id: SessionId, presented: RefreshDigest, renewal: &Renewal) -> Rotation;
    revoke(id: SessionId, now: Timestamp) -> bool;
    revoke_all(user: UserId, now: Timestamp) -> u64;
    list(user: UserId, now: Timestamp) -> Vec<UserSession>;
    sweep(now: Timestamp, limit: usize) -> usize;
    health() -> ();
}

watched! { UserRepo:
    find(id: UserId) -> Option<User>;
    find_by_phone(indexes: &[PhoneIndex]) -> Option<User>;
    find_or_create(new: &NewUser) -> (User, bool);
    reseal(id: UserId, phone: &SealedPhone) -> bool;
    delete(id: UserId) -> bool;
    health() -> ();
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use domain::auth::{AuthError, Part};

    use super::*;
    use crate::captured::Log;

    /// Users of whom one asks in vain while it is down.
    #[derive(Default)]
    struct Users {
        is_down: AtomicBool,
    }

    impl Users {
        fn answer<T: Default>(&self) -> Result<T, StoreError> {
            match self.is_down.load(Ordering::Relaxed) {
                true => Err(StoreError::unavailable("told to be down")),
                false => Ok(T::default()),
            }
        }
    }

    #[async_trait]
    impl UserRepo for Users {
        async fn find(&self, _: UserId) -> Result<Option<User>, StoreError> {
            self.answer()
        }

        async fn find_by_phone(&self, _: &[PhoneIndex]) -> Result<Option<User>, StoreError> {
            Err(StoreError::corrupt("told to be rotten"))
        }

        async fn find_or_create(&self, new: &NewUser) -> Result<(User, bool), StoreError> {
            self.answer::<()>().map(|()| (new.user.clone(), true))
        }

        async fn reseal(&self, _: UserId, _: &SealedPhone) -> Result<bool, StoreError> {
            self.answer()
        }

        async fn delete(&self, _: UserId) -> Result<bool, StoreError> {
            self.answer()
        }

        async fn health(&self) -> Result<(), StoreError> {
            self.answer()
        }
    }

    const SOMEBODY: UserId = UserId::from_bytes([7; 16]);

    fn watched() -> (Arc<Users>, Arc<Watch>, Arc<dyn UserRepo>) {
        let users = Arc::new(Users::default());
        let port: Arc<dyn UserRepo> = users.clone();
        let watch = Watch::new("postgres at db/phone_auth");
        let port = watch.over(port);
        (users, watch, port)
    }

    #[tokio::test]
    async fn a_loss_is_told_once_and_that_it_is_back_once() {
        let log = Log::capture();
        let (users, watch, port) = watched();
        let keeping = watch.clone();
        let keeping = tokio::spawn(async move { keeping.keep_with(Duration::ZERO).await });
        for round in 1..=2 {
            users.is_down.store(true, Ordering::Relaxed);
            for _ in 0..3 {
                assert!(port.find(SOMEBODY).await.is_err() && port.health().await.is_err());
                tokio::task::yield_now().await;
            }
            assert!(watch.is_lost());
            users.is_down.store(false, Ordering::Relaxed);
            while watch.is_lost() {
                assert_eq!(
                    port.find(SOMEBODY).await.unwrap(),
                    None,
                    "it serves meanwhile"
                );
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let text = log.text();
            assert_eq!(text.matches("lost a store").count(), round, "{text}");
            assert_eq!(text.matches("a store is back").count(), round, "{text}");
            assert!(text.contains("postgres at db/phone_auth") && text.contains("told to be down"));
        }
        keeping.abort();
    }

    #[tokio::test]
    async fn a_store_that_still_fails_calls_is_not_back() {
        let (users, watch, port) = watched();
        users.is_down.store(true, Ordering::Relaxed);
        assert!(port.find(SOMEBODY).await.is_err());
        users.is_down.store(false, Ordering::Relaxed);
        assert!(!watch.is_back(Duration::from_secs(3600)));
        assert!(watch.is_lost());
        assert!(watch.is_back(Duration::ZERO));
        assert!(!watch.is_lost());
    }

    #[tokio::test]
    async fn a_store_answers_if_all_its_ports_do() {
        let (users, watch, _) = watched();
        let others = Arc::new(Users::default());
        let _port = watch.over::<dyn UserRepo>(others.clone());
        for (one, other) in [(true, false), (false, true), (false, false)] {
            users.is_down.store(one, Ordering::Relaxed);
            others.is_down.store(other, Ordering::Relaxed);
            assert_eq!(watch.answers().await, !one && !other);
        }
    }

    #[tokio::test]
    async fn an_unreadable_row_is_no_outage() {
        let (_, watch, port) = watched();
        let rotten = port.find_by_phone(&[]).await.unwrap_err();
        assert!(!watch.is_lost());
        let of = |source: StoreError| AuthError::Unavailable {
            part: Part::Users,
            source: source.into(),
        };
        assert!(!is_outage(&of(rotten)));
        assert!(is_outage(&of(StoreError::unavailable("down"))));
    }
}
