//! The laws of [`SessionStore`].

use std::sync::Arc;
use std::time::Duration;

use domain::id::SessionId;
use domain::ports::{Inserted, SessionStore};
use domain::session::UserSession;
use domain::timestamp::Timestamp;

use crate::sample::{self, NOW};
use crate::{Broken, Spawn};

mod end;
mod insert;
mod model;
mod races;
mod rotate;
mod sweep;

pub use end::*;
pub use insert::*;
pub use model::*;
pub use races::*;
pub use rotate::*;
pub use sweep::*;

/// Checks every law, one after another.
///
/// # Errors
/// [`Broken`] names the first law that does not hold.
pub async fn all(store: Arc<dyn SessionStore>, spawn: Spawn) -> Result<(), Broken> {
    crate::session_store_laws!([crate::law::check_laws] session_store, store, spawn)
}

/// Makes a test of every law of `SessionStore`, in a module `session_store_laws`.
///
/// It takes the name of an async function that opens an empty store: `async fn open() ->
/// Arc<dyn SessionStore>`. The tests run on tokio. Add `, forgets_by_itself` for a store whose `sweep`
/// has nothing to remove.
#[macro_export]
macro_rules! session_store_laws {
    ([$($with:tt)*] $($args:tt)*) => {
        $($with)*! { $($args)*,
            laws: [
                it_answers,
                a_session_reads_back_as_it_was_inserted,
                an_unknown_session_is_not_found,
                a_code_makes_one_session,
                a_code_stays_taken_after_its_session_is_over,
                a_refused_session_ends_no_other,
                the_oldest_session_makes_room_for_the_new_one,
                the_new_session_stays_even_if_it_is_the_oldest,
                as_many_sessions_end_as_are_too_many,
                sessions_that_are_over_do_not_count,
                sessions_of_others_do_not_count,
                the_working_token_is_exchanged,
                a_used_token_ends_its_session,
                a_token_that_never_was_ends_the_session,
                a_session_without_a_token_is_not_refreshed,
                a_revoked_session_is_not_refreshed,
                a_session_is_revoked_once,
                revoke_all_ends_the_sessions_of_one_user,
                revoke_all_counts_the_live_ones,
                live_sessions_are_listed_newest_first,
                a_session_is_listed_until_its_end,
                sweep_spares_sessions_before_their_end,
                a_revoked_session_is_kept_until_its_end,
                a_refreshed_session_is_kept_until_its_new_end,
            ],
            sweeping: [
                sweep_removes_sessions_that_are_over,
                a_revoked_session_is_swept_at_its_end,
                a_refreshed_session_is_swept_at_its_new_end,
                a_swept_session_frees_its_code,
                sweep_stops_at_its_limit,
            ],
            races: [
                any_history_is_as_the_model_says,
                any_race_has_an_order,
                a_code_makes_one_session_of_many,
                no_more_than_max_live_sessions_of_many_stay,
                one_of_many_refreshes_wins,
                one_of_many_revocations_wins,
                a_sign_out_is_not_undone_by_a_displacement,
                a_revocation_is_not_lost_among_refreshes,
                revoke_all_leaves_no_session_among_refreshes,
            ]
        }
    };
    ($open:expr) => {
        $crate::session_store_laws!([$crate::test_laws] session_store, session_store_laws, $open);
    };
    ($open:expr, forgets_by_itself) => {
        $crate::session_store_laws!([$crate::test_laws_but_sweeping] session_store, session_store_laws, $open);
    };
}

/// More sessions than any law makes.
const MANY: u32 = 1000;

fn at(secs: u64) -> Timestamp {
    NOW + Duration::from_secs(secs)
}

async fn insert(store: &dyn SessionStore, session: &UserSession, max_live: u32) {
    assert_eq!(
        store.insert(session, max_live).await.unwrap(),
        Inserted::Stored
    );
}

/// A session of a random user, stored.
async fn inserted(store: &dyn SessionStore) -> UserSession {
    let session = sample::session();
    insert(store, &session, MANY).await;
    session
}

async fn get(store: &dyn SessionStore, id: SessionId) -> UserSession {
    store
        .get(id)
        .await
        .unwrap()
        .expect("a session that was inserted is not there")
}

async fn assert_revoked(store: &dyn SessionStore, session: &UserSession, at: Timestamp) {
    assert_eq!(get(store, session.id).await.revoked_at, Some(at));
}

async fn assert_unchanged(store: &dyn SessionStore, session: &UserSession) {
    assert_eq!(get(store, session.id).await, *session);
}
