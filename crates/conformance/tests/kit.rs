//! The kit itself: it runs with any executor, names what is broken, and forgets no law.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use adapter_memory::{MemoryCodeStore, MemoryRateLimiter, MemorySessionStore, MemoryUserRepo};
use async_trait::async_trait;
use conformance::{
    Broken, Spawn, check, code_store, durability, rate_limiter, session_store, user_repo,
};
use domain::id::UserId;
use domain::ports::{MockRateLimiter, StoreError, UserRepo};
use domain::user::{NewUser, User};
use domain::vault::{PhoneIndex, SealedPhone};
use futures_executor::block_on;

/// An executor without tokio: a thread for each task.
const THREADS: Spawn = |task| drop(thread::spawn(|| block_on(task)));

#[test]
fn the_laws_run_without_tokio() -> Result<(), Broken> {
    block_on(async {
        code_store::all(Arc::new(MemoryCodeStore::new()), THREADS).await?;
        user_repo::all(Arc::new(MemoryUserRepo::new()), THREADS).await?;
        session_store::all(Arc::new(MemorySessionStore::new()), THREADS).await?;
        rate_limiter::all(Arc::new(MemoryRateLimiter::new()), THREADS).await
    })
}

/// What is wrong with a deletion.
enum Flaw {
    /// It says that it deleted whoever it was asked to.
    Obliging,
    /// It looks, and goes about something else before it deletes.
    Hasty,
    /// It does not answer that many times.
    Mute(AtomicUsize),
}

struct Flawed(MemoryUserRepo, Flaw);

#[async_trait]
impl UserRepo for Flawed {
    async fn find(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.0.find(id).await
    }

    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Option<User>, StoreError> {
        self.0.find_by_phone(indexes).await
    }

    async fn find_or_create(&self, new: &NewUser) -> Result<(User, bool), StoreError> {
        self.0.find_or_create(new).await
    }

    async fn reseal(&self, id: UserId, phone: &SealedPhone) -> Result<bool, StoreError> {
        self.0.reseal(id, phone).await
    }

    async fn delete(&self, id: UserId) -> Result<bool, StoreError> {
        let known = self.0.find(id).await?.is_some();
        if let Flaw::Mute(times) = &self.1 {
            let fewer = |times: usize| times.checked_sub(1);
            if times.fetch_update(SeqCst, SeqCst, fewer).is_ok() {
                return down();
            }
        }
        if matches!(self.1, Flaw::Hasty) {
            tokio::task::yield_now().await;
        }
        self.0.delete(id).await?;
        Ok(known || matches!(self.1, Flaw::Obliging))
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[test]
fn a_broken_law_is_named() {
    let repo = Arc::new(Flawed(MemoryUserRepo::new(), Flaw::Obliging));
    let broken = block_on(user_repo::all(repo, THREADS)).unwrap_err();
    assert_eq!(broken.law, "user_repo::an_unknown_user_is_not_found");
    assert!(broken.why.contains("delete"), "{broken}");
}

#[test]
fn a_wrong_history_is_cut_down_to_what_matters() {
    let repo = Arc::new(Flawed(MemoryUserRepo::new(), Flaw::Obliging));
    let law = user_repo::any_history_is_as_the_model_says(repo, THREADS);
    let why = block_on(check("history", law)).unwrap_err().why;
    assert!(why.starts_with("HISTORY_SEED="), "{why}");
    assert!(why.ends_with("The model says:\n  Flag(false)"), "{why}");
    assert_eq!(why.matches("Delete").count(), 1, "{why}");
    assert_eq!(why.lines().count(), 5, "{why}");
}

#[tokio::test]
async fn calls_that_have_no_order_are_told() {
    let repo = Arc::new(Flawed(MemoryUserRepo::new(), Flaw::Hasty));
    let law = user_repo::any_race_has_an_order(repo.clone(), |task| drop(tokio::spawn(task)));
    let why = check("race", law).await.unwrap_err().why;
    assert!(why.starts_with("HISTORY_SEED="), "{why}");
    let law = user_repo::any_history_is_as_the_model_says(repo, THREADS);
    assert!(check("history", law).await.is_ok(), "nobody comes between");
}

#[test]
fn histories_are_played_again_if_the_store_cannot_answer_for_a_moment() {
    let check = |times| {
        let repo = Flawed(MemoryUserRepo::new(), Flaw::Mute(AtomicUsize::new(times)));
        let law = user_repo::any_history_is_as_the_model_says(Arc::new(repo), THREADS);
        block_on(check("history", law))
    };
    assert!(check(1).is_ok());
    let why = check(usize::MAX).unwrap_err().why;
    assert!(why.contains("connection refused"), "{why}");
    assert!(why.ends_with("did not answer every call."), "{why}");
}

fn down<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable("connection refused"))
}

#[test]
fn a_limiter_that_is_down_is_told_from_one_that_admits() {
    let mut limiter = MockRateLimiter::new();
    limiter.expect_acquire().returning(|_, _| down());
    limiter.expect_refund().returning(|_, _| down());
    limiter.expect_clear().returning(|_| down());
    limiter.expect_health().returning(down);
    let law = rate_limiter::a_limiter_that_is_down_admits_nothing;
    assert!(block_on(check("down", law(&limiter))).is_ok());
    assert!(block_on(check("down", law(&MemoryRateLimiter::new()))).is_err());
}

#[test]
fn what_is_gone_after_reopening_is_not_durable() {
    block_on(async {
        let codes = durability::codes_survive_reopening(async || MemoryCodeStore::new());
        assert!(check("codes", codes).await.is_err());
        let users = durability::users_survive_reopening(async || MemoryUserRepo::new());
        assert!(check("users", users).await.is_err());
        let sessions = durability::sessions_survive_reopening(async || MemorySessionStore::new());
        assert!(check("sessions", sessions).await.is_err());
        let counters = durability::counters_survive_reopening(async || MemoryRateLimiter::new());
        assert!(check("counters", counters).await.is_err());
    });
}

/// Laws that need more than one working store.
const ON_THEIR_OWN: [&str; 3] = [
    "a_limiter_that_is_down_admits_nothing",
    "a_token_outlives_its_key",
    "a_strangers_token_is_rejected",
];

#[test]
fn every_law_of_a_port_is_on_its_list() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let ports = [
        "code_store",
        "user_repo",
        "session_store",
        "rate_limiter",
        "sms_sender",
        "token_issuer",
    ];
    for port in ports {
        let root = fs::read_to_string(src.join(port).with_extension("rs")).unwrap();
        let parts = fs::read_dir(src.join(port)).into_iter().flatten();
        let parts = parts.map(|part| fs::read_to_string(part.unwrap().path()).unwrap());
        let text: String = std::iter::once(root.clone()).chain(parts).collect();
        let laws = text.split("\npub async fn ").skip(1);
        let laws = laws.map(|law| law.split('(').next().unwrap());
        let (_, list) = root.split_once("laws: [").unwrap();
        let listed: Vec<&str> = list.split([',', '[', ' ', '\n']).collect();
        let missing: Vec<&str> = laws
            .filter(|law| *law != "all" && !ON_THEIR_OWN.contains(law))
            .filter(|law| !listed.contains(law))
            .collect();
        assert!(missing.is_empty(), "{port} does not list {missing:?}");
    }
}
