//! Calls to any of the three processes, each of which goes into the history.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests_support::http::{Answer, Request};
use tests_support::process::Service;
use tokio::time::{sleep, timeout};

use crate::history::{Call, Id, Message, Moment, Pulse, Reply, What};
use crate::rng::Rng;

/// Who has no answer by then will not get one.
const HUNG: Duration = Duration::from_secs(10);

/// How many processes there are.
pub(crate) const PROCESSES: usize = 3;

/// A process, as its callers know it.
struct Process {
    address: Mutex<SocketAddr>,
    /// Where it says whether a load balancer should send it calls.
    health: Mutex<Request>,
    ready: AtomicBool,
}

/// What all callers share.
pub(crate) struct Client {
    began: Instant,
    processes: [Process; PROCESSES],
    /// Whether a call to a process that does not listen goes to another one.
    balanced: AtomicBool,
    calls: Mutex<Vec<Call>>,
    /// In the outbox of each process, and how many that look the same: they tell whole seconds.
    messages: Mutex<BTreeMap<(SocketAddr, Message), usize>>,
    pulses: Mutex<Vec<Pulse>>,
    /// The access tokens of the sessions that were opened.
    access: Mutex<HashMap<Id, String>>,
}

/// What came back, and the whole body.
pub(crate) struct Told {
    pub(crate) reply: Reply,
    pub(crate) body: Value,
}

impl Client {
    /// Of these processes.
    pub(crate) fn new(services: [&Service; PROCESSES]) -> Self {
        Self {
            began: Instant::now(),
            processes: services.map(|service| Process {
                address: Mutex::new(service.address()),
                health: Mutex::new(service.get_ops("/readyz")),
                ready: AtomicBool::new(true),
            }),
            balanced: AtomicBool::new(false),
            calls: Mutex::default(),
            messages: Mutex::default(),
            pulses: Mutex::default(),
            access: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        self.began.elapsed()
    }

    /// Another one takes the place of that process.
    pub(crate) fn replace(&self, process: usize, service: &Service) {
        let process = &self.processes[process];
        *process.address.lock().unwrap() = service.address();
        *process.health.lock().unwrap() = service.get_ops("/readyz");
    }

    /// Goes on as a load balancer: calls go to processes that are ready, as each says every few
    /// milliseconds, and to another one where nobody listens any more.
    pub(crate) async fn balance(&self) {
        self.balanced.store(true, Ordering::Relaxed);
        loop {
            for process in &self.processes {
                let health = process.health.lock().unwrap().clone();
                let ready = health.attempt().await;
                let ready = ready.is_ok_and(|answer| answer.status == 200);
                process.ready.store(ready, Ordering::Relaxed);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Notes, for ever, how long an answer of that process takes that needs no store.
    pub(crate) async fn feel_pulse(&self, process: usize) {
        loop {
            let start = self.now();
            let pulse = self.to(process, "GET", "/.well-known/jwks.json");
            if let Ok(Ok(_)) = timeout(HUNG, pulse.attempt()).await {
                let end = self.now();
                self.pulses.lock().unwrap().push(Pulse { start, end });
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The processes that calls go to.
    pub(crate) fn ready(&self) -> Vec<usize> {
        let is_ready = |n: &usize| self.processes[*n].ready.load(Ordering::Relaxed);
        let ready: Vec<_> = (0..PROCESSES).filter(is_ready).collect();
        assert!(!ready.is_empty(), "no process is ready");
        ready
    }

    pub(crate) fn any(&self, rng: &mut Rng) -> usize {
        *rng.pick(&self.ready())
    }

    /// Makes a call; `secret` is the digits of a guess, or an access token.
    pub(crate) async fn call(&self, process: usize, what: What, secret: &str) -> Told {
        let (mut process, mut start) = (process, self.now());
        let mut answer = self.attempt(process, &what, secret).await;
        for _ in 0..PROCESSES {
            let refused = answer.as_ref().err().map(io::Error::kind);
            let elsewhere = refused == Some(io::ErrorKind::ConnectionRefused);
            if !elsewhere || !self.balanced.load(Ordering::Relaxed) {
                break;
            }
            // What was refused reached nobody.
            (process, start) = ((process + 1) % PROCESSES, self.now());
            answer = self.attempt(process, &what, secret).await;
        }
        let end = self.now();
        let (reply, body) = match &answer {
            Ok(answer) => (Reply::of(answer), json_of(answer)),
            Err(error) => (Reply::Nothing(error.to_string()), Value::Null),
        };
        if let (Reply::Tokens { session, .. }, Some(token)) =
            (&reply, body["access_token"].as_str())
        {
            let mut access = self.access.lock().unwrap();
            access.insert(session.clone(), token.to_owned());
        }
        self.calls.lock().unwrap().push(Call {
            process,
            what,
            start,
            end,
            reply: reply.clone(),
        });
        Told { reply, body }
    }

    async fn attempt(&self, process: usize, what: &What, secret: &str) -> io::Result<Answer> {
        let call = self.request(process, what, secret).attempt();
        let hung = || io::Error::new(io::ErrorKind::TimedOut, "it hangs");
        timeout(HUNG, call).await.unwrap_or_else(|_| Err(hung()))
    }

    fn to(&self, process: usize, method: &str, path: &str) -> Request {
        let address = *self.processes[process].address.lock().unwrap();
        Request::new(address, method, path)
    }

    fn request(&self, process: usize, what: &What, secret: &str) -> Request {
        let to = |method, path: &str| self.to(process, method, path);
        match what {
            What::Ask { phone, key } => {
                let ask = to("POST", "/v1/phone-codes").json(json!({ "phone": phone }));
                let key = key.as_deref();
                key.map_or(ask.clone(), |key| ask.header("idempotency-key", key))
            }
            What::Resend { code } => to("POST", &format!("/v1/phone-codes/{code}/resend")),
            What::Status { code } => to("GET", &format!("/v1/phone-codes/{code}")),
            What::Enter { code, .. } => {
                let body = json!({ "phone_code_id": code, "code": secret });
                to("POST", "/v1/sessions").json(body)
            }
            What::Check { .. } => to("GET", "/v1/sessions/current").bearer(secret),
            What::List { .. } => to("GET", "/v1/sessions").bearer(secret),
            What::Refresh { token, .. } => {
                to("POST", "/v1/sessions/refresh").json(json!({ "refresh_token": token }))
            }
            What::SignOut { .. } => to("DELETE", "/v1/sessions/current").bearer(secret),
            What::SignOutEverywhere { .. } => to("DELETE", "/v1/sessions").bearer(secret),
        }
    }

    /// The messages that a process sent, to one number or to all, newest first.
    pub(crate) async fn outbox(&self, process: usize, phone: Option<&str>) -> Vec<Message> {
        let of = phone.map(|phone| format!("?to={}", phone.replace('+', "%2B")));
        let path = format!("/dev/outbox{}", of.unwrap_or_default());
        let address = *self.processes[process].address.lock().unwrap();
        let read = Request::new(address, "GET", &path).header("accept", "application/json");
        let Ok(answer) = read.attempt().await else {
            return Vec::new();
        };
        let body = json_of(&answer);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let messages = body["messages"].as_array().into_iter().flatten();
        let messages: Vec<_> = messages
            .map(|message| Message {
                to: text(&message["to"]),
                text: text(&message["text"]),
                sent_at: text(&message["sent_at"]),
            })
            .collect();
        let mut known = self.messages.lock().unwrap();
        for message in &messages {
            let times = messages.iter().filter(|other| *other == message).count();
            let most = known.entry((address, message.clone())).or_default();
            *most = times.max(*most);
        }
        messages
    }

    /// The latest access token of a session.
    pub(crate) fn access(&self, session: &Id) -> Option<String> {
        self.access.lock().unwrap().get(session).cloned()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn pulses(&self) -> Vec<Pulse> {
        self.pulses.lock().unwrap().clone()
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        let known = self.messages.lock().unwrap();
        let alike = |((_, message), times): (&(_, Message), &usize)| vec![message.clone(); *times];
        known.iter().flat_map(alike).collect()
    }
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}
