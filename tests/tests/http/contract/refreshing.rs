//! `POST /v1/sessions/refresh`: each token once.

use std::time::Duration;

use domain::ports::Clock;
use tests_support::app::{Setup, SignedIn, Store, TestApp};
use tests_support::on_every_store;

const PHONE: &str = "+8615612340000";
const DAY: u64 = 24 * 3600;

on_every_store!(
    a_refresh_renews_both_tokens_of_the_same_session,
    a_used_refresh_token_ends_its_session,
    a_session_ends_after_its_whole_lifetime_however_often_it_is_refreshed,
    an_idle_refresh_token_expires,
    what_is_no_refresh_token_is_rejected_alike,
    refreshing_does_not_end_other_sessions,
);

async fn a_refresh_renews_both_tokens_of_the_same_session(store: Store) {
    let app = TestApp::start(store).await;
    let first = app.sign_in(PHONE).await;
    app.clock.advance_secs(1000);
    let call = app.get("/v1/sessions/current").bearer(&first.access);
    call.await.problem(401, "unauthenticated");
    let second = SignedIn::from(app.refresh(&first.refresh).await.ok(200));
    assert_eq!(
        (&second.session, &second.user),
        (&first.session, &first.user)
    );
    assert_ne!(second.refresh, first.refresh);
    assert_eq!(second.body["new_user"], false);
    let now = app.clock.now();
    let session = &second.body["session"];
    assert_eq!(session["created_at"], first.body["session"]["created_at"]);
    assert_eq!(session["last_seen_at"], now.to_string());
    let idle = Duration::from_secs(7 * DAY);
    assert_eq!(session["expires_at"], (now + idle).to_string());
    let current = app
        .get("/v1/sessions/current")
        .bearer(&second.access)
        .await
        .ok(200);
    assert_eq!(&current, session);
}

async fn a_used_refresh_token_ends_its_session(store: Store) {
    let app = TestApp::start(store).await;
    let first = app.sign_in(PHONE).await;
    let second = SignedIn::from(app.refresh(&first.refresh).await.ok(200));
    app.refresh(&first.refresh)
        .await
        .problem(401, "refresh_rejected");
    app.refresh(&second.refresh)
        .await
        .problem(401, "refresh_rejected");
    for tokens in [&first, &second] {
        let call = app.get("/v1/users/me").bearer(&tokens.access);
        call.await.problem(401, "unauthenticated");
    }
}

async fn a_session_ends_after_its_whole_lifetime_however_often_it_is_refreshed(store: Store) {
    let app = TestApp::start(store).await;
    let mut tokens = app.sign_in(PHONE).await;
    for day in [6, 12, 18, 24, 29] {
        app.clock
            .advance_secs(if day == 29 { 5 * DAY } else { 6 * DAY });
        tokens = SignedIn::from(app.refresh(&tokens.refresh).await.ok(200));
    }
    assert_eq!(tokens.body["refresh_expires_in"], DAY);
    app.clock.advance_secs(DAY - 100);
    tokens = SignedIn::from(app.refresh(&tokens.refresh).await.ok(200));
    assert_eq!(tokens.body["expires_in"], 100);
    app.clock.advance_secs(100);
    app.refresh(&tokens.refresh)
        .await
        .problem(401, "refresh_rejected");
    let call = app.get("/v1/users/me").bearer(&tokens.access);
    call.await.problem(401, "unauthenticated");
}

async fn an_idle_refresh_token_expires(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let tokens = app.sign_in(PHONE).await;
    app.clock.advance(Duration::from_millis(7 * DAY * 1000 - 1));
    let tokens = SignedIn::from(app.refresh(&tokens.refresh).await.ok(200));
    app.clock.advance_secs(7 * DAY);
    app.refresh(&tokens.refresh)
        .await
        .problem(401, "refresh_rejected");
}

async fn what_is_no_refresh_token_is_rejected_alike(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let signed_out = app.sign_in(PHONE).await;
    app.delete("/v1/sessions/current")
        .bearer(&signed_out.access)
        .await
        .ok(204);
    app.clock.advance_secs(1);
    let live = app.sign_in(PHONE).await;
    let altered = tests_support::app::wrong(&live.refresh);
    let padded = format!("{}=", live.refresh);
    let mut answers = Vec::new();
    for token in [
        "",
        "x",
        &altered,
        &padded,
        &live.access,
        &signed_out.refresh,
    ] {
        answers.push(app.refresh(token).await.problem(401, "refresh_rejected"));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    app.refresh(&live.refresh).await.ok(200);
}

async fn refreshing_does_not_end_other_sessions(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let mine = app.sign_in(PHONE).await;
    app.clock.advance_secs(1);
    let other = app.sign_in(PHONE).await;
    app.refresh(&mine.refresh).await.ok(200);
    app.refresh(&mine.refresh)
        .await
        .problem(401, "refresh_rejected");
    app.get("/v1/users/me").bearer(&other.access).await.ok(200);
}
