//! `POST /v1/sessions`: the right digits, and every other guess.

use std::time::Duration;

use domain::ports::Clock;
use serde_json::{Value, json};
use tests_support::app::{Setup, SignedIn, Store, TestApp, wrong};
use tests_support::on_every_store;

const PHONE: &str = "+8615612340000";

on_every_store!(
    the_right_digits_sign_in_once,
    a_second_sign_in_finds_the_same_user,
    wrong_digits_tell_how_many_tries_are_left,
    a_code_is_not_accepted_from_its_expiry_on,
    every_dead_code_gets_the_same_answer,
    digits_are_valid_under_their_own_id_only,
    several_codes_of_one_phone_work_side_by_side,
    a_session_tells_who_signed_in_from_where,
    the_oldest_session_goes_when_there_are_too_many,
    a_deleted_user_is_signed_out_and_starts_anew,
);

async fn the_right_digits_sign_in_once(store: Store) {
    let app = TestApp::start(store).await;
    let asked = app.code(PHONE).await;
    let answer = app.enter(&asked.id, &asked.digits).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let signed_in = SignedIn::from(answer.ok(201));
    let now = app.clock.now();
    let expected = json!({
        "access_token": signed_in.access,
        "token_type": "Bearer",
        "expires_in": 300,
        "refresh_token": signed_in.refresh,
        "refresh_expires_in": 7 * 24 * 3600,
        "session": {
            "id": signed_in.session,
            "user_id": signed_in.user,
            "created_at": now.to_string(),
            "last_seen_at": now.to_string(),
            "expires_at": (now + Duration::from_secs(7 * 24 * 3600)).to_string(),
            "user_agent": null,
            "ip": "127.0.0.1",
            "current": true,
        },
        "user": { "id": signed_in.user, "phone": PHONE, "created_at": now.to_string() },
        "new_user": true,
    });
    assert_eq!(signed_in.body, expected);
    assert!(signed_in.user.starts_with("usr_") && signed_in.session.starts_with("ses_"));
    let me = app
        .get("/v1/users/me")
        .bearer(&signed_in.access)
        .await
        .ok(200);
    assert_eq!(me, expected["user"]);
    app.enter(&asked.id, &asked.digits)
        .await
        .problem(403, "code_gone");
}

async fn a_second_sign_in_finds_the_same_user(store: Store) {
    let app = TestApp::start(store).await;
    let first = app.sign_in(PHONE).await;
    app.clock.advance_secs(60);
    let second = app.sign_in(PHONE).await;
    assert_eq!(second.body["new_user"], false);
    assert_eq!(second.body["user"], first.body["user"]);
    assert_ne!(second.session, first.session);
    let other = app.sign_in("+8615612340001").await;
    assert_ne!(other.user, first.user);
}

async fn wrong_digits_tell_how_many_tries_are_left(store: Store) {
    let app = Setup::on(store).set("code.tries", "3").start().await;
    let asked = app.code(PHONE).await;
    for left in [2, 1, 0] {
        let answer = app.enter(&asked.id, &wrong(&asked.digits)).await;
        let problem = answer.problem(403, "code_incorrect");
        assert_eq!(problem["attempts_remaining"], left);
        assert!(!problem.to_string().contains(&asked.digits));
    }
    let gone = app
        .enter(&asked.id, &wrong(&asked.digits))
        .await
        .problem(403, "code_gone");
    assert_eq!(
        app.enter(&asked.id, &asked.digits)
            .await
            .problem(403, "code_gone"),
        gone
    );
}

async fn a_code_is_not_accepted_from_its_expiry_on(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let in_time = app.code(PHONE).await;
    app.clock.advance(Duration::from_millis(299_999));
    app.enter(&in_time.id, &in_time.digits).await.ok(201);
    app.clock.advance_secs(1);
    let late = app.code(PHONE).await;
    app.clock.advance_secs(300);
    app.enter(&late.id, &late.digits)
        .await
        .problem(403, "code_gone");
}

async fn every_dead_code_gets_the_same_answer(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let expired = app.code(PHONE).await;
    app.clock.advance_secs(300);
    let used = app.code(PHONE).await;
    app.enter(&used.id, &used.digits).await.ok(201);
    app.clock.advance_secs(1);
    let exhausted = app.code(PHONE).await;
    for _ in 0..5 {
        app.enter(&exhausted.id, &wrong(&exhausted.digits)).await;
    }
    let never = format!("pc_{}", "0".repeat(32));
    let mut answers: Vec<Value> = Vec::new();
    for (id, digits) in [
        (expired.id.as_str(), expired.digits.as_str()),
        (&used.id, &used.digits),
        (&used.id, &wrong(&used.digits)),
        (&exhausted.id, &exhausted.digits),
        (&never, "123456"),
        ("nonsense", "123456"),
        ("", "123456"),
    ] {
        answers.push(app.enter(id, digits).await.problem(403, "code_gone"));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

async fn digits_are_valid_under_their_own_id_only(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let first = app.code(PHONE).await;
    app.clock.advance_secs(1);
    let second = app.code(PHONE).await;
    let other = app.code("+8615612340001").await;
    assert_ne!(first.digits, second.digits, "one in a million");
    app.enter(&second.id, &first.digits)
        .await
        .problem(403, "code_incorrect");
    app.enter(&other.id, &first.digits)
        .await
        .problem(403, "code_incorrect");
    app.enter(&first.id, &first.digits).await.ok(201);
}

async fn several_codes_of_one_phone_work_side_by_side(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let owners = app.code(PHONE).await;
    app.clock.advance_secs(1);
    let strangers = app.code(PHONE).await;
    for _ in 0..6 {
        app.enter(&strangers.id, &wrong(&strangers.digits)).await;
    }
    app.enter(&owners.id, &owners.digits).await.ok(201);
}

async fn a_session_tells_who_signed_in_from_where(store: Store) {
    let app = Setup::on(store)
        .set("server.trusted_proxies", "127.0.0.1")
        .start()
        .await;
    let asked = app.code(PHONE).await;
    let agent = format!("Tester/1.0 {}", "é".repeat(300));
    let enter = app
        .enter(&asked.id, &asked.digits)
        .header("user-agent", &agent);
    let signed_in = enter.forwarded_for("203.0.113.7").await.ok(201);
    assert_eq!(signed_in["session"]["ip"], "203.0.113.7");
    let kept = signed_in["session"]["user_agent"].as_str().unwrap();
    assert!(
        agent.starts_with(kept) && (250..=256).contains(&kept.len()),
        "{kept}"
    );
}

async fn the_oldest_session_goes_when_there_are_too_many(store: Store) {
    let app = Setup::on(store)
        .unlimited()
        .set("limits.sessions_per_user", "3")
        .start()
        .await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        app.clock.advance_secs(1);
        sessions.push(app.sign_in(PHONE).await);
    }
    for (n, session) in sessions.iter().enumerate() {
        let answer = app
            .get("/v1/sessions/current")
            .bearer(&session.access)
            .await;
        assert_eq!(answer.status, if n < 2 { 401 } else { 200 }, "session {n}");
    }
}

async fn a_deleted_user_is_signed_out_and_starts_anew(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    let before = app.sign_in(PHONE).await;
    app.auth()
        .delete_user(PHONE)
        .await
        .expect("a user to delete");
    let call = app.get("/v1/users/me").bearer(&before.access);
    call.await.problem(401, "unauthenticated");
    app.refresh(&before.refresh)
        .await
        .problem(401, "refresh_rejected");
    app.clock.advance_secs(1);
    let after = app.sign_in(PHONE).await;
    assert_eq!(after.body["new_user"], true);
    assert_ne!(after.user, before.user);
}
