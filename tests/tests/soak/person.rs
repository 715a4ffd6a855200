//! Somebody who signs in and out, clumsily, impatiently, or with bad intent.

mod guest;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tests_support::app::{digits_of, wrong};
use tokio::time::sleep;

use self::guest::Session;
use crate::client::{Client, Told};
use crate::history::{Id, Reply, What, is_texted, test_number};
use crate::rng::Rng;
use crate::world::{CODE, EVERYBODYS, VICTIMS};

/// How many phones somebody has.
const PHONES: usize = 6;

/// The wait before a code may be sent again, and what a clock may be off.
const RESEND_WAIT: Duration = Duration::from_millis(1050);

/// Nobody lets a code expire that lives so long.
const LONG: Duration = Duration::from_secs(10);

/// How long to look for a message.
const MESSAGE_LOOKS: usize = 200;

pub(crate) struct Person {
    client: Arc<Client>,
    rng: Rng,
    /// How long a code lives.
    lifetime: Duration,
    phones: Vec<String>,
    /// The digits that were read before.
    read: HashSet<String>,
    /// A number and a key that it was used with.
    former: Option<(String, String)>,
}

/// A code in somebody's hand.
struct Code {
    id: Id,
    digits: String,
}

impl Person {
    pub(crate) fn new(client: &Arc<Client>, n: usize, lifetime: Duration, rng: Rng) -> Self {
        let own = (0..PHONES).map(|phone| format!("+86139{n:04}{phone:04}"));
        Self {
            client: Arc::clone(client),
            rng,
            lifetime,
            phones: own.collect(),
            read: HashSet::new(),
            former: None,
        }
    }

    /// Comes and goes until there is enough.
    pub(crate) async fn live(mut self, enough: Arc<AtomicBool>) {
        while !enough.load(Ordering::Relaxed) {
            let visited = self.visit().await;
            // Turned away, one does not try again at once.
            self.think(if visited.is_some() { 20 } else { 100 }).await;
        }
    }

    /// Guesses at codes of others until there is enough.
    pub(crate) async fn attack(mut self, enough: Arc<AtomicBool>) {
        while !enough.load(Ordering::Relaxed) {
            let victim = test_number(*self.rng.pick(&VICTIMS));
            let asked = self.ask_once(&victim, None).await;
            if let Reply::Code { id, .. } = asked.reply {
                self.guess(&id, CODE).await;
            }
            self.think(300).await;
        }
    }

    async fn think(&mut self, at_most_ms: usize) {
        let time = self.rng.below(at_most_ms) as u64;
        sleep(Duration::from_millis(time)).await;
    }

    async fn call(&mut self, what: What, secret: &str) -> Told {
        let process = self.client.any(&mut self.rng);
        self.client.call(process, what, secret).await
    }

    /// The same call several times at once, on any processes.
    async fn calls(&mut self, times: usize, what: &What, secret: &str) -> Vec<Told> {
        let processes: Vec<_> = (0..times).map(|_| self.client.any(&mut self.rng)).collect();
        let calls = processes.into_iter();
        join_all(calls.map(|process| self.client.call(process, what.clone(), secret))).await
    }

    /// One visit, as far as it gets.
    pub(crate) async fn visit(&mut self) -> Option<()> {
        let phone = if self.rng.chance(50) {
            self.phones[self.rng.below(PHONES)].clone()
        } else {
            test_number(self.rng.below(EVERYBODYS))
        };
        let key = self
            .rng
            .chance(40)
            .then(|| format!("{:x}", self.rng.next()));
        let code = self.ask(&phone, key.clone()).await?;
        if is_texted(&phone) && self.rng.chance(10) {
            sleep(RESEND_WAIT).await;
            let times = 1 + self.rng.below(2);
            let code = code.id.clone();
            self.calls(times, &What::Resend { code }, "").await;
        }
        if self.rng.chance(25) {
            self.guess(&code.id, &code.digits).await;
        }
        if self.lifetime < LONG && self.rng.chance(10) {
            sleep(self.lifetime).await;
        }
        let session = self.enter(&code).await?;
        self.stay(session).await;
        self.try_again(phone, key?).await
    }

    /// Asks once more under the key of a while ago and signs in: not a second time, even if the code
    /// was lost meanwhile and is issued anew.
    async fn try_again(&mut self, phone: String, key: String) -> Option<()> {
        if is_texted(&phone) {
            return None;
        }
        let (phone, key) = self.former.replace((phone, key))?;
        let code = self.ask(&phone, Some(key)).await?;
        let session = self.enter(&code).await?;
        self.stay(session).await
    }

    async fn ask_once(&mut self, phone: &str, key: Option<String>) -> Told {
        let phone = phone.to_owned();
        self.call(What::Ask { phone, key }, "").await
    }

    /// Asks for a code, perhaps twice, perhaps again, and reads it.
    async fn ask(&mut self, phone: &str, key: Option<String>) -> Option<Code> {
        let times = if self.rng.chance(20) { 2 } else { 1 };
        let ask = What::Ask {
            phone: phone.to_owned(),
            key: key.clone(),
        };
        let mut asked = self.calls(times, &ask, "").await;
        if key.is_some() && asked.iter().any(|told| is_trouble(&told.reply)) {
            asked.push(self.ask_once(phone, key).await);
        }
        let id = asked.into_iter().find_map(|told| match told.reply {
            Reply::Code { id, .. } => Some(id),
            _ => None,
        })?;
        let digits = if is_texted(phone) {
            self.read(phone).await?
        } else {
            CODE.to_owned()
        };
        Some(Code { id, digits })
    }

    /// Waits for new digits in any outbox.
    async fn read(&mut self, phone: &str) -> Option<String> {
        for _ in 0..MESSAGE_LOOKS {
            for process in self.client.ready() {
                for message in self.client.outbox(process, Some(phone)).await {
                    let digits = digits_of(&message.text);
                    if self.read.insert(digits.clone()) {
                        return Some(digits);
                    }
                }
            }
            sleep(Duration::from_millis(10)).await;
        }
        None
    }

    /// Some wrong guesses, perhaps more than there are tries, perhaps at once.
    async fn guess(&mut self, code: &Id, digits: &str) {
        // Right once, for another code.
        let former = self.read.iter().find(|other| *other != digits).cloned();
        let former = former.filter(|_| self.rng.chance(50));
        let wrong = former.unwrap_or_else(|| wrong(digits));
        let what = What::Enter {
            code: code.clone(),
            right: false,
        };
        let times = 1 + self.rng.below(7);
        if self.rng.chance(50) {
            self.calls(times, &what, &wrong).await;
        } else {
            for _ in 0..times.min(3) {
                self.call(what.clone(), &wrong).await;
            }
        }
    }

    /// Signs in, perhaps in several places at once, and again after trouble.
    async fn enter(&mut self, code: &Code) -> Option<Session> {
        let what = What::Enter {
            code: code.id.clone(),
            right: true,
        };
        for _ in 0..3 {
            let times = if self.rng.chance(25) { 3 } else { 1 };
            let told = self.calls(times, &what, &code.digits).await;
            let opened = told.iter().find_map(|told| Session::of(&told.body));
            if opened.is_some() {
                if self.rng.chance(20) {
                    self.call(what, &code.digits).await;
                }
                return opened;
            }
            if !told.iter().any(|told| is_trouble(&told.reply)) {
                return None;
            }
            sleep(Duration::from_millis(200)).await;
        }
        None
    }
}

fn is_trouble(reply: &Reply) -> bool {
    matches!(reply, Reply::Unavailable { .. } | Reply::Nothing(_))
}
