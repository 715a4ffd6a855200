//! The laws of an adapter that calls itself durable: what a store acknowledged is there after it
//! was closed and opened again.
//!
//! Each law takes a closure that opens one and the same store: `async || MyStore::open(path)`. The
//! law drops what it got before it asks again.

use std::time::Duration;

use domain::code::{DeliveryStatus, PhoneCode};
use domain::ports::{CodeStore, Inserted, RateLimiter, Rotation, SessionStore, UserRepo};
use domain::rate_limit::Decision;
use domain::session::UserSession;
use domain::user::User;

use crate::sample::{self, NOW};

/// Codes, and all that happened to them.
pub async fn codes_survive_reopening<S: CodeStore>(open: impl AsyncFn() -> S) {
    let [fresh, tried] = [(); 2].map(|()| sample::phone_code());
    let sent = tried.delivery.with(DeliveryStatus::Sent);
    let store = open().await;
    assert!(store.put(&fresh).await.unwrap());
    assert!(store.put(&tried).await.unwrap());
    store.begin_attempt(tried.id).await.unwrap();
    store.begin_attempt(tried.id).await.unwrap();
    store.release_attempt(tried.id).await.unwrap();
    assert!(store.set_delivery(tried.id, sent).await.unwrap());
    assert!(store.consume(tried.id).await.unwrap());
    drop(store);

    let store = open().await;
    let used = PhoneCode {
        attempts: 1,
        consumed: true,
        delivery: sent,
        ..tried
    };
    assert_eq!(store.get(fresh.id).await.unwrap(), Some(fresh.clone()));
    assert_eq!(store.get(used.id).await.unwrap(), Some(used.clone()));
    assert_eq!(
        store.find_by_phone(&[*fresh.phone.index()]).await.unwrap(),
        [fresh]
    );
    assert!(
        !store.consume(used.id).await.unwrap(),
        "the code could be used again"
    );
    assert!(!store.put(&used).await.unwrap());
}

/// Users: made, resealed and deleted.
pub async fn users_survive_reopening<S: UserRepo>(open: impl AsyncFn() -> S) {
    let [kept, moved, gone] = [(); 3].map(|()| sample::new_user());
    let phone = sample::sealed_phone();
    let repo = open().await;
    for new in [&kept, &moved, &gone] {
        assert!(repo.find_or_create(new).await.unwrap().1);
    }
    assert!(repo.reseal(moved.user.id, &phone).await.unwrap());
    assert!(repo.delete(gone.user.id).await.unwrap());
    drop(repo);

    let repo = open().await;
    assert_eq!(
        repo.find_or_create(&kept).await.unwrap(),
        (kept.user, false)
    );
    let now = User {
        phone: phone.clone(),
        ..moved.user.clone()
    };
    assert_eq!(
        repo.find_by_phone(&[*phone.index()]).await.unwrap(),
        Some(now)
    );
    assert_eq!(
        repo.find_by_phone(&[*moved.user.phone.index()])
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        repo.find(gone.user.id).await.unwrap(),
        None,
        "a deleted user came back"
    );
}

/// Sessions: made, refreshed and revoked.
pub async fn sessions_survive_reopening<S: SessionStore>(open: impl AsyncFn() -> S) {
    let [plain, refreshed, revoked, all] = [(); 4].map(|()| sample::session());
    let renewal = sample::renewal(NOW + Duration::from_secs(10));
    let old_token = refreshed.refresh.unwrap();
    let store = open().await;
    for session in [&plain, &refreshed, &revoked, &all] {
        assert_eq!(store.insert(session, 20).await.unwrap(), Inserted::Stored);
    }
    let rotation = store
        .rotate(refreshed.id, old_token, &renewal)
        .await
        .unwrap();
    assert!(matches!(rotation, Rotation::Rotated(_)));
    assert!(store.revoke(revoked.id, NOW).await.unwrap());
    assert_eq!(store.revoke_all(all.user, NOW).await.unwrap(), 1);
    drop(store);

    let store = open().await;
    assert_eq!(store.get(plain.id).await.unwrap(), Some(plain));
    for ended in [&revoked, &all] {
        let signed_out = UserSession {
            revoked_at: Some(NOW),
            ..ended.clone()
        };
        assert_eq!(
            store.get(ended.id).await.unwrap(),
            Some(signed_out),
            "a sign-out was lost"
        );
    }
    let second = UserSession {
        code: revoked.code,
        ..sample::session()
    };
    assert_eq!(
        store.insert(&second, 20).await.unwrap(),
        Inserted::CodeAlreadyUsed
    );
    let next = sample::renewal(NOW + Duration::from_secs(20));
    let rotation = store
        .rotate(refreshed.id, renewal.refresh, &next)
        .await
        .unwrap();
    assert!(
        matches!(rotation, Rotation::Rotated(_)),
        "the token that works was lost"
    );
    assert_eq!(
        store.rotate(refreshed.id, old_token, &next).await.unwrap(),
        Rotation::Reused
    );
}

/// Counters: charged, refunded and cleared.
pub async fn counters_survive_reopening<S: RateLimiter>(open: impl AsyncFn() -> S) {
    let [full, refunded, cleared] = [(); 3].map(|()| sample::charge(&[(1, 3600)]));
    let charges = [full.clone(), refunded.clone(), cleared.clone()];
    let limiter = open().await;
    assert_eq!(
        limiter.acquire(&charges, NOW).await.unwrap(),
        Decision::Granted
    );
    limiter
        .refund(std::slice::from_ref(&refunded), NOW)
        .await
        .unwrap();
    limiter.clear(&[cleared.key]).await.unwrap();
    drop(limiter);

    let limiter = open().await;
    let decision = limiter
        .acquire(std::slice::from_ref(&full), NOW)
        .await
        .unwrap();
    let retry_after = Duration::from_secs(3600);
    assert_eq!(
        decision,
        Decision::Denied {
            scope: full.scope,
            retry_after
        }
    );
    assert_eq!(
        limiter.acquire(&[refunded, cleared], NOW).await.unwrap(),
        Decision::Granted
    );
}
