use std::time::Duration;

use domain::code::PhoneCode;
use domain::ports::CodeStore;
use domain::timestamp::Timestamp;

use super::{get, put};
use crate::sample::{self, NOW};

/// Codes that all expire at the same moment, long before those of other laws, in a store without
/// others that old.
async fn expiring_codes(store: &dyn CodeStore, count: usize) -> (Vec<PhoneCode>, Timestamp) {
    let created_at = NOW - Duration::from_secs(86_400);
    let expires_at = created_at + Duration::from_secs(300);
    while store.sweep(expires_at, 1000).await.unwrap() > 0 {}
    let phone = sample::sealed_phone();
    let codes: Vec<_> = std::iter::repeat_with(|| PhoneCode {
        phone: phone.clone(),
        created_at,
        expires_at,
        ..sample::phone_code()
    })
    .take(count)
    .collect();
    for code in &codes {
        put(store, code).await;
    }
    (codes, expires_at)
}

/// `sweep` removes codes from their expiry on, says how many, and leaves no trace of them.
pub async fn sweep_removes_expired_codes(store: &dyn CodeStore) {
    let (codes, expiry) = expiring_codes(store, 3).await;
    assert_eq!(store.sweep(expiry, 100).await.unwrap(), 3);
    for code in &codes {
        assert_eq!(store.get(code.id).await.unwrap(), None);
        assert_eq!(store.begin_attempt(code.id).await.unwrap(), None);
        assert!(!store.consume(code.id).await.unwrap());
    }
    assert_eq!(
        store
            .find_by_phone(&[*codes[0].phone.index()])
            .await
            .unwrap(),
        []
    );
    assert_eq!(store.sweep(expiry, 100).await.unwrap(), 0);
}

/// A code stays until its expiry, to the millisecond, used or not.
pub async fn sweep_spares_codes_before_their_expiry(store: &dyn CodeStore) {
    let (codes, expiry) = expiring_codes(store, 2).await;
    assert!(store.consume(codes[0].id).await.unwrap());
    assert_eq!(
        store
            .sweep(expiry - Duration::from_millis(1), 100)
            .await
            .unwrap(),
        0
    );
    assert!(get(store, codes[0].id).await.consumed);
    assert_eq!(get(store, codes[1].id).await, codes[1]);
}

/// One `sweep` removes at most `limit` codes.
pub async fn sweep_stops_at_its_limit(store: &dyn CodeStore) {
    let (codes, expiry) = expiring_codes(store, 5).await;
    let index = [*codes[0].phone.index()];
    for (limit, removed, left) in [(0, 0, 5), (2, 2, 3), (2, 2, 1), (2, 1, 0)] {
        assert_eq!(store.sweep(expiry, limit).await.unwrap(), removed);
        assert_eq!(store.find_by_phone(&index).await.unwrap().len(), left);
    }
}
