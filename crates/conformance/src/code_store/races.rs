use std::collections::BTreeSet;
use std::sync::Arc;

use domain::code::{Delivery, DeliveryStatus, PhoneCode};
use domain::id::PhoneCodeId;
use domain::ports::CodeStore;

use super::{get, put};
use crate::Spawn;
use crate::race::{CONTESTANTS, ROUNDS, race};
use crate::sample;

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
    let winners = race(spawn, |_| {
        let (store, ids) = (store.clone(), ids.clone());
        async move {
            let mut kept = Vec::new();
            for id in ids.iter() {
                let code = PhoneCode {
                    id: *id,
                    ..sample::phone_code()
                };
                if store.put(&code).await.unwrap() {
                    kept.push(code);
                }
            }
            kept
        }
    })
    .await
    .concat();
    assert_eq!(winners.len(), ROUNDS, "one winner for each id");
    for code in &winners {
        assert_eq!(get(&*store, code.id).await, *code);
        let found = store.find_by_phone(&[*code.phone.index()]).await.unwrap();
        assert_eq!(found.as_slice(), std::slice::from_ref(code));
    }
}

/// No two attempts of one code have one number, and none is skipped.
pub async fn parallel_attempts_see_different_numbers(store: Arc<dyn CodeStore>, spawn: Spawn) {
    const EACH: usize = 30;
    let code = sample::phone_code();
    put(&*store, &code).await;
    let seen = race(spawn, |_| {
        let store = store.clone();
        async move {
            let mut seen = Vec::new();
            for _ in 0..EACH {
                seen.push(
                    store
                        .begin_attempt(code.id)
                        .await
                        .unwrap()
                        .unwrap()
                        .attempts,
                );
            }
            seen
        }
    })
    .await
    .concat();
    let expected: BTreeSet<u8> = (1..=240).collect();
    assert_eq!(seen.len(), CONTESTANTS * EACH);
    assert_eq!(BTreeSet::from_iter(seen), expected);
}

/// As many attempts begun as released leave the count as it was.
pub async fn parallel_releases_take_back_each_attempt(store: Arc<dyn CodeStore>, spawn: Spawn) {
    let code = PhoneCode {
        attempts: 100,
        ..sample::phone_code()
    };
    put(&*store, &code).await;
    race(spawn, |_| {
        let store = store.clone();
        async move {
            for _ in 0..ROUNDS {
                store.begin_attempt(code.id).await.unwrap();
                store.release_attempt(code.id).await.unwrap();
            }
        }
    })
    .await;
    assert_eq!(get(&*store, code.id).await.attempts, 100);
}

/// A code signs in once: `consume` says `true` to one caller of many.
pub async fn one_of_many_consumers_wins(store: Arc<dyn CodeStore>, spawn: Spawn) {
    let ids = put_many(&*store, &sample::phone_code()).await;
    let mut winners = race(spawn, |_| {
        let (store, ids) = (store.clone(), ids.clone());
        async move {
            let mut won = Vec::new();
            for id in ids.iter() {
                if store.consume(*id).await.unwrap() {
                    won.push(*id);
                }
            }
            won
        }
    })
    .await
    .concat();
    let mut ids = ids.to_vec();
    winners.sort_unstable();
    ids.sort_unstable();
    assert_eq!(winners, ids, "each code was consumed by one caller");
}

/// However outcomes of several messages arrive, the last message's is kept.
pub async fn the_latest_of_many_deliveries_stays(store: Arc<dyn CodeStore>, spawn: Spawn) {
    let code = sample::phone_code();
    let ids = put_many(&*store, &code).await;
    race(spawn, |contestant| {
        let (store, ids) = (store.clone(), ids.clone());
        async move {
            for (round, id) in ids.iter().enumerate() {
                let send = ((contestant + round) % CONTESTANTS) as u8 + 2;
                let delivery = Delivery {
                    send,
                    ..code.delivery
                };
                store.set_delivery(*id, delivery).await.unwrap();
            }
        }
    })
    .await;
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
    race(spawn, |contestant| {
        let (store, ids) = (store.clone(), ids.clone());
        async move {
            for id in ids.iter() {
                match contestant {
                    0 => drop(store.consume(*id).await.unwrap()),
                    1 => drop(store.set_delivery(*id, sent).await.unwrap()),
                    _ => drop(store.begin_attempt(*id).await.unwrap()),
                }
            }
        }
    })
    .await;
    for id in ids.iter() {
        let attempts = CONTESTANTS as u8 - 2;
        let changed = PhoneCode {
            id: *id,
            attempts,
            consumed: true,
            delivery: sent,
            ..code.clone()
        };
        assert_eq!(get(&*store, *id).await, changed);
    }
}
