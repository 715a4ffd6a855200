//! Somebody who signs in and out, clumsily, impatiently, or with bad intent.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tests_support::app::{digits_of, wrong};
use tokio::time::sleep;

use crate::client::{Client, Told};
use crate::history::{Id, Reply, What, is_texted, test_number};
use crate::rng::Rng;
use crate::world::{CODE, TEST_NUMBERS};

/// How many phones somebody has.
const PHONES: usize = 6;

/// The last test numbers, which nobody has the right digits for.
const VICTIMS: usize = 2;

/// The wait before a code may be sent again, and what a clock may be off.
const RESEND_WAIT: Duration = Duration::from_millis(1050);

/// How long to look for a message.
const MESSAGE_LOOKS: usize = 100;

pub(crate) struct Person {
    client: Arc<Client>,
    rng: Rng,
    phones: Vec<String>,
    /// The digits that were read before.
    read: HashSet<String>,
}

/// A code in somebody's hand.
struct Code {
    id: Id,
    digits: String,
}

/// A session in somebody's hand.
struct Session {
    id: Id,
    access: String,
    refresh: String,
}

impl Session {
    fn of(body: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(Self {
            id: text(&body["session"]["id"])?,
            access: text(&body["access_token"])?,
            refresh: text(&body["refresh_token"])?,
        })
    }

    fn check(&self) -> What {
        let session = self.id.clone();
        What::Check { session }
    }

    fn renewal(&self) -> What {
        What::Refresh {
            session: self.id.clone(),
            token: self.refresh.clone(),
        }
    }
}

impl Person {
    pub(crate) fn new(client: &Arc<Client>, n: usize, rng: Rng) -> Self {
        let own = (0..PHONES).map(|phone| format!("+86139{n:04}{phone:04}"));
        Self {
            client: Arc::clone(client),
            rng,
            phones: own.collect(),
            read: HashSet::new(),
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
            let victim = test_number(TEST_NUMBERS - 1 - self.rng.below(VICTIMS));
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
            test_number(self.rng.below(TEST_NUMBERS - VICTIMS))
        };
        let code = self.ask(&phone).await?;
        if is_texted(&phone) && self.rng.chance(10) {
            sleep(RESEND_WAIT).await;
            let times = 1 + self.rng.below(2);
            let code = code.id.clone();
            self.calls(times, &What::Resend { code }, "").await;
        }
        if self.rng.chance(25) {
            self.guess(&code.id, &code.digits).await;
        }
        let session = self.enter(&code).await?;
        self.stay(session).await
    }

    async fn ask_once(&mut self, phone: &str, key: Option<String>) -> Told {
        let phone = phone.to_owned();
        self.call(What::Ask { phone, key }, "").await
    }

    /// Asks for a code, perhaps twice, perhaps again, and reads it.
    async fn ask(&mut self, phone: &str) -> Option<Code> {
        let key = self
            .rng
            .chance(40)
            .then(|| format!("{:x}", self.rng.next()));
        let times = if self.rng.chance(20) { 2 } else { 1 };
        let ask = What::Ask {
            phone: phone.to_owned(),
            key: key.clone(),
        };
        let mut asked = self.calls(times, &ask, "").await;
        if key.is_some()
            && asked
                .iter()
                .any(|told| matches!(told.reply, Reply::Nothing(_)))
        {
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
        let wrong = wrong(digits);
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

    /// What one does while signed in, and the end of it.
    async fn stay(&mut self, mut session: Session) -> Option<()> {
        for _ in 0..self.rng.below(4) {
            match self.rng.below(6) {
                0..=2 => drop(self.call(session.check(), &session.access).await),
                3 => {
                    let what = What::List {
                        session: session.id.clone(),
                    };
                    self.call(what, &session.access).await;
                }
                4 => {
                    let told = self.call(session.renewal(), "").await;
                    // Whether the token works still, only its use would tell, and end the session.
                    session = Session::of(&told.body)?;
                }
                _ => {
                    self.calls(2, &session.renewal(), "").await;
                    return self.is_over(&session).await;
                }
            }
            self.think(20).await;
        }
        self.leave(&session).await
    }

    async fn leave(&mut self, session: &Session) -> Option<()> {
        let id = session.id.clone();
        let what = match self.rng.below(20) {
            0..=2 => return Some(()),
            3 => What::SignOutEverywhere { session: id },
            _ => What::SignOut { session: id },
        };
        for _ in 0..3 {
            let told = self.call(what.clone(), &session.access).await;
            if !is_trouble(&told.reply) {
                return self.is_over(session).await;
            }
            sleep(Duration::from_millis(200)).await;
        }
        None
    }

    /// Looks everywhere whether the session is over.
    async fn is_over(&mut self, session: &Session) -> Option<()> {
        for process in self.client.ready() {
            self.client
                .call(process, session.check(), &session.access)
                .await;
        }
        if self.rng.chance(30) {
            self.call(session.renewal(), "").await;
        }
        Some(())
    }
}

fn is_trouble(reply: &Reply) -> bool {
    matches!(reply, Reply::Unavailable { .. } | Reply::Nothing(_))
}
