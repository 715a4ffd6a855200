//! The laws of [`UserRepo`].

use std::sync::Arc;
use std::time::Duration;

use domain::ports::UserRepo;
use domain::timestamp::Timestamp;
use domain::user::User;
use domain::vault::SealedPhone;

use crate::sample::{self, NOW};
use crate::{Broken, Spawn};

mod model;
mod races;

pub use model::*;
pub use races::*;

/// Checks every law, one after another.
///
/// # Errors
/// [`Broken`] names the first law that does not hold.
pub async fn all(repo: Arc<dyn UserRepo>, spawn: Spawn) -> Result<(), Broken> {
    crate::user_repo_laws!([crate::law::check_laws] user_repo, repo, spawn)
}

/// Makes a test of every law of `UserRepo`, in a module `user_repo_laws`.
///
/// It takes the name of an async function that opens an empty store: `async fn open() ->
/// Arc<dyn UserRepo>`. The tests run on tokio.
#[macro_export]
macro_rules! user_repo_laws {
    ([$($with:tt)*] $($args:tt)*) => {
        $($with)*! { $($args)*,
            laws: [
                it_answers,
                a_user_reads_back_as_created,
                an_unknown_user_is_not_found,
                a_phone_has_one_user,
                a_user_under_an_alias_is_the_user,
                a_user_is_found_under_any_index_and_no_other,
                reseal_moves_the_user_to_the_new_index,
                reseal_may_keep_the_index,
                a_resealed_user_is_found_by_who_asks_for_its_phone,
                a_user_is_deleted_once,
                a_deleted_users_phone_is_free_again,
            ],
            races: [
                any_history_is_as_the_model_says,
                any_race_has_an_order,
                one_of_many_creators_makes_the_user,
                creators_under_two_keys_make_one_user,
                one_of_many_deletions_wins,
            ]
        }
    };
    ($open:expr) => {
        $crate::user_repo_laws!([$crate::test_laws] user_repo, user_repo_laws, $open);
    };
}

async fn create(repo: &dyn UserRepo) -> User {
    let new = sample::new_user();
    let (user, created) = repo.find_or_create(&new).await.unwrap();
    assert!(created, "a new phone had a user");
    assert_eq!(user, new.user);
    user
}

/// A store in use is healthy.
pub async fn it_answers(repo: &dyn UserRepo) {
    repo.health().await.unwrap();
}

/// Every field comes back as it went in, by id and by phone.
pub async fn a_user_reads_back_as_created(repo: &dyn UserRepo) {
    for sealed in [
        sample::bytes::<48>().to_vec(),
        sample::bytes::<64>().to_vec(),
        vec![0],
    ] {
        let mut new = sample::new_user();
        new.user.phone = SealedPhone::from_stored(sample::phone_index(), sealed);
        new.user.created_at = Timestamp::from_millis(NOW.as_millis() + 1);
        assert_eq!(
            repo.find_or_create(&new).await.unwrap(),
            (new.user.clone(), true)
        );
        assert_eq!(
            repo.find(new.user.id).await.unwrap(),
            Some(new.user.clone())
        );
        let found = repo
            .find_by_phone(&[*new.user.phone.index()])
            .await
            .unwrap();
        assert_eq!(found, Some(new.user));
    }
}

/// An id or phone that nobody has is `None` or `false`, and no error.
pub async fn an_unknown_user_is_not_found(repo: &dyn UserRepo) {
    let (id, phone) = (sample::user_id(), sample::sealed_phone());
    assert_eq!(repo.find(id).await.unwrap(), None);
    assert!(!repo.reseal(id, &phone).await.unwrap());
    assert!(!repo.delete(id).await.unwrap());
    assert_eq!(
        repo.find_by_phone(&[*phone.index()]).await.unwrap(),
        None,
        "reseal made a user"
    );
}

/// The second `find_or_create` of a phone returns its user as it is, and makes nobody.
pub async fn a_phone_has_one_user(repo: &dyn UserRepo) {
    let user = create(repo).await;
    let mut again = sample::user_of(sample::sealed_under(*user.phone.index()), Vec::new());
    again.user.created_at = NOW + Duration::from_secs(60);
    assert_eq!(
        repo.find_or_create(&again).await.unwrap(),
        (user.clone(), false)
    );
    assert_eq!(repo.find(again.user.id).await.unwrap(), None);
    assert_eq!(repo.find(user.id).await.unwrap(), Some(user));
}

/// A user stored under an alias of the new phone is the one, and stays under that index.
pub async fn a_user_under_an_alias_is_the_user(repo: &dyn UserRepo) {
    let user = create(repo).await;
    let aliases = vec![sample::phone_index(), *user.phone.index()];
    let new = sample::user_of(sample::sealed_phone(), aliases);
    assert_eq!(
        repo.find_or_create(&new).await.unwrap(),
        (user.clone(), false)
    );
    assert_eq!(
        repo.find_by_phone(&[*new.user.phone.index()])
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        repo.find_by_phone(&[*user.phone.index()]).await.unwrap(),
        Some(user)
    );
}

/// `find_by_phone` looks under every index it is given, and under no other.
pub async fn a_user_is_found_under_any_index_and_no_other(repo: &dyn UserRepo) {
    let user = create(repo).await;
    let (own, none) = (*user.phone.index(), sample::phone_index());
    assert_eq!(
        repo.find_by_phone(&[none, own]).await.unwrap(),
        Some(user.clone())
    );
    assert_eq!(repo.find_by_phone(&[own, none]).await.unwrap(), Some(user));
    assert_eq!(repo.find_by_phone(&[none]).await.unwrap(), None);
    assert_eq!(repo.find_by_phone(&[]).await.unwrap(), None);
}

/// After `reseal` the user has the new sealed phone, and is found under its index only.
pub async fn reseal_moves_the_user_to_the_new_index(repo: &dyn UserRepo) {
    let (user, other) = (create(repo).await, create(repo).await);
    let phone = sample::sealed_phone();
    assert!(repo.reseal(user.id, &phone).await.unwrap());
    let moved = User {
        phone: phone.clone(),
        ..user.clone()
    };
    assert_eq!(repo.find(user.id).await.unwrap(), Some(moved.clone()));
    assert_eq!(
        repo.find_by_phone(&[*phone.index()]).await.unwrap(),
        Some(moved)
    );
    assert_eq!(
        repo.find_by_phone(&[*user.phone.index()]).await.unwrap(),
        None
    );
    assert_eq!(
        repo.find(other.id).await.unwrap(),
        Some(other),
        "another user was resealed"
    );
}

/// The same index with other ciphertext is a reseal too.
pub async fn reseal_may_keep_the_index(repo: &dyn UserRepo) {
    let user = create(repo).await;
    let phone = sample::sealed_under(*user.phone.index());
    assert!(repo.reseal(user.id, &phone).await.unwrap());
    let resealed = User {
        phone,
        ..user.clone()
    };
    assert_eq!(
        repo.find_by_phone(&[*user.phone.index()]).await.unwrap(),
        Some(resealed)
    );
}

/// `find_or_create` finds a user under the index it was moved to, and its old index is free.
pub async fn a_resealed_user_is_found_by_who_asks_for_its_phone(repo: &dyn UserRepo) {
    let user = create(repo).await;
    let phone = sample::sealed_phone();
    assert!(repo.reseal(user.id, &phone).await.unwrap());
    let again = sample::user_of(
        sample::sealed_under(*phone.index()),
        vec![*user.phone.index()],
    );
    let moved = User {
        phone,
        ..user.clone()
    };
    assert_eq!(repo.find_or_create(&again).await.unwrap(), (moved, false));
    let stranger = sample::user_of(user.phone, Vec::new());
    assert_eq!(
        repo.find_or_create(&stranger).await.unwrap(),
        (stranger.user, true)
    );
}

/// `delete` says `true` once; the user is gone, the others stay.
pub async fn a_user_is_deleted_once(repo: &dyn UserRepo) {
    let (user, other) = (create(repo).await, create(repo).await);
    assert!(repo.delete(user.id).await.unwrap());
    assert!(!repo.delete(user.id).await.unwrap());
    assert_eq!(repo.find(user.id).await.unwrap(), None);
    assert_eq!(
        repo.find_by_phone(&[*user.phone.index()]).await.unwrap(),
        None
    );
    assert!(!repo.reseal(user.id, &sample::sealed_phone()).await.unwrap());
    assert_eq!(repo.find(other.id).await.unwrap(), Some(other));
}

/// Who proves a deleted user's phone is a new user.
pub async fn a_deleted_users_phone_is_free_again(repo: &dyn UserRepo) {
    let user = create(repo).await;
    assert!(repo.delete(user.id).await.unwrap());
    let new = sample::user_of(user.phone, Vec::new());
    assert_eq!(repo.find_or_create(&new).await.unwrap(), (new.user, true));
}
