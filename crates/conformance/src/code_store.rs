//! The laws of [`CodeStore`].

use std::sync::Arc;

use domain::code::{Delivery, DeliveryStatus, PhoneCode};
use domain::id::PhoneCodeId;
use domain::message::Locale;
use domain::ports::CodeStore;
use domain::timestamp::Timestamp;
use domain::vault::{KeyId, SealedPhone};

use crate::sample::{self, NOW};
use crate::{Broken, Spawn};

mod change;
mod find;
mod model;
mod races;
mod sweep;

pub use change::*;
pub use find::*;
pub use model::*;
pub use races::*;
pub use sweep::*;

/// Checks every law, one after another.
///
/// # Errors
/// [`Broken`] names the first law that does not hold.
pub async fn all(store: Arc<dyn CodeStore>, spawn: Spawn) -> Result<(), Broken> {
    crate::code_store_laws!([crate::law::check_laws] code_store, store, spawn)
}

/// Makes a test of every law of `CodeStore`, in a module `code_store_laws`.
///
/// It takes the name of an async function that opens an empty store: `async fn open() ->
/// Arc<dyn CodeStore>`. The tests run on tokio. Add `, forgets_by_itself` for a store whose `sweep`
/// has nothing to remove.
#[macro_export]
macro_rules! code_store_laws {
    ([$($with:tt)*] $($args:tt)*) => {
        $($with)*! { $($args)*,
            laws: [
                it_answers,
                a_code_reads_back_as_it_was_put,
                an_unknown_code_is_not_found,
                the_first_code_of_an_id_stays,
                attempts_are_counted_one_by_one,
                attempts_stop_at_255,
                a_used_or_exhausted_code_still_counts_attempts,
                a_released_attempt_is_taken_back,
                a_code_is_consumed_once,
                a_delivery_only_moves_forward,
                codes_of_a_phone_come_newest_first,
                a_code_is_found_under_any_index_and_no_other,
                a_code_found_by_phone_is_as_it_is_now,
                sweep_spares_codes_before_their_expiry,
            ],
            sweeping: [
                sweep_removes_expired_codes,
                sweep_stops_at_its_limit,
            ],
            races: [
                any_history_is_as_the_model_says,
                any_race_has_an_order,
                one_of_many_puts_wins,
                parallel_attempts_see_different_numbers,
                parallel_releases_take_back_each_attempt,
                one_of_many_consumers_wins,
                the_latest_of_many_deliveries_stays,
                parallel_changes_do_not_undo_each_other,
            ]
        }
    };
    ($open:expr) => {
        $crate::code_store_laws!([$crate::test_laws] code_store, code_store_laws, $open);
    };
    ($open:expr, forgets_by_itself) => {
        $crate::code_store_laws!([$crate::test_laws_but_sweeping] code_store, code_store_laws, $open);
    };
}

async fn put(store: &dyn CodeStore, code: &PhoneCode) {
    assert!(store.put(code).await.unwrap(), "a new id was refused");
}

async fn get(store: &dyn CodeStore, id: PhoneCodeId) -> PhoneCode {
    store
        .get(id)
        .await
        .unwrap()
        .expect("a code that was put is not there")
}

/// A store in use is healthy.
pub async fn it_answers(store: &dyn CodeStore) {
    store.health().await.unwrap();
}

/// Every field comes back as it went in, at the ends of its range too.
pub async fn a_code_reads_back_as_it_was_put(store: &dyn CodeStore) {
    let plain = sample::phone_code();
    let odd = PhoneCode {
        phone: SealedPhone::from_stored(sample::phone_index(), sample::bytes::<64>()),
        key: KeyId(u32::MAX),
        salt: [0; 16],
        length: sample::code_length(10),
        locale: Locale::Zh,
        created_at: Timestamp::from_millis(NOW.as_millis() + 1),
        expires_at: Timestamp::from_millis(NOW.as_millis() + 300_001),
        tries: 10,
        attempts: 255,
        consumed: true,
        delivery: Delivery {
            send: 255,
            status: DeliveryStatus::Delivered,
            queued_at: Timestamp::from_millis(NOW.as_millis() + 123),
        },
        ..sample::phone_code()
    };
    for code in [plain, odd] {
        put(store, &code).await;
        assert_eq!(get(store, code.id).await, code);
        assert_eq!(
            store.find_by_phone(&[*code.phone.index()]).await.unwrap(),
            [code]
        );
    }
}

/// An id that was never put is `None`, `false` or nothing to do, and no error.
pub async fn an_unknown_code_is_not_found(store: &dyn CodeStore) {
    let code = sample::phone_code();
    assert_eq!(store.get(code.id).await.unwrap(), None);
    assert_eq!(store.begin_attempt(code.id).await.unwrap(), None);
    store.release_attempt(code.id).await.unwrap();
    assert!(!store.consume(code.id).await.unwrap());
    assert!(
        !store
            .set_delivery(code.id, code.delivery.with(DeliveryStatus::Sent))
            .await
            .unwrap()
    );
    assert_eq!(
        store.get(code.id).await.unwrap(),
        None,
        "asking for a code made one"
    );
}

/// `put` under a taken id is refused and changes nothing.
pub async fn the_first_code_of_an_id_stays(store: &dyn CodeStore) {
    let first = sample::phone_code();
    let second = PhoneCode {
        id: first.id,
        tries: 9,
        ..sample::phone_code()
    };
    put(store, &first).await;
    assert!(!store.put(&second).await.unwrap());
    assert!(
        !store.put(&first).await.unwrap(),
        "the same code again is a taken id too"
    );
    assert_eq!(get(store, first.id).await, first);
    assert_eq!(
        store.find_by_phone(&[*second.phone.index()]).await.unwrap(),
        []
    );
}
