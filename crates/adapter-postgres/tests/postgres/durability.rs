//! What was acknowledged is on the server's disk.

use std::slice::from_ref;
use std::sync::Arc;

use adapter_postgres::Postgres;
use conformance::{durability, sample};
use domain::id::{PhoneCodeId, SessionId, UserId};
use domain::ports::{CodeStore, Inserted, RateLimiter, SessionStore, StoreError, UserRepo};
use domain::rate_limit::{Charge, Decision};
use parking_lot::Mutex;
use servers::psql;
use tokio::task::JoinSet;

use crate::support::{open, own_server, settings, until};

#[tokio::test]
async fn everything_is_there_for_who_opens_it_next() {
    let url = servers::Postgres::shared().database();
    let reopen = async || Postgres::open(&settings(&url)).await.unwrap();
    durability::codes_survive_reopening(reopen).await;
    durability::users_survive_reopening(reopen).await;
    durability::sessions_survive_reopening(reopen).await;
    durability::counters_survive_reopening(reopen).await;
}

#[tokio::test]
async fn a_server_that_does_not_wait_for_its_disk_is_known() {
    let server = servers::Postgres::start_with(&["fsync = on"]);
    let keeps = async || open(server.url()).await.keeps_commits().await.unwrap();
    assert!(keeps().await);
    for (setting, kept) in [("remote_write", true), ("local", true), ("off", false)] {
        let set = format!("ALTER ROLE phone_auth SET synchronous_commit = {setting}");
        psql(server.url(), &set);
        assert_eq!(keeps().await, kept, "{setting}");
    }
    let without_fsync = own_server().database();
    assert!(!open(&without_fsync).await.keeps_commits().await.unwrap());
}

/// What callers were told.
#[derive(Default)]
struct Told {
    used: Vec<PhoneCodeId>,
    signed_out: Vec<SessionId>,
    users: Vec<UserId>,
    charges: u32,
}

const MOST: u32 = 1_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_that_it_acknowledged() {
    let server = servers::Postgres::start_with(&["fsync = on"]);
    let url = server.database();
    let told = Arc::new(Mutex::new(Told::default()));
    let charge = sample::charge(&[(MOST, 3600)]);
    for round in 1..=2 {
        let store = open(&url).await;
        let mut writers = JoinSet::new();
        for _ in 0..8 {
            let (store, told, charge) = (store.clone(), told.clone(), charge.clone());
            writers.spawn(async move { while write(&store, &told, &charge).await.is_ok() {} });
        }
        until(async || told.lock().charges > 100 * round).await;
        server.kill();
        writers.join_all().await;
        server.restart();
        let told = std::mem::take(&mut *told.lock());
        assert_kept(&*open(&url).await, &told, &charge).await;
    }
}

async fn write(store: &Postgres, told: &Mutex<Told>, charge: &Charge) -> Result<(), StoreError> {
    let (code, user, session) = (sample::phone_code(), sample::new_user(), sample::session());
    assert!(store.put(&code).await?);
    assert!(store.consume(code.id).await?);
    told.lock().used.push(code.id);
    assert!(store.find_or_create(&user).await?.1);
    told.lock().users.push(user.user.id);
    assert_eq!(store.insert(&session, 20).await?, Inserted::Stored);
    assert!(store.revoke(session.id, sample::NOW).await?);
    told.lock().signed_out.push(session.id);
    let decision = store.acquire(from_ref(charge), sample::NOW).await?;
    assert_eq!(decision, Decision::Granted);
    told.lock().charges += 1;
    Ok(())
}

async fn assert_kept(store: &Postgres, told: &Told, charge: &Charge) {
    for id in &told.used {
        let code = CodeStore::get(store, *id).await.unwrap();
        assert!(code.unwrap().consumed, "{id} could be used again");
    }
    for id in &told.users {
        assert!(store.find(*id).await.unwrap().is_some(), "{id} was lost");
    }
    for id in &told.signed_out {
        let session = SessionStore::get(store, *id).await.unwrap();
        assert!(session.unwrap().revoked_at.is_some(), "{id} is signed in");
    }
    let one_too_many = Charge {
        cost: MOST - told.charges + 1,
        ..charge.clone()
    };
    let decision = store.acquire(&[one_too_many], sample::NOW).await.unwrap();
    assert_ne!(decision, Decision::Granted, "charges were lost");
}
