//! I1: a code signs in at most once.

use domain::auth::Part;
use serde_json::json;
use tests_support::app::{Setup, Store};
use tests_support::faults::{Fault, Faulty};
use tests_support::on_every_store;

use super::{PHONE, at_once, count, sessions, three};

on_every_store!(
    a_code_whose_use_could_not_be_marked_signs_in_once,
    a_thousand_correct_tries_at_once_give_one_session,
    correct_tries_over_both_faces_at_once_give_one_session,
);

async fn a_thousand_correct_tries_at_once_give_one_session(store: Store) {
    let apps = three(store).await;
    let asked = apps[2].code(PHONE).await;
    let answers = at_once(1000, |n| apps[n % 3].enter(&asked.id, &asked.digits)).await;
    let signed_in = count(&answers, 201);
    for answer in answers.iter().filter(|answer| answer.status == 403) {
        answer.problem(403, "code_gone");
    }
    assert_eq!(sessions(&apps[0]).await, 1);
    let late = count(&answers, 503);
    assert_eq!(signed_in + count(&answers, 403) + late, 1000);
    assert!(
        signed_in == 1 || (signed_in == 0 && late > 0),
        "{signed_in}"
    );
}

async fn correct_tries_over_both_faces_at_once_give_one_session(store: Store) {
    let apps = three(store).await;
    let asked = apps[2].code(PHONE).await;
    let short = json!({ "phone": PHONE, "code": asked.digits });
    let answers = at_once(200, |n| match n % 2 {
        0 => apps[n % 3].enter(&asked.id, &asked.digits),
        _ => apps[n % 3].post("/auth/phone_code").json(short.clone()),
    })
    .await;
    let tokens = answers.iter().filter(|answer| {
        let body = answer.json();
        answer.status == 201 || body["token"].is_string()
    });
    assert!(tokens.count() <= 1);
    assert_eq!(sessions(&apps[0]).await, 1);
}

async fn a_code_whose_use_could_not_be_marked_signs_in_once(store: Store) {
    let real = Setup::on(store).unlimited().start().await;
    let faulty = Faulty::over(&real);
    let setup = real.setup().parts(|parts| faulty.put_into(parts));
    let app = setup.start().await;
    let asked = app.code(PHONE).await;
    faulty.fail(Part::Codes, Fault::Forgetful);
    let answers = at_once(100, |_| app.enter(&asked.id, &asked.digits)).await;
    faulty.heal();
    assert_eq!(count(&answers, 201), 1);
    app.enter(&asked.id, &asked.digits)
        .await
        .problem(403, "code_gone");
    assert_eq!(sessions(&app).await, 1);
}
