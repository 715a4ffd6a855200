//! The checker complains of every history that breaks an invariant, and of no other.

mod codes;
mod sends;
mod sessions;

use std::collections::HashMap;
use std::time::Duration;

use super::complaints;
use crate::history::{
    Absence, Call, History, Loss, Message, Moment, Outage, Promises, Pulse, Reply, Rows,
    SessionRow, What, test_number,
};

const PHONE: &str = "+8613900000001";

fn secs(seconds: f64) -> Moment {
    Duration::from_secs_f64(seconds)
}

fn call(at: f64, what: What, reply: Reply) -> Call {
    let (start, end) = (secs(at), secs(at + 0.05));
    Call {
        process: 0,
        what,
        start,
        end,
        reply,
    }
}

fn code(id: &str, status: &str) -> Reply {
    Reply::Code {
        id: id.to_owned(),
        status: status.to_owned(),
    }
}

fn tokens(session: &str, user: &str) -> Reply {
    Reply::Tokens {
        session: session.to_owned(),
        user: user.to_owned(),
    }
}

fn refused(status: u16, code: &str) -> Reply {
    Reply::Refused {
        status,
        code: code.to_owned(),
    }
}

fn wrong() -> Reply {
    refused(403, "code_incorrect")
}

fn ask(phone: &str, key: Option<&str>) -> What {
    What::Ask {
        phone: phone.to_owned(),
        key: key.map(str::to_owned),
    }
}

fn enter(code: &str) -> What {
    What::Enter {
        code: code.to_owned(),
        right: true,
    }
}

fn guess(code: &str) -> What {
    What::Enter {
        code: code.to_owned(),
        right: false,
    }
}

fn of(session: &str) -> (What, What, What) {
    let session = session.to_owned();
    (
        What::Check {
            session: session.clone(),
        },
        What::SignOut {
            session: session.clone(),
        },
        What::Refresh {
            session,
            token: "first".to_owned(),
        },
    )
}

fn row(id: &str, user: &str, code: &str) -> SessionRow {
    SessionRow {
        id: id.to_owned(),
        user: user.to_owned(),
        code: code.to_owned(),
        revoked: false,
    }
}

fn message(sent_at: &str) -> Message {
    Message {
        to: PHONE.to_owned(),
        text: "123456".to_owned(),
        sent_at: sent_at.to_owned(),
    }
}

/// Somebody asks at 1 s, signs in at 2 s with a session that is checked at 3 s.
fn good() -> History {
    History {
        promises: Promises {
            tries: 3,
            lifetime: secs(300.0),
            failures_per_phone: (4, secs(60.0)),
            sends_per_phone: vec![(1, secs(1.0))],
            sends_overall: vec![(3, secs(1.0))],
        },
        calls: vec![
            call(1.0, ask(PHONE, None), code("pc_1", "queued")),
            call(2.0, enter("pc_1"), tokens("ses_1", "usr_1")),
            call(3.0, of("ses_1").0, Reply::Done),
            call(
                90.0,
                What::Status {
                    code: "pc_1".to_owned(),
                },
                code("pc_1", "sent"),
            ),
        ],
        messages: vec![message("1")],
        pulses: Vec::new(),
        absences: Vec::new(),
        outages: Vec::new(),
        losses: Vec::new(),
        given_up: &[],
        rows: Rows {
            users: vec![("usr_1".to_owned(), "index".to_owned())],
            sessions: vec![row("ses_1", "usr_1", "pc_1")],
            sends: Some(HashMap::from([("pc_1".to_owned(), 1)])),
        },
    }
}

impl History {
    /// With more calls, each at its second.
    fn and(mut self, calls: impl IntoIterator<Item = (f64, What, Reply)>) -> Self {
        let calls = calls.into_iter();
        self.calls
            .extend(calls.map(|(at, what, reply)| call(at, what, reply)));
        self
    }

    fn but(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    #[track_caller]
    fn is_good(&self) {
        assert_eq!(complaints(self), Vec::<String>::new());
    }

    #[track_caller]
    fn breaks(&self, invariant: &str, word: &str) {
        let found = complaints(self);
        let told = |text: &String| text.starts_with(invariant) && text.contains(word);
        assert!(found.iter().any(told), "{found:?}");
    }
}

/// Codes of a test number, whose messages nobody looks for.
fn issued(at: f64, id: &str) -> [(f64, What, Reply); 2] {
    let status = What::Status {
        code: id.to_owned(),
    };
    [
        (at, ask(&test_number(0), None), code(id, "queued")),
        (at + 0.1, status, code(id, "delivered")),
    ]
}

fn dead(process: usize, from: f64) -> Absence {
    Absence {
        process,
        from: secs(from),
        to: None,
        graceful: false,
    }
}

#[test]
fn a_history_without_a_fault_is_not_complained_of() {
    good().is_good();
}
