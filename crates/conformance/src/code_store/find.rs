use std::time::Duration;

use domain::code::{DeliveryStatus, PhoneCode};
use domain::ports::CodeStore;

use super::put;
use crate::sample::{self, NOW};

/// `find_by_phone` lists a phone's codes by `created_at`, newest first.
pub async fn codes_of_a_phone_come_newest_first(store: &dyn CodeStore) {
    let phone = sample::sealed_phone();
    let issued = |secs| {
        let created_at = NOW + Duration::from_secs(secs);
        PhoneCode {
            phone: phone.clone(),
            created_at,
            ..sample::phone_code()
        }
    };
    let (first, second, third) = (issued(1), issued(2), issued(3));
    for code in [&second, &third, &first] {
        put(store, code).await;
    }
    assert_eq!(
        store.find_by_phone(&[*phone.index()]).await.unwrap(),
        [third, second, first]
    );
}

/// `find_by_phone` looks under every index it is given, and under no other.
pub async fn a_code_is_found_under_any_index_and_no_other(store: &dyn CodeStore) {
    let older = sample::phone_code();
    let newer = PhoneCode {
        created_at: NOW + Duration::from_secs(1),
        ..sample::phone_code()
    };
    put(store, &older).await;
    put(store, &newer).await;
    let (a, b, none) = (
        *older.phone.index(),
        *newer.phone.index(),
        sample::phone_index(),
    );
    assert_eq!(
        store.find_by_phone(&[a, none, b]).await.unwrap(),
        [newer.clone(), older.clone()]
    );
    assert_eq!(store.find_by_phone(&[none, a]).await.unwrap(), [older]);
    assert_eq!(store.find_by_phone(&[b]).await.unwrap(), [newer]);
    assert_eq!(store.find_by_phone(&[none]).await.unwrap(), []);
    assert_eq!(store.find_by_phone(&[]).await.unwrap(), []);
}

/// `find_by_phone` returns codes with all that happened to them since.
pub async fn a_code_found_by_phone_is_as_it_is_now(store: &dyn CodeStore) {
    let code = sample::phone_code();
    put(store, &code).await;
    let sent = code.delivery.with(DeliveryStatus::Sent);
    assert!(store.begin_attempt(code.id).await.unwrap().is_some());
    assert!(store.set_delivery(code.id, sent).await.unwrap());
    assert!(store.consume(code.id).await.unwrap());
    let index = *code.phone.index();
    let now = PhoneCode {
        attempts: 1,
        consumed: true,
        delivery: sent,
        ..code
    };
    assert_eq!(store.find_by_phone(&[index]).await.unwrap(), [now]);
}
