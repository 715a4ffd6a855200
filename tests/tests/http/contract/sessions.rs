//! `/v1/sessions`: looking at them and signing out of them.

use serde_json::json;
use tests_support::app::{Setup, SignedIn, Store, TestApp};
use tests_support::on_every_store;

const PHONE: &str = "+8615612340000";

on_every_store!(
    a_caller_sees_their_own_live_sessions_newest_first,
    signing_out_here_ends_this_session_only,
    signing_out_there_ends_that_session_only,
    signing_out_everywhere_ends_all_of_them_and_nobody_elses,
    other_peoples_sessions_are_not_found,
    a_call_without_a_valid_token_is_not_signed_in,
    a_session_is_over_when_it_was_idle_too_long,
);

async fn app_with_sessions(store: Store, count: usize) -> (TestApp, Vec<SignedIn>) {
    let app = Setup::on(store).unlimited().start().await;
    let mut sessions = Vec::new();
    for _ in 0..count {
        app.clock.advance_secs(1);
        sessions.push(app.sign_in(PHONE).await);
    }
    (app, sessions)
}

async fn is_live(app: &TestApp, who: &SignedIn) -> bool {
    let answer = app.get("/v1/sessions/current").bearer(&who.access).await;
    if answer.status != 200 {
        answer.problem(401, "unauthenticated");
        app.refresh(&who.refresh)
            .await
            .problem(401, "refresh_rejected");
    }
    answer.status == 200
}

async fn a_caller_sees_their_own_live_sessions_newest_first(store: Store) {
    let (app, sessions) = app_with_sessions(store, 3).await;
    app.sign_in("+8615612340001").await;
    app.delete("/v1/sessions/current")
        .bearer(&sessions[0].access)
        .await
        .ok(204);
    let list = app
        .get("/v1/sessions")
        .bearer(&sessions[1].access)
        .await
        .ok(200);
    let mut expected =
        json!({ "sessions": [sessions[2].body["session"], sessions[1].body["session"]] });
    expected["sessions"][0]["current"] = json!(false);
    assert_eq!(list, expected);
    let current = app
        .get("/v1/sessions/current")
        .bearer(&sessions[1].access)
        .await
        .ok(200);
    assert_eq!(current, sessions[1].body["session"]);
}

async fn signing_out_here_ends_this_session_only(store: Store) {
    let (app, sessions) = app_with_sessions(store, 2).await;
    let sign_out = app
        .delete("/v1/sessions/current")
        .bearer(&sessions[0].access);
    assert_eq!(sign_out.clone().await.ok(204), json!(null));
    assert!(!is_live(&app, &sessions[0]).await);
    assert!(is_live(&app, &sessions[1]).await);
    sign_out.await.problem(401, "unauthenticated");
}

async fn signing_out_there_ends_that_session_only(store: Store) {
    let (app, sessions) = app_with_sessions(store, 3).await;
    let path = format!("/v1/sessions/{}", sessions[2].session);
    let sign_out = app.delete(&path).bearer(&sessions[0].access);
    sign_out.clone().await.ok(204);
    assert!(!is_live(&app, &sessions[2]).await);
    assert!(is_live(&app, &sessions[0]).await && is_live(&app, &sessions[1]).await);
    sign_out.await.problem(404, "not_found");
}

async fn signing_out_everywhere_ends_all_of_them_and_nobody_elses(store: Store) {
    let (app, sessions) = app_with_sessions(store, 3).await;
    let stranger = app.sign_in("+8615612340001").await;
    app.delete("/v1/sessions")
        .bearer(&sessions[1].access)
        .await
        .ok(204);
    for session in &sessions {
        assert!(!is_live(&app, session).await);
    }
    assert!(is_live(&app, &stranger).await);
}

async fn other_peoples_sessions_are_not_found(store: Store) {
    let (app, mine) = app_with_sessions(store, 1).await;
    let theirs = app.sign_in("+8615612340001").await;
    let never = format!("ses_{}", "0".repeat(32));
    for id in [theirs.session.as_str(), &never, "nonsense", &theirs.user] {
        let path = format!("/v1/sessions/{id}");
        let sign_out = app.delete(&path).bearer(&mine[0].access).await;
        sign_out.problem(404, "not_found");
    }
    assert!(is_live(&app, &theirs).await);
}

async fn a_call_without_a_valid_token_is_not_signed_in(store: Store) {
    let (app, sessions) = app_with_sessions(store, 1).await;
    let refresh = sessions[0].refresh.as_str();
    let calls = [
        app.get("/v1/sessions/current"),
        app.get("/v1/sessions"),
        app.get("/v1/users/me"),
        app.delete("/v1/sessions/current"),
        app.delete("/v1/sessions"),
        app.delete(&format!("/v1/sessions/{}", sessions[0].session)),
    ];
    for call in calls {
        let with = |value: &str| call.clone().header("authorization", value);
        let good = &sessions[0].access;
        for call in [
            call.clone(),
            with(""),
            with("Bearer"),
            with(good),
            with(&format!("Basic {good}")),
            with(&format!("Bearer {refresh}")),
            with(&format!("Bearer {good} {good}")),
            with(&format!("Bearer {good}")).bearer(good),
            call.clone().header("cookie", &format!("session={good}")),
            call.clone().header("token", good),
        ] {
            let answer = call.await;
            answer.problem(401, "unauthenticated");
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge, Some("Bearer error=\"invalid_token\""));
        }
    }
    assert!(is_live(&app, &sessions[0]).await);
}

async fn a_session_is_over_when_it_was_idle_too_long(store: Store) {
    let setup = Setup::on(store).set("tokens.refresh_idle", "2m");
    let app = setup.set("tokens.access_lifetime", "1h").start().await;
    let session = app.sign_in(PHONE).await;
    assert_eq!(
        session.body["expires_in"], 120,
        "no token outlives its session"
    );
    app.clock.advance_secs(119);
    assert!(is_live(&app, &session).await);
    app.clock.advance_secs(1);
    assert!(!is_live(&app, &session).await);
}
