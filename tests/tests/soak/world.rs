//! Three processes that share everything, people who use them, and what happens to them.

use std::collections::BTreeSet;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::iter;
use tests_support::process::{Installation, Service};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::checker::complaints;
use crate::client::{Client, PROCESSES};
use crate::history::{Absence, History, Loss, Moment, Outage, Promises, Reply, What, test_number};
use crate::person::Person;
use crate::rng::Rng;
use crate::stores::Stores;

/// Numbers that sign in with [`CODE`], as often as one likes.
pub(crate) const TEST_NUMBERS: usize = 12;
pub(crate) const CODE: &str = "424242";

/// How many use the service at once, besides one who attacks it.
const PEOPLE: usize = 11;

/// How soon everything has to work again once nothing is broken any more.
const RECOVERY: Duration = Duration::from_secs(15);

/// Low enough to be met under load.
const SETTINGS: [(&str, &str); 11] = [
    ("code.resend_after", "1s"),
    ("limits.sends_per_phone", "6/10s"),
    ("limits.sends_overall", "20/1s"),
    ("limits.sends_per_address", "off"),
    ("limits.sends_per_prefix", "off"),
    ("limits.sends_per_country", "off"),
    ("limits.failures_per_phone", "12/60s"),
    ("limits.failures_per_address", "off"),
    ("limits.sessions_per_user", "1000"),
    ("tokens.access_lifetime", "1h"),
    ("sms.gateways.stub.delay", "20ms"),
];

/// The same, as the checker reads it.
fn promises() -> Promises {
    let seconds = Duration::from_secs;
    Promises {
        tries: 5,
        lifetime: seconds(300),
        failures_per_phone: (12, seconds(60)),
        sends_per_phone: vec![(1, seconds(1)), (6, seconds(10))],
        sends_overall: vec![(20, seconds(1))],
    }
}

/// One world at a time: each takes the whole machine.
static ALONE: Mutex<()> = Mutex::const_new(());

/// How long each scenario's load lasts, at least.
fn length() -> Duration {
    let seconds = std::env::var("SOAK_SECONDS").ok();
    let seconds = seconds.map(|text| text.parse().expect("SOAK_SECONDS in seconds"));
    Duration::from_secs(seconds.unwrap_or(0))
}

/// The seed of this run, printed.
fn seed() -> u64 {
    let given = std::env::var("SOAK_SEED").ok();
    let given = given.map(|text| text.parse().expect("SOAK_SEED, a number"));
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one(()));
    println!("SOAK_SEED={seed}");
    seed
}

/// See the module.
pub(crate) struct World {
    pub(crate) rng: Rng,
    stores: Stores,
    installation: Installation,
    services: Vec<Option<Service>>,
    client: Arc<Client>,
    absences: Vec<Absence>,
    outages: Vec<Outage>,
    losses: Vec<Loss>,
    _alone: MutexGuard<'static, ()>,
}

impl World {
    /// Three processes that serve.
    pub(crate) async fn start(stores: Stores) -> Self {
        let alone = ALONE.lock().await;
        let rng = Rng::seeded(seed());
        let settings = SETTINGS.into_iter();
        let installation = settings
            .chain(
                stores
                    .settings
                    .iter()
                    .map(|(key, value)| (*key, value.as_str())),
            )
            .fold(Installation::new(), |all, (key, value)| all.set(key, value));
        let installation = (0..TEST_NUMBERS).fold(installation, |all, n| {
            all.set(&format!("test_numbers.{}.code", test_number(n)), CODE)
        });
        let mut services = Vec::new();
        for _ in 0..PROCESSES {
            services.push(Some(installation.serve().await));
        }
        let client = Client::new([0, 1, 2].map(|n| services[n].as_ref().expect("it serves")));
        Self {
            rng,
            stores,
            installation,
            services,
            client: Arc::new(client),
            absences: Vec::new(),
            outages: Vec::new(),
            losses: Vec::new(),
            _alone: alone,
        }
    }

    /// Lets people use it while `round` breaks something and mends it, over and over, each time
    /// until everything works again; then judges all that happened.
    pub(crate) async fn under_load(mut self, mut round: impl AsyncFnMut(&mut Self)) -> History {
        let enough = Arc::new(AtomicBool::new(false));
        let people = self.people(&enough);
        let started = Instant::now();
        loop {
            self.some_time(800).await;
            round(&mut self).await;
            self.works_again().await;
            if started.elapsed() >= length() {
                break;
            }
        }
        enough.store(true, Ordering::Relaxed);
        for person in people {
            person.await.expect("nobody panics");
        }
        self.judge().await
    }

    fn people(&mut self, enough: &Arc<AtomicBool>) -> Vec<JoinHandle<()>> {
        let people = (0..PEOPLE).map(|n| {
            let person = Person::new(&self.client, n, self.rng.split());
            tokio::spawn(person.live(Arc::clone(enough)))
        });
        let mut people: Vec<_> = people.collect();
        let attacker = Person::new(&self.client, PEOPLE, self.rng.split());
        people.push(tokio::spawn(attacker.attack(Arc::clone(enough))));
        people
    }

    /// Sends calls where a load balancer would, from now on.
    pub(crate) fn balance(&self) {
        let client = Arc::clone(&self.client);
        // Until the runtime of the test ends.
        tokio::spawn(async move { client.balance().await });
    }

    /// Between half so many milliseconds and so many.
    pub(crate) async fn some_time(&mut self, at_most_ms: u64) {
        let half = at_most_ms / 2;
        let time = half + self.rng.below(half as usize) as u64;
        sleep(Duration::from_millis(time)).await;
    }

    pub(crate) fn now(&self) -> Moment {
        self.client.now()
    }

    fn service(&self, process: usize) -> &Service {
        self.services[process].as_ref().expect("it serves")
    }

    fn leave(&mut self, process: usize, graceful: bool) -> Service {
        self.absences.push(Absence {
            process,
            from: self.now(),
            to: None,
            graceful,
        });
        self.services[process].take().expect("it serves")
    }

    /// kill -9
    pub(crate) fn kill(&mut self, process: usize) {
        self.leave(process, false).kill();
    }

    /// SIGTERM, and waits until it has ended: by itself, and well.
    pub(crate) async fn terminate(&mut self, process: usize) {
        let service = self.leave(process, true);
        service.terminate();
        let (status, log) = service.ended().await;
        assert!(status.success(), "{status}: {log}");
    }

    /// Starts a process again.
    pub(crate) async fn restart(&mut self, process: usize) {
        let service = self.installation.serve().await;
        self.client.replace(process, &service);
        self.services[process] = Some(service);
        let now = self.now();
        let absences = self.absences.iter_mut();
        let mut open =
            absences.filter(|absence| absence.process == process && absence.to.is_none());
        open.next().expect("it was away").to = Some(now);
    }

    /// Whoever needs what `broken` has broken is turned away, until it is mended.
    pub(crate) async fn without(
        &mut self,
        stops: fn(&What) -> bool,
        of_codes: bool,
        broken: impl Future<Output = ()>,
    ) {
        let from = self.now();
        broken.await;
        let to = self.now();
        let calls = self.client.calls();
        let tried = calls
            .iter()
            .filter(|call| stops(&call.what) && call.start > from);
        assert!(tried.count() > 3, "nobody noticed");
        self.outages.push(Outage {
            stops,
            of_codes,
            from,
            to,
        });
    }

    /// Codes and limits may be lost since `from`.
    pub(crate) fn lost_since(&mut self, from: Moment) {
        let to = self.now();
        self.losses.push(Loss { from, to });
    }

    /// Waits until every process says that exactly these stores are down.
    pub(crate) async fn until_down(&self, ports: &[&str]) {
        for process in 0..PROCESSES {
            let ready = self.service(process).get_ops("/readyz");
            tests_support::until("the loss on /readyz", async || {
                let answer = ready.clone().await;
                let told = answer.json();
                let is_told = ["codes", "rate_limits", "sessions", "users"]
                    .iter()
                    .all(|port| (told[port] == "down") == ports.contains(port));
                (is_told && (answer.status == 200) == ports.is_empty()).then_some(())
            })
            .await;
        }
    }

    /// Waits until somebody gets from asking to signing out on each process.
    pub(crate) async fn works_again(&mut self) {
        let started = Instant::now();
        self.until_down(&[]).await;
        for process in 0..PROCESSES {
            let phone = test_number(TEST_NUMBERS - 3);
            while !self.serves(process, &phone).await {
                let took = started.elapsed();
                assert!(
                    took < RECOVERY,
                    "process {process} does not recover in {took:?}"
                );
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn serves(&self, process: usize, phone: &str) -> bool {
        let phone = phone.to_owned();
        let call =
            |what, secret: String| async move { self.client.call(process, what, &secret).await };
        let asked = call(What::Ask { phone, key: None }, String::new()).await;
        let Reply::Code { id: code, .. } = asked.reply else {
            return false;
        };
        let entered = call(What::Enter { code, right: true }, CODE.to_owned()).await;
        let Reply::Tokens { session, .. } = entered.reply else {
            return false;
        };
        let access = self.client.access(&session).unwrap_or_default();
        let left = call(What::SignOut { session }, access).await;
        left.reply == Reply::Done
    }

    /// Asks what has become of everything, and has all of it judged.
    async fn judge(self) -> History {
        self.ask_for_codes().await;
        self.ask_for_sessions().await;
        for process in 0..PROCESSES {
            self.client.outbox(process, None).await;
        }
        let history = History {
            promises: promises(),
            calls: self.client.calls(),
            messages: self.client.messages(),
            absences: self.absences,
            outages: self.outages,
            losses: self.losses,
            rows: self.stores.rows(self.installation.folder()),
        };
        println!("{}", history.summary());
        let found = complaints(&history);
        assert!(found.is_empty(), "{}", found.join("\n"));
        let entered = |reply: &Reply| matches!(reply, Reply::Tokens { .. });
        let entered = history
            .calls
            .iter()
            .filter(|call| entered(&call.reply))
            .count();
        assert!(entered > 20, "only {entered} got in");
        history
    }

    async fn ask_for_codes(&self) {
        // A message that died with its process takes a minute to read as failed: time for that is
        // at length only.
        let looks = if length().is_zero() { 100 } else { 2500 };
        let calls = self.client.calls();
        let codes = calls.iter().filter_map(|call| match &call.reply {
            Reply::Code { id, .. } => Some(id),
            _ => None,
        });
        let codes: BTreeSet<_> = codes.collect();
        let ask = iter(codes.into_iter().enumerate()).map(|(n, code)| async move {
            for _ in 0..looks {
                let what = What::Status { code: code.clone() };
                let told = self.client.call(n % PROCESSES, what, "").await;
                match told.reply {
                    Reply::Code { status, .. } if status == "queued" => {
                        sleep(Duration::from_millis(30)).await;
                    }
                    _ => break,
                }
            }
        });
        ask.buffer_unordered(PEOPLE).collect::<()>().await;
    }

    async fn ask_for_sessions(&self) {
        let calls = self.client.calls();
        let sessions = calls.iter().filter_map(|call| match &call.reply {
            Reply::Tokens { session, .. } => Some(session),
            _ => None,
        });
        let sessions: BTreeSet<_> = sessions.collect();
        let ask = iter(sessions.into_iter().enumerate()).map(|(n, session)| async move {
            let access = self.client.access(session).unwrap_or_default();
            let session = session.clone();
            let what = What::Check { session };
            self.client.call(n % PROCESSES, what, &access).await;
        });
        ask.buffer_unordered(PEOPLE).collect::<()>().await;
    }
}
