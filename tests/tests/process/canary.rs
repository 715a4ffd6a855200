//! I10: a canary phone, code, token and key appear nowhere but where they belong.

use std::fs;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use domain::message::SmsMessage;
use domain::ports::{Receipt, SmsError, SmsSender};
use serde_json::json;
use tests_support::app::{Setup, SignedIn, Store, wrong};
use tests_support::http::Answer;
use tests_support::process::{Installation, Service};

const PHONE: &str = "+8615698765432";
const NATIONAL: &str = "15698765432";
const OTHER_PHONE: &str = "+8613787654321";

/// What may appear nowhere, each under a name that tells where it came from.
#[derive(Default)]
struct Canaries(Vec<(&'static str, Vec<u8>)>);

impl Canaries {
    fn add(&mut self, name: &'static str, secret: impl AsRef<[u8]>) {
        let secret = secret.as_ref();
        assert!(
            secret.len() >= 10,
            "{name} is too short to be told from chance"
        );
        self.0.push((name, secret.to_owned()));
    }

    /// A token, and the bytes that it spells.
    fn add_token(&mut self, name: &'static str, token: &str) {
        self.add(name, token);
        self.add(name, &token[token.len() - 30..]);
        if let Ok(bytes) = BASE64URL_NOPAD.decode(token.as_bytes()) {
            self.add(name, &bytes[16..]);
        }
    }

    /// A key as bytes, and in every spelling that something might print it in.
    fn add_key(&mut self, name: &'static str, base64: &str) {
        let bytes = BASE64.decode(base64.as_bytes()).unwrap();
        let tail = &bytes[bytes.len() - 24..];
        self.add(name, tail);
        self.add(name, base64);
        self.add(name, BASE64URL_NOPAD.encode(tail));
        self.add(name, HEXLOWER.encode(tail));
        self.add(name, format!("{tail:?}").trim_matches(['[', ']']));
    }

    #[track_caller]
    fn are_not_in(&self, place: &str, bytes: &[u8]) {
        for (name, secret) in &self.0 {
            let found = bytes.windows(secret.len()).position(|part| part == secret);
            if let Some(at) = found {
                let around = &bytes[at.saturating_sub(100)..(at + 100).min(bytes.len())];
                panic!("{name} is in {place}: {}", String::from_utf8_lossy(around));
            }
        }
    }
}

/// The canary phone in the spellings it was given in, and as others write it.
fn phones(canaries: &mut Canaries) {
    canaries.add("the phone", NATIONAL);
    canaries.add("the phone, spaced", "156 9876 5432");
    canaries.add("the phone, dashed", "156-9876-5432");
    canaries.add("the phone less its end", "+861569876");
    canaries.add("the phone's end", "5698765432");
    canaries.add("the other phone", &OTHER_PHONE[3..]);
}

fn keys(canaries: &mut Canaries, installation: &Installation) {
    let ring = fs::read_to_string(installation.data().join("keys.toml")).unwrap();
    let ring: toml::Table = ring.parse().unwrap();
    let keys = ring["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        canaries.add_key("a key", key["secret"].as_str().unwrap());
    }
}

/// Everything a client does, right and wrong; gives the answers that went wrong.
async fn a_whole_life(service: &Service, canaries: &mut Canaries) -> Vec<Answer> {
    let mut errors = Vec::new();
    let asked = service.ask("+86 156 9876 5432").await;
    let id = asked["id"].as_str().unwrap();
    let digits = service.digits(PHONE, 1).await;
    canaries.add("the code", &digits);
    let enter = |code: &str| {
        let body = json!({ "phone_code_id": id, "code": code });
        service.post("/v1/sessions").json(body)
    };
    errors.push(
        service
            .post("/v1/phone-codes")
            .json(json!({ "phone": "156-9876-5432" }))
            .await,
    );
    errors.push(service.post(&format!("/v1/phone-codes/{id}/resend")).await);
    errors.push(enter(&wrong(&digits)).await);
    errors.push(enter(&format!("{digits}0")).await);
    let signed_in = SignedIn::from(enter(&digits).await.ok(201));
    errors.push(enter(&digits).await);
    canaries.add_token("an access token", &signed_in.access);
    canaries.add_token("a refresh token", &signed_in.refresh);
    for path in [
        "/v1/users/me",
        "/v1/sessions",
        "/v1/sessions/current",
        "/home",
    ] {
        let answer = service.get(path).bearer(&signed_in.access).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    let refresh = |token: &str| {
        let body = json!({ "refresh_token": token });
        service.post("/v1/sessions/refresh").json(body)
    };
    let renewed = SignedIn::from(refresh(&signed_in.refresh).await.ok(200));
    canaries.add_token("a second access token", &renewed.access);
    canaries.add_token("a second refresh token", &renewed.refresh);
    errors.push(refresh(&signed_in.refresh).await);
    errors.push(service.get("/v1/users/me").bearer(&renewed.access).await);
    errors.extend(misplaced(service, &digits, &renewed).await);
    in_a_browser(service, canaries).await;
    errors
}

/// A sign-in over the pages, whose cookies hold secrets too.
async fn in_a_browser(service: &Service, canaries: &mut Canaries) {
    let post = |path: &str, form: &str, cookie: &str| {
        let call = service.post(path).header("cookie", cookie);
        let call = call.header("origin", "http://localhost:8080");
        call.body("application/x-www-form-urlencoded", form)
    };
    let asked = post("/login", &format!("phone={}", &OTHER_PHONE[3..]), "").await;
    let digits = service.digits(OTHER_PHONE, 1).await;
    canaries.add("the code of the pages", &digits);
    let cookie = |answer: &Answer, name: &str| {
        let set = answer.header_values("set-cookie");
        let found = set.filter_map(|cookie| cookie.split(';').next());
        found
            .filter(|pair| pair.starts_with(name))
            .collect::<String>()
    };
    let under_way = cookie(&asked, "sign-in=");
    canaries.add("a cookie under way", &under_way["sign-in=".len()..]);
    post(
        "/login/verify",
        &format!("code={}", wrong(&digits)),
        &under_way,
    )
    .await;
    let verified = post("/login/verify", &format!("code={digits}"), &under_way).await;
    let session = cookie(&verified, "session=");
    canaries.add_token("a session cookie", &session["session=".len()..]);
    let home = service.get("/home").header("cookie", &session).await;
    assert!(home.text().contains(OTHER_PHONE), "{}", home.text());
    post("/logout", "", &session).await;
}

/// The same secrets where they do not belong.
async fn misplaced(service: &Service, digits: &str, tokens: &SignedIn) -> Vec<Answer> {
    let post = |body: String| service.post("/v1/sessions").body("application/json", body);
    let calls = [
        service.get(&format!("/v1/phone-codes/{PHONE}")),
        service.get(&format!("/v1/phone-codes?phone={NATIONAL}&code={digits}")),
        service.get(&format!("/{NATIONAL}/{}", tokens.access)),
        service
            .delete(&format!("/v1/sessions/{}", tokens.refresh))
            .bearer(&tokens.refresh),
        service
            .get("/v1/users/me")
            .header("authorization", &format!("Basic {}", tokens.access)),
        service
            .get("/v1/users/me")
            .header("x-request-id", &format!("{PHONE} {digits}")),
        post(format!("{{\"{NATIONAL}\":\"{digits}\"}}")),
        post(format!(
            "{{\"phone_code_id\":\"{NATIONAL}\",\"code\":{digits}}}"
        )),
        post(format!(
            "{{\"phone_code_id\":\"{PHONE}\",\"code\":\"{digits}\"}}"
        )),
        post(format!("{NATIONAL}{digits}{}", tokens.access)),
        service
            .post("/auth/phone_code")
            .json(json!({ "phone": PHONE, "code": digits })),
        service
            .post("/auth/phone_code/send")
            .json(json!({ "phone": NATIONAL })),
    ];
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await);
    }
    answers
}

async fn is_kept_by_a_service_that_logs_everything(format: &str) {
    let installation = Installation::new()
        .set("log.level", "trace")
        .set("log.format", format)
        .set("code.length", "10");
    let service = installation.serve().await;
    let mut canaries = Canaries::default();
    phones(&mut canaries);
    keys(&mut canaries, &installation);
    let errors = a_whole_life(&service, &mut canaries).await;
    for answer in &errors {
        let is_error = answer.status >= 400 || answer.json()["code"] != 0;
        assert!(is_error, "{}", answer.text());
        canaries.are_not_in("an error", &answer.body);
    }
    let metrics = service.get_ops("/metrics").await;
    canaries.are_not_in("the metrics", &metrics.body);
    canaries.are_not_in("the readiness", &service.get_ops("/readyz").await.body);
    service.terminate();
    let (_, log) = service.ended().await;
    assert!(log.contains("TRACE"), "it logs everything");
    assert!(log.contains("signed in"), "it logs at all");
    canaries.are_not_in("the log", log.as_bytes());
    for file in ["phone-auth.db", "phone-auth.db-wal"] {
        if let Ok(bytes) = fs::read(installation.data().join(file)) {
            assert!(!bytes.is_empty() || file.ends_with("wal"));
            canaries.are_not_in(file, &bytes);
        }
    }
    for command in [&["config"][..], &["check"], &["keys", "list"], &["migrate"]] {
        let said = installation.run(command);
        assert_eq!(said.status, 0, "{said:?}");
        canaries.are_not_in(command[0], said.out.as_bytes());
        canaries.are_not_in(command[0], said.err.as_bytes());
    }
}

#[tokio::test]
async fn no_secret_leaves_a_service_that_logs_everything_as_text() {
    is_kept_by_a_service_that_logs_everything("text").await;
}

#[tokio::test]
async fn no_secret_leaves_a_service_that_logs_everything_as_json() {
    is_kept_by_a_service_that_logs_everything("json").await;
}

#[tokio::test]
async fn no_secret_is_in_a_database_that_is_killed() {
    let installation = Installation::new().set("code.length", "10");
    let service = installation.serve().await;
    let mut canaries = Canaries::default();
    phones(&mut canaries);
    keys(&mut canaries, &installation);
    a_whole_life(&service, &mut canaries).await;
    // The log that is written ahead is still there, whole.
    service.kill();
    for file in ["phone-auth.db", "phone-auth.db-wal"] {
        let bytes = fs::read(installation.data().join(file)).unwrap();
        assert!(!bytes.is_empty());
        canaries.are_not_in(file, &bytes);
    }
}

/// A gateway with a bug: it panics with all it was given.
#[derive(Default)]
struct Talkative(Mutex<Vec<String>>);

#[async_trait]
impl SmsSender for Talkative {
    async fn send(&self, message: &SmsMessage) -> Result<Receipt, SmsError> {
        self.0
            .lock()
            .unwrap()
            .push(message.code.expose().to_owned());
        panic!(
            "cannot send {message:?} to {:?}: {:?}",
            message.to, message.code
        );
    }

    async fn health(&self) -> Result<(), SmsError> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_in_the_message_of_a_panic() {
    let said = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&said);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        heard.lock().unwrap().push_str(&panic.to_string());
        usual(panic);
    }));
    let talkative = Arc::new(Talkative::default());
    let sms = Arc::clone(&talkative);
    let setup = Setup::on(Store::Memory).set("code.length", "10");
    let app = setup.parts(|parts| parts.sms(sms)).start().await;
    let asked = app.ask(PHONE).await.ok(202);
    assert_eq!(app.delivery(asked["id"].as_str().unwrap()).await, "failed");
    let mut canaries = Canaries::default();
    phones(&mut canaries);
    canaries.add("the code", &talkative.0.lock().unwrap()[0]);
    let said = said.lock().unwrap();
    assert!(said.contains("cannot send"), "{said}");
    canaries.are_not_in("the panic", said.as_bytes());
}
