//! A whole site in one test: real use cases over stores in memory, a clock that the
//! test sets, and a browser that keeps cookies.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::body::to_bytes;
use actix_web::cookie::Cookie;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, web};
use adapter_jwt::{Algorithm, JwtConfig, JwtIssuer, KeySet, SigningKey};
use adapter_memory::{MemoryCodeStore, MemoryRateLimiter, MemorySessionStore, MemoryUserRepo};
use adapter_sms::{Context, Outbox, Settings};
use domain::auth::{Auth, Limits, Policy, Ports, SendJob};
use domain::code::{CodeLength, ResendWaits};
use domain::event::Event;
use domain::message::Templates;
use domain::phone::{Country, PhoneKind, PhonePolicy};
use domain::ports::{Clock, EventSink, QueueFull, SendQueue, SendSlot};
use domain::rate_limit::{Limit, Window};
use domain::session::SessionLifetime;
use domain::timestamp::Timestamp;
use domain::vault::{KeyId, Vault};
use parking_lot::Mutex;

use super::super::{Pages, configure};
use crate::http::{AppState, Background, Ending, TrustedProxies};
use crate::system::SystemEntropy;

pub(super) const ORIGIN: &str = "http://localhost:8080";
pub(super) const PHONE: &str = "138 0013 8000";

pub(super) struct TestClock(AtomicU64);

impl TestClock {
    pub(super) fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Holds messages until the test delivers them.
#[derive(Clone, Default)]
struct Jobs(Arc<Mutex<Vec<SendJob>>>);

impl SendQueue for Jobs {
    fn reserve(&self) -> Result<Box<dyn SendSlot>, QueueFull> {
        Ok(Box::new(self.clone()))
    }
}

impl SendSlot for Jobs {
    fn fill(self: Box<Self>, job: SendJob) {
        self.0.lock().push(job);
    }
}

struct Deaf;

impl EventSink for Deaf {
    fn record(&self, _: &Event) {}
}

pub(super) struct Site {
    pub(super) pages: web::Data<Pages>,
    pub(super) state: web::Data<AppState>,
    pub(super) clock: Arc<TestClock>,
    jobs: Jobs,
}

impl Site {
    pub(super) fn new() -> Self {
        let clock = Arc::new(TestClock(AtomicU64::new(1_767_323_045_000)));
        let outbox = Arc::new(Outbox::default());
        let jobs = Jobs::default();
        let ports = ports(clock.clone(), Arc::clone(&outbox), jobs.clone());
        let vault = Vault::new(&[(KeyId(1), &[7; 32])], KeyId(1)).unwrap();
        let state = AppState {
            auth: Arc::new(Auth::new(ports, policy(), vault)),
            trusted_proxies: TrustedProxies::default(),
            background: Background::new(tokio::runtime::Handle::current()),
            short_contract: false,
            docs: false,
            serving: Arc::default(),
            ending: Ending::default(),
        };
        let pages = web::Data::new(Pages {
            public_origin: ORIGIN.to_owned(),
            outbox: Some(outbox),
        });
        Self {
            pages,
            state: web::Data::new(state),
            clock,
            jobs,
        }
    }

    pub(super) async fn browser(
        &self,
    ) -> Browser<impl Service<actix_http::Request, Response = ServiceResponse, Error = Error> + use<>>
    {
        let (state, pages) = (self.state.clone(), self.pages.clone());
        let app = App::new()
            .app_data(state)
            .configure(|config| configure(config, pages));
        let app = init_service(app).await;
        Browser {
            app,
            cookies: HashMap::new(),
            address: ([127, 0, 0, 1], 50000).into(),
        }
    }

    /// Hands every queued message over.
    pub(super) async fn deliver(&self) {
        let jobs = std::mem::take(&mut *self.jobs.0.lock());
        for job in jobs {
            self.state.auth.deliver(&job).await;
        }
    }

    /// The digits of the newest message.
    pub(super) async fn newest_code(&self) -> String {
        self.deliver().await;
        let messages = self.pages.outbox.as_ref().unwrap().newest_first(None);
        messages[0].text.rsplit('#').next().unwrap().to_owned()
    }
}

fn ports(clock: Arc<TestClock>, outbox: Arc<Outbox>, jobs: Jobs) -> Ports {
    let entropy = Arc::new(SystemEntropy);
    let key = SigningKey::generate(Algorithm::EdDsa, clock.now(), &*entropy).unwrap();
    let config = JwtConfig {
        issuer: ORIGIN.to_owned(),
        audience: "phone-auth".to_owned(),
    };
    let tokens = JwtIssuer::new(config, KeySet::new(&[key]).unwrap(), entropy.clone());
    let context = Context {
        clock: clock.clone(),
        outbox,
    };
    let no_settings = Settings::new([] as [(&str, &str); 0]);
    Ports {
        codes: Arc::new(MemoryCodeStore::default()),
        limiter: Arc::new(MemoryRateLimiter::default()),
        sessions: Arc::new(MemorySessionStore::default()),
        users: Arc::new(MemoryUserRepo::default()),
        sms: adapter_sms::build("stub", "stub", no_settings, &context).unwrap(),
        queue: Arc::new(jobs),
        tokens: Arc::new(tokens),
        events: Arc::new(Deaf),
        clock,
        entropy,
    }
}

fn policy() -> Policy {
    let china = Country::parse("CN").unwrap();
    let minute = Window {
        count: 1,
        period: Duration::from_secs(60),
    };
    let one_a_minute = Limit::new(vec![minute]).unwrap();
    Policy {
        phones: PhonePolicy {
            default_region: china,
            countries: Some(vec![china]),
            kinds: vec![PhoneKind::Mobile],
        },
        code_length: CodeLength::new(6).unwrap(),
        code_lifetime: Duration::from_secs(300),
        tries: 5,
        resend_waits: ResendWaits::new(vec![Duration::from_secs(60)]).unwrap(),
        limits: Limits {
            sends_per_phone: Some(Arc::new(one_a_minute)),
            ..Limits::default()
        },
        access_lifetime: Duration::from_secs(300),
        session_lifetime: SessionLifetime::Refreshed {
            idle: Duration::from_secs(7 * 86400),
            total: Duration::from_secs(30 * 86400),
        },
        sessions_per_user: 20,
        test_numbers: HashMap::new(),
        templates: Templates::new("Northwind", "localhost"),
    }
}

pub(super) struct Browser<S> {
    app: S,
    cookies: HashMap<String, String>,
    address: SocketAddr,
}

pub(super) struct Shown {
    pub(super) status: u16,
    pub(super) location: String,
    pub(super) set_cookie: Vec<String>,
    pub(super) headers: HashMap<String, String>,
    pub(super) html: String,
}

impl<S: Service<actix_http::Request, Response = ServiceResponse, Error = Error>> Browser<S> {
    pub(super) async fn get(&mut self, path: &str) -> Shown {
        self.send(TestRequest::get().uri(path)).await
    }

    /// Sends a form as a browser does from our own page.
    pub(super) async fn post(&mut self, path: &str, form: &str) -> Shown {
        self.send(form_to(path, form).insert_header(("origin", ORIGIN)))
            .await
    }

    pub(super) async fn send(&mut self, mut request: TestRequest) -> Shown {
        for (name, value) in &self.cookies {
            request = request.cookie(Cookie::new(name.clone(), value.clone()));
        }
        let request = request.peer_addr(self.address).to_request();
        let answer = self.app.call(request).await.unwrap();
        for cookie in answer.response().cookies() {
            if cookie.max_age().is_some_and(|age| age.is_zero()) {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies
                    .insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
        Shown::read(answer).await
    }

    /// Somebody else with the same cookies.
    pub(super) fn take_cookies_of(&mut self, other: &Self) {
        self.cookies = other.cookies.clone();
    }

    pub(super) fn move_to(&mut self, address: &str) {
        self.address = address.parse().unwrap();
    }

    pub(super) async fn sign_in(&mut self, site: &Site) {
        self.post("/login", &format!("phone={}", PHONE.replace(' ', "+")))
            .await;
        let code = site.newest_code().await;
        assert_eq!(
            self.post("/login/verify", &format!("code={code}"))
                .await
                .location,
            "/home"
        );
    }
}

/// A form from nobody knows where.
pub(super) fn form_to(path: &str, form: &str) -> TestRequest {
    TestRequest::with_uri(path)
        .method(Method::POST)
        .insert_header(("content-type", "application/x-www-form-urlencoded"))
        .set_payload(form.to_owned())
}

impl Shown {
    async fn read(answer: ServiceResponse) -> Self {
        let text =
            |value: &actix_web::http::header::HeaderValue| value.to_str().unwrap().to_owned();
        let headers: HashMap<_, _> = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect();
        Self {
            status: answer.status().as_u16(),
            location: headers.get("location").cloned().unwrap_or_default(),
            set_cookie: answer.headers().get_all("set-cookie").map(text).collect(),
            headers,
            html: String::from_utf8(to_bytes(answer.into_body()).await.unwrap().to_vec()).unwrap(),
        }
    }
}
