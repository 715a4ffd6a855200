use std::collections::BTreeSet;
use std::slice::from_ref;
use std::sync::Arc;

use domain::code::{Delivery, DeliveryStatus, PhoneCode};
use domain::id::PhoneCodeId;
use domain::ports::CodeStore;

use super::{get, put};
use crate::Spawn;
use crate::race::{CONTESTANTS, ROUNDS, race};
use crate::sample;

/// A code for each round, alike but for the id.
async fn put_many(store: &dyn CodeStore, sample: &PhoneCode) -> Arc<[PhoneCodeId]> {
    let mut ids = Vec::new();
    for _ in 0..ROUNDS {
        let id = sample::phone_code().id;
        put(
            store,
            &PhoneCode {
                id,
                ..sample.clone()
            },
        )
        .await;
        ids.push(id);
    }
    ids.into()
}

/// Of many codes put under one id at once, one is kept: the one whose `put` said `true`.
pub async fn one_of_many_puts_wins(store: Arc<dyn CodeStore>, spawn: Spawn) {
    let ids: Arc<[_]> = (0..ROUNDS).map(|_| sample::phone_code().id).collect();
    let shared = store.clone();
    let rounds = race(spawn, move |_, round| {
        let (store, id) = (shared.clone(), ids[round]);
        let code = PhoneCode {
            id,
            ..sample::phone_code()
        };
        async move { (store.put(&code).await.unwrap(), code) }
    });
    for answers in rounds.await {
        let winners: Vec<_> = answers.iter().filter(|(kept, _)| *kept).collect();
        assert_eq!(winners.len(), 1, "one code is kept");
        let code = &winners[0].1;
        assert_eq!(get(&*store, code.id).await, *code);
        let found = store.find_by_phone(&[*code.phone.index()]).await.unwrap();
        assert_eq!(found.as_slice(), from_ref(code));
    }
}

/// No two attempts of one code have one number, and none is skipped.
pub async fn parallel_attempts_see_different_numbers(store: Arc<dyn CodeStore>, spawn: Spawn) {
    let ids = put_many(&*store, &sample::phone_code()).await;
    let rounds = race(spawn, move |_, round| {
        let (store, id) = (store.clone(), ids[round]);
        async move { store.begin_attempt(id).await.unwrap().unwrap().attempts }
    });
    let expected: BTreeSet<u8> = (1..=CONTESTANTS as u8).collect();
    for numbers in rounds.await {
        assert_eq!(BTreeSet::from_iter(numbers), expected);
    }
}

/// As many attempts begun as released leave the count as it was.
pub async fn parallel_releases_take_back_each_attempt(store: Arc<dyn CodeStore>, spawn: Spawn) {
    let code = PhoneCode {
        attempts: 100,
        ..sample::phone_code()
    };
    put(&*store, &code).await;
    let shared = store.clone();
    let rounds = race(spawn, move |contestant, _| {
        let store = shared.clone();
        async move {
            if contestant % 2 == 0 {
                store.begin_attempt(code.id).await.unwrap();
            } else {
                store.release_attempt(code.id).await.unwrap();
            }
        }
    });
    rounds.await;
    assert_eq!(get(&*store, code.id).await.attempts, 100);
}

/// A code signs in once: `consume` says `true` to one caller of many.
pub async fn one_of_many_consumers_wins(store: Arc<dyn CodeStore>, spawn: Spawn) {
    let ids = put_many(&*store, &sample::phone_code()).await;
    let rounds = race(spawn, move |_, round| {
        let (store, id) = (store.clone(), ids[round]);
        async move { store.consume(id).await.unwrap() }
    });
    for answers in rounds.await {
        assert_eq!(
            answers.iter().filter(|won| **won).count(),
            1,
            "one caller uses the code"
        );
    }
}

/// However outcomes of several messages arrive, the last message's is kept.
pub async fn the_latest_of_many_deliveries_stays(store: Arc<dyn CodeStore>, spawn: Spawn) {
    let code = sample::phone_code();
    let ids = put_many(&*store, &code).await;
    let (shared, each) = (store.clone(), ids.clone());
    let rounds = race(spawn, move |contestant, round| {
        let (store, id) = (shared.clone(), each[round]);
        let delivery = Delivery {
            send: contestant as u8 + 2,
            ..code.delivery
        };
        async move { store.set_delivery(id, delivery).await.unwrap() }
    });
    rounds.await;
    for id in ids.iter() {
        assert_eq!(
            usize::from(get(&*store, *id).await.delivery.send),
            CONTESTANTS + 1
        );
    }
}

/// Different changes to one code at once are all kept.
pub async fn parallel_changes_do_not_undo_each_other(store: Arc<dyn CodeStore>, spawn: Spawn) {
    let code = sample::phone_code();
    let sent = code.delivery.with(DeliveryStatus::Sent);
    let ids = put_many(&*store, &code).await;
    let (shared, each) = (store.clone(), ids.clone());
    let rounds = race(spawn, move |contestant, round| {
        let (store, id) = (shared.clone(), each[round]);
        async move {
            match contestant {
                0 => assert!(store.consume(id).await.unwrap()),
                1 => assert!(store.set_delivery(id, sent).await.unwrap()),
                _ => assert!(store.begin_attempt(id).await.unwrap().is_some()),
            }
        }
    });
    rounds.await;
    for id in ids.iter() {
        let attempts = CONTESTANTS as u8 - 2;
        let (consumed, delivery) = (true, sent);
        let changed = PhoneCode {
            id: *id,
            attempts,
            consumed,
            delivery,
            ..code.clone()
        };
        assert_eq!(get(&*store, *id).await, changed);
    }
}
