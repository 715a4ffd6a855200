//! What is no phone number, however much it looks like one.

use serde_json::json;
use tests_support::app::Store;
use tests_support::on_every_store;

use super::Target;

on_every_store!(an_odd_spelling_is_no_number_and_reaches_nobody);

async fn an_odd_spelling_is_no_number_and_reaches_nobody(store: Store) {
    let target = Target::start(store).await;
    let app = &target.app;
    let long_digits = "1".repeat(4000);
    let long_spaces = format!("+86{}15612340000", " ".repeat(100));
    for phone in [
        "",
        " ",
        "+",
        "+86+8615612340000",
        "15612340000;phone-context=+86",
        "15612340000;phone-context=example.com",
        "15612340000;phone-context=",
        ";phone-context=+86",
        "+8615612340000;ext=1",
        "+8615612340000;isub=1",
        "+8615612340000 ext. 1",
        "+8615612340000x1",
        "+8615612340000#1",
        "+8615612340000,1",
        "tel:+8615612340000",
        "sms:+8615612340000",
        "callto:15612340000",
        "1561234\u{a0}0000",
        "\u{a0}15612340000",
        "15612340000\u{3000}",
        "156\u{200b}12340000",
        "156\u{ad}12340000",
        "\u{202e}15612340000",
        "\u{2066}15612340000\u{2069}",
        "１５６１２３４００００",
        "＋8615612340000",
        "\u{661}\u{665}\u{666}\u{661}\u{662}\u{663}\u{664}\u{660}\u{660}\u{660}\u{660}",
        "156\u{2010}1234\u{2011}0000",
        "1-800-FLOWERS",
        "+86156CALLNOW",
        "+8615612340000\\",
        "+86~15612340000",
        "*8615612340000",
        "+86 (0) 15612340000 / 15612340001",
        "1561234000O",
        "+8615612340000; DROP TABLE users",
        &long_digits,
        &long_spaces,
    ] {
        let answer = target.refuses(app.ask(phone)).await;
        answer.problem(422, "phone_invalid");
        let writes = target.stores.writes();
        let body = json!({ "phone": phone, "code": "123456" });
        let envelope = app.post("/auth/phone_code").json(body).await.ok(200);
        let expected = if phone.is_empty() { 1 } else { 1000 };
        assert_eq!(envelope["code"], expected, "{phone:?}");
        assert_eq!(target.stores.writes(), writes, "{phone:?}");
    }
    assert_eq!(app.message_count(), 0);
}
