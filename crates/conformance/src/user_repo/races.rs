use std::sync::Arc;

use domain::ports::UserRepo;
use domain::user::{NewUser, User};
use domain::vault::PhoneIndex;

use super::create;
use crate::Spawn;
use crate::race::{ROUNDS, race};
use crate::sample;

/// In each round every contestant brings a user of one phone, which has two indexes.
async fn create_in_parallel(
    repo: &Arc<dyn UserRepo>,
    spawn: Spawn,
    new: impl Fn(usize, [PhoneIndex; 2]) -> NewUser + Clone + Send + 'static,
) -> Vec<Vec<(User, bool)>> {
    let phones: Arc<[_]> = (0..ROUNDS)
        .map(|_| [(); 2].map(|()| sample::phone_index()))
        .collect();
    let repo = repo.clone();
    let rounds = race(spawn, move |contestant, round| {
        let (repo, new) = (repo.clone(), new(contestant, phones[round]));
        async move { repo.find_or_create(&new).await.unwrap() }
    });
    rounds.await
}

/// One caller made the user, and all of them see it, as later callers do.
async fn assert_one_user(repo: &dyn UserRepo, answers: &[(User, bool)]) {
    assert_eq!(
        answers.iter().filter(|(_, created)| *created).count(),
        1,
        "one made the user"
    );
    for (user, _) in answers {
        assert_eq!(*user, answers[0].0, "all see the same user");
        assert_eq!(repo.find(user.id).await.unwrap().as_ref(), Some(user));
    }
}

/// Of many first sign-ins of one phone at once, one makes the user, and all get it.
pub async fn one_of_many_creators_makes_the_user(repo: Arc<dyn UserRepo>, spawn: Spawn) {
    let new = |_, [index, _]: [_; 2]| sample::user_of(sample::sealed_under(index), Vec::new());
    for answers in create_in_parallel(&repo, spawn, new).await {
        assert_one_user(&*repo, &answers).await;
    }
}

/// While keys rotate, processes know a phone by two indexes in different order: still one user.
pub async fn creators_under_two_keys_make_one_user(repo: Arc<dyn UserRepo>, spawn: Spawn) {
    let new = |contestant: usize, mut indexes: [PhoneIndex; 2]| {
        indexes.rotate_left(contestant % 2);
        let [index, alias] = indexes;
        sample::user_of(sample::sealed_under(index), vec![alias])
    };
    for answers in create_in_parallel(&repo, spawn, new).await {
        assert_one_user(&*repo, &answers).await;
    }
}

/// `delete` says `true` to one caller of many.
pub async fn one_of_many_deletions_wins(repo: Arc<dyn UserRepo>, spawn: Spawn) {
    let mut ids = Vec::new();
    for _ in 0..ROUNDS {
        ids.push(create(&*repo).await.id);
    }
    let rounds = race(spawn, move |_, round| {
        let (repo, id) = (repo.clone(), ids[round]);
        async move { repo.delete(id).await.unwrap() }
    });
    for answers in rounds.await {
        assert_eq!(
            answers.iter().filter(|won| **won).count(),
            1,
            "one caller deletes the user"
        );
    }
}
