//! Three processes that share everything, people who use them, and what happens to them.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests_support::process::{Installation, Service};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::checker::complaints;
use crate::client::{Client, PROCESSES};
use crate::history::{Absence, History, Loss, Moment, Outage, Promises, test_number};
use crate::parts::Part;
use crate::person::Person;
use crate::rng::Rng;
use crate::stores::Stores;

/// The first test numbers are everybody's; then come those that are only ever attacked, and one
/// that is never.
pub(crate) const EVERYBODYS: usize = 10;
pub(crate) const VICTIMS: [usize; 2] = [10, 11];
pub(crate) const WITNESS: usize = 12;

/// What signs in with a test number, as often as one likes.
pub(crate) const CODE: &str = "424242";

/// How many use the service at once, besides one who attacks it.
const PEOPLE: usize = 11;

/// Low enough to be met under load.
const SETTINGS: [(&str, &str); 12] = [
    ("server.drain", "300ms"),
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
    ("sms.gateways.stub.delay", "100ms"),
];

/// The same, as the checker reads it.
fn promises(lifetime: Duration) -> Promises {
    let seconds = Duration::from_secs;
    Promises {
        tries: 5,
        lifetime,
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
    services: Vec<Option<Service>>,
    // Dropped after those who use them.
    installation: Installation,
    stores: Stores,
    pub(crate) client: Arc<Client>,
    absences: Vec<Absence>,
    outages: Vec<Outage>,
    losses: Vec<Loss>,
    given_up: &'static [&'static str],
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
                    .map(|(key, value)| (key.as_str(), value.as_str())),
            )
            .fold(Installation::new(), |all, (key, value)| all.set(key, value));
        let installation = (0..=WITNESS).fold(installation, |all, n| {
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
            given_up: &[],
            _alone: alone,
        }
    }

    /// Without these invariants, which its stores do not promise when they lose something.
    pub(crate) fn giving_up(mut self, invariants: &'static [&'static str]) -> Self {
        self.given_up = invariants;
        self
    }

    /// Lets people use it while `round` breaks something and mends it, over and over, each time
    /// until everything works again; then judges all that happened.
    pub(crate) async fn under_load(mut self, mut round: impl AsyncFnMut(&mut Self)) -> History {
        let enough = Arc::new(AtomicBool::new(false));
        let people = self.people(&enough);
        for process in 0..PROCESSES {
            let client = Arc::clone(&self.client);
            // Until the runtime of the test ends.
            tokio::spawn(async move { client.feel_pulse(process).await });
        }
        let started = Instant::now();
        loop {
            self.some_time(800).await;
            round(&mut self).await;
            self.works_again().await;
            if started.elapsed() >= length() {
                break;
            }
        }
        self.until_people_got_in(20).await;
        enough.store(true, Ordering::Relaxed);
        for person in people {
            person.await.expect("nobody panics");
        }
        // A message that died with its process takes a minute to read as failed: there is time for
        // that at length.
        let looks = if length().is_zero() { 100 } else { 2500 };
        self.client.ask_for_everything(looks).await;
        self.judge()
    }

    fn people(&mut self, enough: &Arc<AtomicBool>) -> Vec<JoinHandle<()>> {
        let lifetime = self.stores.lifetime;
        let mut person = |n| Person::new(&self.client, n, lifetime, self.rng.split());
        let people = (0..PEOPLE).map(|n| tokio::spawn(person(n).live(Arc::clone(enough))));
        let mut people: Vec<_> = people.collect();
        let attacker = person(PEOPLE);
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

    pub(crate) fn service(&self, process: usize) -> &Service {
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

    /// For so long whoever needs that part is turned away, and every process says why.
    pub(crate) async fn without(&mut self, part: &Part, milliseconds: u64) {
        let from = self.now();
        self.until_down(part.ports).await;
        sleep((from + Duration::from_millis(milliseconds)).saturating_sub(self.now())).await;
        let to = self.now();
        let calls = self.client.calls();
        let tried = calls
            .iter()
            .filter(|call| (part.stops)(&call.what) && call.start > from);
        assert!(tried.count() > 3, "nobody noticed");
        self.outages.push(Outage {
            stops: part.stops,
            stops_guesses: part.stops_guesses,
            of_codes: part.of_codes,
            from,
            to,
        });
    }

    /// Some calls may have failed since then, and what became of some messages may not be on record.
    pub(crate) fn unreliable_since(&mut self, from: Moment) {
        self.outages.push(Outage {
            stops: |_| false,
            stops_guesses: false,
            of_codes: true,
            from,
            to: self.now(),
        });
    }

    /// Codes and limits may have been lost since then.
    pub(crate) fn lost_since(&mut self, from: Moment) {
        let to = self.now();
        self.losses.push(Loss { from, to });
        self.unreliable_since(from);
    }

    fn judge(self) -> History {
        let history = History {
            promises: promises(self.stores.lifetime),
            calls: self.client.calls(),
            messages: self.client.messages(),
            pulses: self.client.pulses(),
            absences: self.absences,
            outages: self.outages,
            losses: self.losses,
            given_up: self.given_up,
            rows: self.stores.rows(self.installation.folder()),
        };
        println!("{}", history.summary());
        let found = complaints(&history);
        let (count, first) = (found.len(), &found[..found.len().min(20)]);
        assert!(
            found.is_empty(),
            "{count} complaints:\n{}",
            first.join("\n")
        );
        history
    }
}
