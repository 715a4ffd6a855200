use super::*;

fn status(at: f64, id: &str, reply: Reply) -> (f64, What, Reply) {
    let what = What::Status {
        code: id.to_owned(),
    };
    (at, what, reply)
}

/// A message that was promised at 10 s, and last heard of at 20 s or 80 s.
fn stuck(until: f64) -> History {
    let asked = [
        (10.0, ask(PHONE, None), code("pc_2", "queued")),
        status(until, "pc_2", code("pc_2", "queued")),
    ];
    good().and(asked).but(|h| h.rows.sends = None)
}

#[test]
fn a_message_that_comes_to_no_end_breaks_i6_unless_its_process_died_a_moment_ago() {
    stuck(20.0).breaks("I6", "still under way");
    stuck(20.0)
        .but(|h| h.absences.push(dead(0, 11.0)))
        .is_good();
    stuck(80.0)
        .but(|h| h.absences.push(dead(0, 11.0)))
        .breaks("I6", "still under way");
    stuck(20.0)
        .but(|h| h.absences.push(dead(1, 11.0)))
        .breaks("I6", "still under way");
    let graceful = |h: &mut History| {
        h.absences.push(Absence {
            graceful: true,
            ..dead(0, 11.0)
        });
    };
    stuck(20.0).but(graceful).breaks("I6", "still under way");
    let without_record = |h: &mut History| h.outages.push(outage(10.0, 12.0));
    stuck(20.0).but(without_record).is_good();
    let resend = |reply| {
        let code = "pc_2".to_owned();
        stuck(20.0).and([(15.0, What::Resend { code }, reply)])
    };
    resend(code("pc_2", "queued")).breaks("I6", "still under way");
    resend(code("pc_2", "queued"))
        .but(|h| h.absences.push(dead(0, 15.1)))
        .is_good();
    resend(Reply::Nothing("reset".to_owned()))
        .but(|h| h.absences.push(dead(0, 15.02)))
        .is_good();
    let turned_away = |what| {
        let reply = Reply::Unavailable { retry_after: true };
        stuck(20.0).and([(11.0, what, reply)])
    };
    turned_away(enter("pc_3")).is_good();
    turned_away(of("ses_1").0).breaks("I6", "still under way");
    let elsewhere = |h: &mut History| h.calls.last_mut().unwrap().process = 1;
    turned_away(enter("pc_3"))
        .but(elsewhere)
        .breaks("I6", "still under way");
}

#[test]
fn a_message_whose_code_is_gone_breaks_i6_unless_its_store_may_lose_it() {
    let gone = status(91.0, "pc_1", refused(404, "not_found"));
    let history = good().and([gone]);
    history.breaks("I6", "no known end");
    let lost = Loss {
        from: secs(3.0),
        to: secs(3.1),
    };
    history.but(|h| h.losses.push(lost)).is_good();
}

#[test]
fn a_message_that_nobody_asked_for_breaks_i6() {
    let history = good().but(|h| h.messages.push(message("2")));
    history.breaks("I6", "of 1 asked for");
    history.breaks("I6", "1 are on record");
    // One key is one message; a call without an answer may be another.
    let again = (1.1, ask(PHONE, Some("key")), code("pc_1", "queued"));
    history.clone().and([again]).breaks("I6", "of 1 asked for");
    let unknown = (
        5.0,
        ask(PHONE, None),
        Reply::Unavailable { retry_after: true },
    );
    history
        .but(|h| h.rows.sends = None)
        .and([unknown])
        .is_good();
}

#[test]
fn a_message_without_a_record_breaks_i6() {
    let resend = What::Resend {
        code: "pc_1".to_owned(),
    };
    let history = good().and([(2.5, resend, code("pc_1", "queued"))]);
    history.breaks("I6", "1 on record");
}

#[test]
fn messages_beyond_a_limit_break_i7_unless_the_counts_were_lost() {
    let soon = [
        (1.5, ask(PHONE, None), code("pc_2", "queued")),
        status(90.0, "pc_2", code("pc_2", "sent")),
    ];
    let history = good().and(soon).but(|h| h.rows.sends = None);
    history.breaks("I7", PHONE);
    let lost = Loss {
        from: secs(1.2),
        to: secs(1.3),
    };
    history.but(|h| h.losses.push(lost)).is_good();
    let mut many = good().but(|h| h.rows.sends = None);
    for n in 0..4 {
        let (id, phone) = (format!("pc_b{n}"), format!("+861390000001{n}"));
        let asked = (
            10.0 + f64::from(n) / 10.0,
            ask(&phone, None),
            code(&id, "queued"),
        );
        many = many.and([asked, status(90.0, &id, code(&id, "sent"))]);
    }
    many.breaks("I7", "anybody: 4 in 1s");
}

fn outage(from: f64, to: f64) -> Outage {
    Outage {
        stops: |what| matches!(what, What::Check { .. } | What::Enter { .. }),
        stops_guesses: true,
        of_codes: true,
        from: secs(from),
        to: secs(to),
    }
}

#[test]
fn an_odd_or_missing_answer_breaks_i9() {
    let check = of("ses_1").0;
    let odd = Reply::Odd("500".to_owned());
    good().and([(4.0, check.clone(), odd)]).breaks("I9", "500");
    let bare = Reply::Unavailable { retry_after: false };
    good()
        .and([(4.0, check.clone(), bare)])
        .breaks("I9", "Retry-After");
    let nothing = (4.0, check, Reply::Nothing("reset".to_owned()));
    let unanswered = good().and([nothing]);
    unanswered.breaks("I9", "did not answer");
    unanswered
        .clone()
        .but(|h| h.absences.push(dead(0, 4.02)))
        .is_good();
    let graceful = |h: &mut History| {
        h.absences.push(Absence {
            graceful: true,
            ..dead(0, 4.02)
        });
    };
    unanswered.but(graceful).breaks("I9", "did not answer");
}

#[test]
fn a_late_answer_breaks_i9_unless_the_machine_is_slow_but_not_if_the_service_is() {
    let until = |end: f64| good().but(|h| h.calls[2].end = secs(end));
    let pulse = |start: f64, took: f64| {
        let (start, end) = (secs(start), secs(start + took));
        move |h: &mut History| h.pulses.push(Pulse { start, end })
    };
    until(5.6).breaks("I9", "took 2.6s");
    until(5.6).but(pulse(2.8, 0.1)).breaks("I9", "took 2.6s");
    until(5.6).but(pulse(4.0, 0.1)).is_good();
    until(8.1).but(pulse(3.5, 4.0)).breaks("I9", "took 5.1s");
}

#[test]
fn a_yes_without_the_store_it_needs_breaks_i9() {
    good()
        .but(|h| h.outages.push(outage(2.9, 3.2)))
        .breaks("I9", "without its store");
    // It may have been answered before or after.
    good().but(|h| h.outages.push(outage(3.01, 3.2))).is_good();
    let judged = good().and([(4.0, guess("pc_1"), wrong())]);
    let without_guesses = Outage {
        stops_guesses: false,
        ..outage(3.9, 4.2)
    };
    judged
        .clone()
        .but(|h| h.outages.push(without_guesses))
        .is_good();
    judged
        .but(|h| h.outages.push(outage(3.9, 4.2)))
        .breaks("I9", "code_incorrect");
}
