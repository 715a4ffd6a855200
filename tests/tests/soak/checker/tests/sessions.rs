use super::*;

#[test]
fn a_session_that_is_accepted_after_its_end_breaks_i5() {
    let (check, sign_out, refresh) = of("ses_1");
    let ended = good().and([(4.0, sign_out.clone(), Reply::Done)]);
    ended
        .clone()
        .and([(5.0, check.clone(), Reply::Done)])
        .breaks("I5", "was over");
    ended
        .clone()
        .and([(5.0, refresh, tokens("ses_1", "usr_1"))])
        .breaks("I5", "was over");
    let revoked = |h: &mut History| h.rows.sessions[0].revoked = true;
    ended.breaks("I8", "kept as live");
    // At the same time it may have come first.
    let meanwhile = [(4.01, check.clone(), Reply::Done)];
    ended.but(revoked).and(meanwhile).is_good();
    // A sign-out without an answer ends it or not, but not for a while.
    let unknown = good().and([(4.0, sign_out, Reply::Nothing("reset".to_owned()))]);
    let unknown = unknown.but(|h| h.absences.push(dead(0, 4.0)));
    unknown
        .clone()
        .and([(5.0, check.clone(), Reply::Done)])
        .is_good();
    let refused = (5.0, check.clone(), refused(401, "unauthenticated"));
    unknown
        .and([refused, (6.0, check, Reply::Done)])
        .breaks("I5", "was over");
}

#[test]
fn a_refresh_token_that_works_twice_or_outlives_its_reuse_breaks_i5() {
    let (check, _, refresh) = of("ses_1");
    let renewed = tokens("ses_1", "usr_1");
    let twice = [
        (4.0, refresh.clone(), renewed.clone()),
        (5.0, refresh.clone(), renewed.clone()),
    ];
    good().and(twice).breaks("I5", "worked 2 times");
    let reused = (5.0, refresh.clone(), refused(401, "refresh_rejected"));
    let ended = good().and([(4.0, refresh, renewed), reused]);
    ended
        .clone()
        .and([(6.0, check, Reply::Done)])
        .breaks("I5", "was over");
    ended.but(|h| h.rows.sessions[0].revoked = true).is_good();
}

#[test]
fn a_session_that_was_signed_out_and_is_listed_breaks_i5() {
    let list = What::List {
        session: "ses_2".to_owned(),
    };
    let listed = Reply::Sessions(vec!["ses_1".to_owned(), "ses_2".to_owned()]);
    let history = good()
        .and(issued(3.5, "pc_2"))
        .and([(4.0, enter("pc_2"), tokens("ses_2", "usr_1"))])
        .and([(5.0, of("ses_1").1, Reply::Done), (6.0, list, listed)]);
    history.breaks("I5", "is listed");
}

#[test]
fn a_session_that_outlives_a_sign_out_everywhere_breaks_i5() {
    let everywhere = What::SignOutEverywhere {
        session: "ses_2".to_owned(),
    };
    let history =
        good()
            .and(issued(3.5, "pc_2"))
            .and([(4.0, enter("pc_2"), tokens("ses_2", "usr_1"))]);
    let history = history.but(|h| h.rows.sends = None);
    let ended = history.clone().and([(5.0, everywhere, Reply::Done)]);
    ended
        .and([(6.0, of("ses_1").0, Reply::Done)])
        .breaks("I5", "was over");
    // The end of one of them leaves the other.
    let own = [
        (5.0, of("ses_2").1, Reply::Done),
        (6.0, of("ses_1").0, Reply::Done),
    ];
    let revoked = SessionRow {
        revoked: true,
        ..row("ses_2", "usr_1", "pc_2")
    };
    history
        .but(|h| h.rows.sessions.push(revoked))
        .and(own)
        .is_good();
}

#[test]
fn a_session_that_is_refused_while_it_lives_breaks_i8() {
    let (check, _, refresh) = of("ses_1");
    let turned_away = refused(401, "unauthenticated");
    good()
        .and([(4.0, check.clone(), turned_away.clone())])
        .breaks("I8", "lives");
    let rejected = refused(401, "refresh_rejected");
    good()
        .and([(4.0, refresh.clone(), rejected.clone())])
        .breaks("I8", "lives");
    // The second use of a token may have been the first to arrive.
    let at_once = [
        (4.0, refresh.clone(), rejected),
        (4.01, refresh, Reply::Unavailable { retry_after: true }),
    ];
    let after = [(5.0, check, turned_away)];
    let ended = good().and(at_once).and(after);
    ended.but(|h| h.rows.sessions[0].revoked = true).is_good();
}

#[test]
fn a_user_or_session_that_is_not_kept_breaks_i8() {
    good().but(|h| h.rows.users.clear()).breaks("I8", "usr_1");
    good()
        .but(|h| h.rows.sessions.clear())
        .breaks("I8", "ses_1");
    let of_another = |h: &mut History| h.rows.sessions[0].user = "usr_2".to_owned();
    good().but(of_another).breaks("I8", "that of usr_2");
}

#[test]
fn a_live_session_that_is_not_listed_breaks_i8() {
    let list = What::List {
        session: "ses_1".to_owned(),
    };
    let nobody = Reply::Sessions(Vec::new());
    good().and([(4.0, list, nobody)]).breaks("I8", "not listed");
}
