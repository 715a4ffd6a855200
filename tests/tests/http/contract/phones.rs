//! Which numbers are texted, and how they may be spelled.

use tests_support::app::{Setup, Store, TestApp};
use tests_support::on_every_store;

on_every_store!(
    common_spellings_are_one_number,
    what_is_no_number_is_invalid,
    numbers_that_are_not_texted_are_not_allowed,
    other_countries_and_kinds_are_texted_where_configured,
);

async fn common_spellings_are_one_number(store: Store) {
    let app = TestApp::start(store).await;
    let first = app.sign_in("13800138000").await;
    for spelling in [
        "+8613800138000",
        "008613800138000",
        "+86 138 0013 8000",
        "138-0013-8000",
        "(+86) 138.0013.8000",
    ] {
        app.clock.advance_secs(3600);
        let again = app.sign_in(spelling).await;
        assert_eq!(again.user, first.user, "{spelling}");
        assert_eq!(again.body["new_user"], false);
    }
}

async fn what_is_no_number_is_invalid(store: Store) {
    let app = TestApp::start(store).await;
    for spelling in [
        "",
        "+",
        "1",
        "12345",
        "+861380013800",
        "+86138001380001",
        "+999123456789",
    ] {
        app.ask(spelling).await.problem(422, "phone_invalid");
    }
    assert_eq!(app.message_count(), 0);
}

async fn numbers_that_are_not_texted_are_not_allowed(store: Store) {
    let app = TestApp::start(store).await;
    for (spelling, what) in [
        ("+861062781234", "a landline"),
        ("+12025550123", "another country"),
        ("+8008001234", "a number of no country"),
    ] {
        let answer = app.ask(spelling).await;
        assert_eq!(answer.status, 422, "{what}: {}", answer.text());
    }
    app.ask("+861062781234")
        .await
        .problem(422, "phone_not_allowed");
    app.ask("+12025550123")
        .await
        .problem(422, "phone_not_allowed");
    assert_eq!(app.message_count(), 0);
}

async fn other_countries_and_kinds_are_texted_where_configured(store: Store) {
    let app = Setup::on(store)
        .set("phone.allowed_countries", "CN, US")
        .set(
            "phone.allowed_kinds",
            "mobile, fixed_line, fixed_line_or_mobile",
        )
        .start()
        .await;
    app.sign_in("+12025550123").await;
    app.sign_in("+861062781234").await;
    app.ask("+6591234567")
        .await
        .problem(422, "phone_not_allowed");
}
