//! I10: a canary phone, code, token and key appear nowhere but where they belong.

mod kept;
mod life;

use std::fs;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use domain::message::SmsMessage;
use domain::ports::{Receipt, SmsError, SmsSender};
use tests_support::app::{Setup, Store};
use tests_support::process::Installation;

use self::kept::Kept;
use self::life::a_whole_life;

const PHONE: &str = "+8615698765432";
const NATIONAL: &str = "15698765432";
const OTHER_PHONE: &str = "+8613787654321";

/// What may appear nowhere, each under a name that tells where it came from. A byte is a character,
/// for texts are searched fast.
#[derive(Default)]
struct Canaries(Vec<(&'static str, String)>);

fn characters(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

impl Canaries {
    fn add(&mut self, name: &'static str, secret: impl AsRef<[u8]>) {
        let secret = secret.as_ref();
        assert!(
            secret.len() >= 10,
            "{name} is too short to be told from chance"
        );
        self.0.push((name, characters(secret)));
        // As PostgreSQL writes bytes.
        self.0.push((name, HEXLOWER.encode(secret)));
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
        self.add(name, format!("{tail:?}").trim_matches(['[', ']']));
    }

    #[track_caller]
    fn are_not_in(&self, place: &str, bytes: &[u8]) {
        let text = characters(bytes);
        for (name, secret) in &self.0 {
            if let Some((before, after)) = text.split_once(secret) {
                let before: String = before.chars().rev().take(100).collect();
                let before: String = before.chars().rev().collect();
                let after: String = after.chars().take(100).collect();
                panic!("{name} is in {place}, between {before:?} and {after:?}");
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

async fn is_kept_by_a_service_that_logs_everything(store: Store, format: &str) {
    let kept = Kept::on(store);
    let installation = kept
        .installation()
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
    for command in [&["config"][..], &["check"], &["keys", "list"], &["migrate"]] {
        let said = installation.run(command);
        assert_eq!(said.status, 0, "{said:?}");
        canaries.are_not_in(command[0], said.out.as_bytes());
        canaries.are_not_in(command[0], said.err.as_bytes());
    }
    for (place, bytes) in kept.all(&installation) {
        canaries.are_not_in(&place, &bytes);
    }
}

#[tokio::test]
async fn no_secret_leaves_a_service_that_logs_everything_as_text() {
    is_kept_by_a_service_that_logs_everything(Store::Sqlite, "text").await;
}

#[tokio::test]
async fn no_secret_leaves_a_service_that_logs_everything_as_json() {
    is_kept_by_a_service_that_logs_everything(Store::Sqlite, "json").await;
}

#[tokio::test]
async fn no_secret_reaches_postgres() {
    is_kept_by_a_service_that_logs_everything(Store::Postgres, "text").await;
}

#[tokio::test]
async fn no_secret_reaches_redis_or_postgres_beside_it() {
    is_kept_by_a_service_that_logs_everything(Store::Redis, "text").await;
}

#[tokio::test]
async fn no_secret_is_in_a_database_that_is_killed() {
    let kept = Kept::on(Store::Sqlite);
    let installation = kept.installation().set("code.length", "10");
    let service = installation.serve().await;
    let mut canaries = Canaries::default();
    phones(&mut canaries);
    keys(&mut canaries, &installation);
    a_whole_life(&service, &mut canaries).await;
    // The log that is written ahead is still there, whole.
    service.kill();
    let all = kept.all(&installation);
    assert!(all.iter().any(|(place, _)| place.ends_with("-wal")));
    for (place, bytes) in all {
        canaries.are_not_in(&place, &bytes);
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
