//! I5: a revoked session is refused by every instance at once, and a reused refresh token ends its
//! session.

use tests_support::app::{SignedIn, Store, TestApp};
use tests_support::on_every_store;

use super::{PHONE, at_once, count, sessions, three};

on_every_store!(
    a_session_that_ended_here_is_refused_there_at_once,
    of_500_refreshes_at_once_one_wins_and_the_session_ends,
);

async fn is_refused(app: &TestApp, who: &SignedIn) {
    for path in ["/v1/sessions/current", "/v1/users/me"] {
        let call = app.get(path).bearer(&who.access);
        call.await.problem(401, "unauthenticated");
    }
    let refresh = app.refresh(&who.refresh).await;
    refresh.problem(401, "refresh_rejected");
}

async fn a_session_that_ended_here_is_refused_there_at_once(store: Store) {
    let [there, elsewhere, here] = three(store).await;
    for round in 0..30 {
        here.clock.advance_secs(1);
        let signed_in = here.sign_in(PHONE).await;
        // Each has seen the token, so that a check it remembers could do harm.
        for app in [&here, &there, &elsewhere] {
            let call = app.get("/v1/sessions/current").bearer(&signed_in.access);
            call.await.ok(200);
        }
        let path = match round % 3 {
            0 => "/v1/sessions/current".to_owned(),
            1 => "/v1/sessions".to_owned(),
            _ => format!("/v1/sessions/{}", signed_in.session),
        };
        here.delete(&path).bearer(&signed_in.access).await.ok(204);
        is_refused(&there, &signed_in).await;
        is_refused(&elsewhere, &signed_in).await;
    }
}

async fn of_500_refreshes_at_once_one_wins_and_the_session_ends(store: Store) {
    let apps = three(store).await;
    let signed_in = apps[2].sign_in(PHONE).await;
    let answers = at_once(500, |n| apps[n % 3].refresh(&signed_in.refresh)).await;
    for answer in answers.iter().filter(|answer| answer.status == 401) {
        answer.problem(401, "refresh_rejected");
    }
    let (won, late) = (count(&answers, 200), count(&answers, 503));
    assert_eq!(won + late + count(&answers, 401), 500);
    assert!(won == 1 || (won == 0 && late > 0), "{won}");
    for answer in answers.iter().filter(|answer| answer.status == 200) {
        let winner = SignedIn::from(answer.json());
        for app in &apps {
            is_refused(app, &winner).await;
        }
    }
    assert_eq!(sessions(&apps[0]).await, 0);
}
