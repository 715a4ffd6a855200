//! Both faces over stores in memory.

mod document;
mod ops;
mod short;
mod v1;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, init_service};
use actix_web::{Error, web};
use adapter_jwt::{Algorithm, JwtConfig, JwtIssuer, KeySet, SigningKey};
use adapter_memory::{MemoryCodeStore, MemoryRateLimiter, MemorySessionStore, MemoryUserRepo};
use async_trait::async_trait;
use domain::auth::{Auth, Limits, Policy, Ports, TestNumber};
use domain::code::{Code, CodeLength, ResendWaits};
use domain::message::{SmsMessage, Templates};
use domain::phone::{Country, PhoneKind, PhoneNumber, PhonePolicy};
use domain::ports::{RateLimiter, Receipt, SmsError, SmsSender, StoreError};
use domain::rate_limit::{Charge, CounterKey, Decision, Limit, Window};
use domain::session::SessionLifetime;
use domain::timestamp::Timestamp;
use domain::vault::{KeyId, Vault};
use serde_json::Value;

use super::observe::RequestIds;
use super::server::{app, ops_routes, public_routes};
use super::{AppState, Background, Ending, TrustedProxies};
use crate::dispatcher::{Jobs, queue};
use crate::system::{SystemClock, SystemEntropy};
use crate::telemetry::Telemetry;

/// A number whose code is known and that waits for no resend.
const PHONE: &str = "+8613800138000";
const CODE: &str = "424242";
const WRONG: &str = "000000";

struct NoGateway;

#[async_trait]
impl SmsSender for NoGateway {
    async fn send(&self, _: &SmsMessage) -> Result<Receipt, SmsError> {
        Err(SmsError::Unavailable("no gateway".into()))
    }

    async fn health(&self) -> Result<(), SmsError> {
        Ok(())
    }
}

/// A limiter that fails every charge.
struct Failing(fn() -> StoreError);

const DOWN: Failing = Failing(|| StoreError::unavailable("limits are down"));

#[async_trait]
impl RateLimiter for Failing {
    async fn acquire(&self, _: &[Charge], _: Timestamp) -> Result<Decision, StoreError> {
        Err((self.0)())
    }

    async fn refund(&self, _: &[Charge], _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn clear(&self, _: &[CounterKey]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn sweep(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }

    async fn health(&self) -> Result<(), StoreError> {
        Err((self.0)())
    }
}

fn policy() -> Policy {
    let country = Country::parse("CN").unwrap();
    let phone = PhoneNumber::parse(PHONE, country).unwrap();
    let length = CodeLength::new(6).unwrap();
    let code = Code::parse(CODE, length).unwrap();
    let hour = Duration::from_secs(3600);
    let per_address = Limit::new(vec![Window {
        count: 20,
        period: hour,
    }])
    .unwrap();
    Policy {
        phones: PhonePolicy {
            default_region: country,
            countries: Some(vec![country]),
            kinds: vec![PhoneKind::Mobile],
        },
        code_length: length,
        code_lifetime: Duration::from_secs(300),
        tries: 5,
        resend_waits: ResendWaits::new(vec![Duration::from_secs(60)]).unwrap(),
        limits: Limits {
            sends_per_address: Some(Arc::new(per_address)),
            ..Limits::default()
        },
        access_lifetime: Duration::from_secs(300),
        session_lifetime: SessionLifetime::Refreshed {
            idle: 24 * hour,
            total: 48 * hour,
        },
        sessions_per_user: 20,
        test_numbers: HashMap::from([(phone, TestNumber { code, until: None })]),
        templates: Templates::new("brand", "example.org"),
    }
}

/// The state, and the jobs that nobody works off.
fn state(change: impl FnOnce(&mut Ports)) -> (AppState, Jobs) {
    let key = SigningKey::generate(Algorithm::EdDsa, Timestamp::default(), &SystemEntropy).unwrap();
    let config = JwtConfig {
        issuer: "http://localhost".into(),
        audience: "test".into(),
    };
    let keys = KeySet::new(&[key]).unwrap();
    let (queue, jobs) = queue(64);
    let mut ports = Ports {
        codes: Arc::new(MemoryCodeStore::new()),
        limiter: Arc::new(MemoryRateLimiter::new()),
        sessions: Arc::new(MemorySessionStore::new()),
        users: Arc::new(MemoryUserRepo::new()),
        sms: Arc::new(NoGateway),
        queue,
        tokens: Arc::new(JwtIssuer::new(config, keys, Arc::new(SystemEntropy))),
        events: Arc::new(Telemetry),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    change(&mut ports);
    let vault = Vault::new(&[(KeyId(1), &[7; 32])], KeyId(1)).unwrap();
    let state = AppState {
        auth: Arc::new(Auth::new(ports, policy(), vault)),
        trusted_proxies: TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]),
        background: Background::new(tokio::runtime::Handle::current()),
        short_contract: true,
        docs: true,
        serving: Arc::default(),
        ending: Ending::default(),
    };
    (state, jobs)
}

/// The public routes, as a client sees them.
struct World<S> {
    service: S,
    _jobs: Jobs,
}

/// What came back.
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// Status and problem code.
    fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.headers.get("content-type").unwrap(),
            "application/problem+json"
        );
        (
            self.status,
            self.json()["code"].as_str().unwrap().to_owned(),
        )
    }
}

async fn world(
    change: impl FnOnce(&mut AppState),
) -> World<impl Service<actix_http::Request, Response = ServiceResponse, Error = Error>> {
    world_over(|_| {}, change).await
}

async fn world_over(
    ports: impl FnOnce(&mut Ports),
    change: impl FnOnce(&mut AppState),
) -> World<impl Service<actix_http::Request, Response = ServiceResponse, Error = Error>> {
    let (mut state, jobs) = state(ports);
    change(&mut state);
    let pages = |config: &mut web::ServiceConfig| {
        config.service(super::observe::resource("/home").route(web::get().to(|| async { "page" })));
    };
    let routes = public_routes(state, pages);
    let service = init_service(app(RequestIds::new(&SystemEntropy), routes)).await;
    World {
        service,
        _jobs: jobs,
    }
}

impl<S: Service<actix_http::Request, Response = ServiceResponse, Error = Error>> World<S> {
    async fn send(&self, request: TestRequest) -> Answer {
        let request = request
            .peer_addr("192.0.2.1:4711".parse().unwrap())
            .to_request();
        let answer = self.service.call(request).await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = to_bytes(answer.into_body().boxed()).await.unwrap();
        Answer {
            status,
            headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(TestRequest::post().uri(path).set_json(body))
            .await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(TestRequest::get().uri(path)).await
    }

    async fn with_token(&self, method: &str, path: &str, token: &str) -> Answer {
        let method = method.parse().unwrap();
        let request = TestRequest::with_uri(path).method(method);
        self.send(request.insert_header(("authorization", format!("Bearer {token}"))))
            .await
    }
}
