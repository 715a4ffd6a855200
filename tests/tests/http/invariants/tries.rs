//! I2: at most `tries` guesses of a code are judged.

use tests_support::app::{Store, wrong};
use tests_support::on_every_store;

use super::{PHONE, at_once, count, three};

on_every_store!(
    of_a_thousand_wrong_tries_at_once_five_are_judged,
    a_correct_try_among_too_many_wrong_ones_is_one_of_five,
);

async fn of_a_thousand_wrong_tries_at_once_five_are_judged(store: Store) {
    let apps = three(store).await;
    let asked = apps[2].code(PHONE).await;
    let wrong = wrong(&asked.digits);
    let answers = at_once(1000, |n| apps[n % 3].enter(&asked.id, &wrong)).await;
    let refused = answers.iter().filter(|answer| answer.status == 403);
    let mut left: Vec<_> = refused
        .filter_map(|answer| answer.json()["attempts_remaining"].as_u64())
        .collect();
    left.sort_unstable();
    let late = count(&answers, 503);
    assert_eq!(count(&answers, 403) + late, 1000);
    if late == 0 {
        assert_eq!(left, [0, 1, 2, 3, 4]);
    }
    left.dedup();
    assert!(left.len() <= 5, "{left:?}");
    let again = apps[0]
        .enter(&asked.id, &wrong)
        .await
        .problem(403, "code_gone");
    let right = apps[1].enter(&asked.id, &asked.digits).await;
    assert_eq!(right.problem(403, "code_gone"), again);
    assert!(!apps[0].has_user(PHONE).await);
}

async fn a_correct_try_among_too_many_wrong_ones_is_one_of_five(store: Store) {
    let apps = three(store).await;
    let asked = apps[2].code(PHONE).await;
    let wrong = wrong(&asked.digits);
    let answers = at_once(300, |n| {
        let code = if n % 50 == 49 { &asked.digits } else { &wrong };
        apps[n % 3].enter(&asked.id, code)
    })
    .await;
    let incorrect = answers
        .iter()
        .filter(|answer| answer.status == 403 && answer.json()["code"] == "code_incorrect");
    let judged = incorrect.count() + count(&answers, 201);
    assert!(
        (1..=5).contains(&judged) || count(&answers, 503) > 0,
        "{judged}"
    );
    assert!(count(&answers, 201) <= 1);
}
