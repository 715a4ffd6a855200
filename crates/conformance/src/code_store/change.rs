use std::time::Duration;

use domain::code::{Delivery, DeliveryStatus, PhoneCode};
use domain::ports::CodeStore;

use super::{get, put};
use crate::sample::{self, NOW};

/// `begin_attempt` returns the code with this attempt counted, and keeps it so.
pub async fn attempts_are_counted_one_by_one(store: &dyn CodeStore) {
    let (code, other) = (sample::phone_code(), sample::phone_code());
    put(store, &code).await;
    put(store, &other).await;
    for attempts in 1..=7 {
        let counted = PhoneCode {
            attempts,
            ..code.clone()
        };
        assert_eq!(
            store.begin_attempt(code.id).await.unwrap(),
            Some(counted.clone())
        );
        assert_eq!(get(store, code.id).await, counted);
    }
    assert_eq!(
        get(store, other.id).await,
        other,
        "another code was counted"
    );
}

/// The count saturates: the 256th attempt is numbered 255.
pub async fn attempts_stop_at_255(store: &dyn CodeStore) {
    let code = PhoneCode {
        attempts: 254,
        ..sample::phone_code()
    };
    put(store, &code).await;
    for _ in 0..3 {
        assert_eq!(
            store
                .begin_attempt(code.id)
                .await
                .unwrap()
                .unwrap()
                .attempts,
            255
        );
    }
    assert_eq!(get(store, code.id).await.attempts, 255);
}

/// The store does not judge: it counts and returns a code that is used or has no tries left.
pub async fn a_used_or_exhausted_code_still_counts_attempts(store: &dyn CodeStore) {
    let code = PhoneCode {
        tries: 1,
        attempts: 1,
        ..sample::phone_code()
    };
    put(store, &code).await;
    assert!(store.consume(code.id).await.unwrap());
    let counted = store.begin_attempt(code.id).await.unwrap();
    assert_eq!(
        counted,
        Some(PhoneCode {
            attempts: 2,
            consumed: true,
            ..code
        })
    );
}

/// `release_attempt` takes back one attempt, never below zero.
pub async fn a_released_attempt_is_taken_back(store: &dyn CodeStore) {
    let code = PhoneCode {
        attempts: 2,
        ..sample::phone_code()
    };
    put(store, &code).await;
    for left in [1, 0, 0] {
        store.release_attempt(code.id).await.unwrap();
        assert_eq!(
            get(store, code.id).await,
            PhoneCode {
                attempts: left,
                ..code.clone()
            }
        );
    }
}

/// `consume` says `true` once, and marks the code.
pub async fn a_code_is_consumed_once(store: &dyn CodeStore) {
    let code = sample::phone_code();
    put(store, &code).await;
    assert!(store.consume(code.id).await.unwrap());
    assert!(!store.consume(code.id).await.unwrap());
    assert_eq!(
        get(store, code.id).await,
        PhoneCode {
            consumed: true,
            ..code
        }
    );
}

/// `set_delivery` takes exactly what [`Delivery::yields_to`] allows, and says so.
pub async fn a_delivery_only_moves_forward(store: &dyn CodeStore) {
    use DeliveryStatus::{Delivered, Failed, Queued, Sent};
    let outcomes = |send| {
        [Queued, Sent, Delivered, Failed].map(|status| Delivery {
            send,
            status,
            queued_at: NOW + Duration::from_secs(u64::from(send)),
        })
    };
    let deliveries: Vec<Delivery> = (1..=3).flat_map(outcomes).collect();
    for held in &deliveries {
        for newer in &deliveries {
            let code = PhoneCode {
                delivery: *held,
                ..sample::phone_code()
            };
            put(store, &code).await;
            let taken = store.set_delivery(code.id, *newer).await.unwrap();
            let expected = if held.yields_to(newer) { newer } else { held };
            assert_eq!(taken, held.yields_to(newer), "{held:?} then {newer:?}");
            assert_eq!(
                get(store, code.id).await,
                PhoneCode {
                    delivery: *expected,
                    ..code
                }
            );
        }
    }
}
