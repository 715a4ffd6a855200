//! What is no code, however much it looks like one.

use tests_support::app::Store;
use tests_support::on_every_store;

use super::{PHONE, Target};

on_every_store!(what_is_not_so_many_ascii_digits_is_malformed_and_costs_no_try);

/// The digits in another alphabet, whose zero is `zero`.
fn written_from(digits: &str, zero: char) -> String {
    let shifted = |digit: char| {
        let offset = digit.to_digit(10).unwrap();
        char::from_u32(u32::from(zero) + offset).unwrap()
    };
    digits.chars().map(shifted).collect()
}

/// Nearly those digits.
fn near_misses(right: &str) -> Vec<String> {
    let (head, tail) = right.split_at(3);
    // Arabic, Persian, Devanagari, Thai, full-width, mathematical bold, double-struck, monospace.
    let zeros = [
        '\u{660}',
        '\u{6f0}',
        '\u{966}',
        '\u{e50}',
        '\u{ff10}',
        '\u{1d7ce}',
        '\u{1d7d8}',
        '\u{1d7f6}',
    ];
    let mut guesses: Vec<_> = zeros.map(|zero| written_from(right, zero)).into();
    guesses.extend([
        String::new(),
        right[1..].to_owned(),
        format!("{right}0"),
        format!("0{right}"),
        format!("+{}", &right[1..]),
        format!("-{}", &right[1..]),
        format!("+{right}"),
        format!(" {right}"),
        format!("{right} "),
        format!("{right}\u{a0}"),
        format!("{head} {tail}"),
        format!("{head}-{tail}"),
        format!("{head}\u{200b}{tail}"),
        format!("{right}.0"),
        format!("{}e0", &right[..4]),
        format!("0x{}", &right[..4]),
        "1e5000".into(),
        "1_0000".into(),
        "①②③④⑤⑥".into(),
        "¹²³⁴⁵⁶".into(),
        "abcdef".into(),
        "%31%32".into(),
        "' OR 1".into(),
        "1".repeat(4000),
    ]);
    guesses
}

async fn what_is_not_so_many_ascii_digits_is_malformed_and_costs_no_try(store: Store) {
    let target = Target::start(store).await;
    let app = &target.app;
    let asked = app.code(PHONE).await;
    app.delivery(&asked.id).await;
    let right = asked.digits.as_str();
    for guess in near_misses(right) {
        let answer = target.refuses(app.enter(&asked.id, &guess)).await;
        let problem = answer.problem(400, "malformed_request");
        assert_eq!(problem["field"], "code", "{guess}");
    }
    let look = app.get(&format!("/v1/phone-codes/{}", asked.id));
    assert_eq!(look.await.ok(200)["attempts_remaining"], 5);
    for id in [
        "",
        "pc_",
        "usr_00",
        "' OR 1=1",
        &"pc_".repeat(1000),
        &asked.id.to_uppercase(),
    ] {
        target
            .refuses(app.enter(id, right))
            .await
            .problem(403, "code_gone");
    }
    app.enter(&asked.id, right).await.ok(201);
}
