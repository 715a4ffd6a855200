use super::*;

#[test]
fn a_code_that_signs_in_twice_breaks_i1() {
    let again = [(3.0, enter("pc_1"), tokens("ses_2", "usr_1"))];
    good().and(again).breaks("I1", "2 times");
}

#[test]
fn a_code_with_two_sessions_in_the_table_breaks_i1() {
    let twice = |h: &mut History| h.rows.sessions.push(row("ses_2", "usr_1", "pc_1"));
    let history = good().but(twice);
    history.breaks("I1", "has the sessions");
    history.but(|h| h.given_up = &["I1"]).is_good();
}

#[test]
fn more_guesses_of_a_code_than_tries_break_i2_unless_it_was_lost_between() {
    let guesses = (0..4).map(|n| (4.0 + f64::from(n), guess("pc_2"), wrong()));
    let history = good().and(issued(3.5, "pc_2")).and(guesses);
    let without_records = history.but(|h| h.rows.sends = None);
    without_records.breaks("I2", "4 guesses of pc_2");
    let lost = Loss {
        from: secs(5.5),
        to: secs(5.6),
    };
    without_records.but(|h| h.losses.push(lost)).is_good();
}

#[test]
fn more_failures_of_a_phone_than_its_budget_break_i2_even_if_codes_were_lost() {
    let mut history = good().but(|h| h.rows.sends = None);
    for n in 0..5 {
        let (id, at) = (format!("pc_a{n}"), 4.0 + f64::from(n));
        history = history
            .and(issued(at, &id))
            .and([(at + 0.5, guess(&id), wrong())]);
    }
    let lost = Loss {
        from: secs(6.2),
        to: secs(6.3),
    };
    history
        .but(|h| h.losses.push(lost))
        .breaks("I2", "5 in 60s");
}

#[test]
fn two_users_of_one_phone_break_i3_in_answers_and_in_the_table() {
    let second = [(5.0, enter("pc_2"), tokens("ses_2", "usr_1"))];
    let third = [(6.0, enter("pc_3"), tokens("ses_3", "usr_2"))];
    let both = good()
        .and(issued(4.0, "pc_2"))
        .and(issued(4.5, "pc_3"))
        .and(second)
        .and(third);
    both.breaks("I3", "is both");
    let twice = |h: &mut History| h.rows.users.push(("usr_2".to_owned(), "index".to_owned()));
    good().but(twice).breaks("I3", "same phone");
}

#[test]
fn a_code_that_signs_in_late_or_with_other_digits_breaks_i4() {
    let short = |h: &mut History| h.promises.lifetime = secs(0.5);
    good().but(short).breaks("I4", "after it was issued");
    let lucky = [(3.0, guess("pc_1"), tokens("ses_1", "usr_1"))];
    good().and(lucky).breaks("I4", "not its own");
}

#[test]
fn a_code_that_is_gone_and_was_not_used_breaks_i9_unless_its_tries_are_spent_or_it_was_lost() {
    let late = Reply::Unavailable { retry_after: true };
    let gone = refused(403, "code_gone");
    let spent = good()
        .and(issued(3.5, "pc_2"))
        .and([(4.0, enter("pc_2"), late), (4.5, enter("pc_2"), gone)])
        .but(|h| h.rows.sends = None);
    spent.breaks("I9", "pc_2 was gone");
    let stored = |h: &mut History| h.rows.sessions.push(row("ses_2", "usr_1", "pc_2"));
    spent.clone().but(stored).is_good();
    let guesses = (0..2).map(|n| (4.1 + 0.1 * f64::from(n), guess("pc_2"), wrong()));
    spent.clone().and(guesses).is_good();
    let lost = Loss {
        from: secs(4.1),
        to: secs(4.2),
    };
    spent.clone().but(|h| h.losses.push(lost)).is_good();
    let later = Loss {
        from: secs(4.7),
        to: secs(4.8),
    };
    let lost_later = spent.clone().but(|h| h.losses.push(later));
    lost_later.breaks("I9", "pc_2 was gone");
    lost_later.but(|h| h.given_up = &["I8"]).is_good();
    spent.but(|h| h.promises.lifetime = secs(0.97)).is_good();
}
