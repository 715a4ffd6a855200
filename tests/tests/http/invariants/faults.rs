//! I9: a store that is down, slow or lying gives a 503 in time, never an acceptance, and spends
//! nothing; the service recovers by itself.

use std::time::{Duration, Instant};

use domain::auth::Part;
use futures_util::future::join_all;
use serde_json::json;
use tests_support::app::{Asked, Setup, SignedIn, Store, TestApp};
use tests_support::faults::{Fault, Faulty};
use tests_support::http::Request;
use tests_support::{on_every_store, until};

on_every_store!(
    a_store_that_is_down_is_a_503,
    a_store_that_is_silent_is_a_503_in_two_seconds,
    a_store_with_unreadable_rows_is_a_503,
    a_store_that_answers_with_other_rows_is_a_503,
    a_store_that_is_down_is_a_fail_of_the_short_contract,
);

const PARTS: [Part; 4] = [Part::Codes, Part::RateLimits, Part::Sessions, Part::Users];

/// Two seconds, and what a busy machine adds.
const IN_TIME: Duration = Duration::from_millis(2500);

async fn a_store_that_is_down_is_a_503(store: Store) {
    join_all(PARTS.map(|part| Case::start(store, part, Fault::Down))).await;
}

async fn a_store_that_is_silent_is_a_503_in_two_seconds(store: Store) {
    join_all(PARTS.map(|part| Case::start(store, part, Fault::Silent))).await;
}

async fn a_store_with_unreadable_rows_is_a_503(store: Store) {
    join_all(PARTS.map(|part| Case::start(store, part, Fault::Rotten))).await;
}

async fn a_store_that_answers_with_other_rows_is_a_503(store: Store) {
    let readers = [Part::Codes, Part::Sessions, Part::Users];
    join_all(readers.map(|part| Case::start(store, part, Fault::Lying))).await;
}

async fn a_store_that_is_down_is_a_fail_of_the_short_contract(store: Store) {
    let real = Setup::on(store).unlimited().start().await;
    let faulty = Faulty::over(&real);
    let setup = real.setup().parts(|parts| faulty.put_into(parts));
    let app = setup.start().await;
    let phone = "+8613900000001";
    let asked = app.code(phone).await;
    app.clock.advance_secs(1);
    let send = app
        .post("/auth/phone_code/send")
        .json(json!({ "phone": phone }));
    let body = json!({ "phone": phone, "code": asked.digits });
    let enter = app.post("/auth/phone_code").json(body);
    let fail = json!({ "code": 1, "msg": "fail" });
    for part in PARTS {
        faulty.fail(part, Fault::Down);
        assert_eq!(enter.clone().await.ok(200), fail, "{part:?}");
        if matches!(part, Part::Codes | Part::RateLimits) {
            assert_eq!(send.clone().await.ok(200), fail, "{part:?}");
        }
    }
    faulty.heal();
    assert_eq!(enter.await.ok(200)["code"], 0);
}

/// One service with a code and a session, and a store that fails.
struct Case {
    app: TestApp,
    part: Part,
    fault: Fault,
    asked: Asked,
    signed_in: SignedIn,
}

impl Case {
    async fn start(store: Store, part: Part, fault: Fault) {
        let real = Setup::on(store)
            .unlimited()
            .set("limits.sends_per_phone", "2/1h")
            .set("limits.failures_per_phone", "1/1h")
            .start()
            .await;
        let faulty = Faulty::over(&real);
        let app = real
            .setup()
            .parts(|parts| faulty.put_into(parts))
            .start()
            .await;
        // Whose rows a liar gives.
        app.sign_in("+8613900000000").await;
        let signed_in = app.sign_in("+8613900000001").await;
        let asked = app.code("+8613900000002").await;
        app.delivery(&asked.id).await;
        app.clock.advance_secs(1);
        let case = Self {
            app,
            part,
            fault,
            asked,
            signed_in,
        };
        faulty.fail(part, fault);
        case.everything_that_needs_it_is_a_503().await;
        faulty.heal();
        case.nothing_was_spent().await;
    }

    /// The calls, and the stores that each cannot do without.
    fn calls(&self) -> Vec<(Request, &'static [Part])> {
        use Part::{Codes, RateLimits, Sessions, Users};
        let (app, access) = (&self.app, &self.signed_in.access);
        let code = format!("/v1/phone-codes/{}", self.asked.id);
        vec![
            (app.ask("+8613900000003"), &[Codes, RateLimits]),
            (app.get(&code), &[Codes]),
            (app.post(&format!("{code}/resend")), &[Codes, RateLimits]),
            (
                app.enter(&self.asked.id, &self.asked.digits),
                &[Codes, RateLimits, Sessions, Users],
            ),
            (app.refresh(&self.signed_in.refresh), &[Sessions, Users]),
            (app.get("/v1/sessions/current").bearer(access), &[Sessions]),
            (app.get("/v1/sessions").bearer(access), &[Sessions]),
            (app.get("/v1/users/me").bearer(access), &[Sessions, Users]),
            (
                app.delete("/v1/sessions/current").bearer(access),
                &[Sessions],
            ),
            (app.delete("/v1/sessions").bearer(access), &[Sessions]),
        ]
    }

    async fn everything_that_needs_it_is_a_503(&self) {
        let needing = self
            .calls()
            .into_iter()
            .filter(|(_, parts)| parts.contains(&self.part));
        // Asking and opening a session read nothing back that a lie could be in.
        let blind = |call: &Request| match self.part {
            Part::Codes => call.is_to("/v1/phone-codes"),
            Part::Sessions => call.is_to("/v1/sessions") && call.is_post(),
            _ => false,
        };
        let tried = needing.filter(|(call, _)| self.fault != Fault::Lying || !blind(call));
        join_all(tried.map(|(call, _)| async move {
            let started = Instant::now();
            let answer = call.clone().await;
            let told = format!("{:?} {:?}: {call:?}", self.part, self.fault);
            assert_eq!(answer.status, 503, "{told}: {}", answer.text());
            answer.problem(503, "unavailable");
            assert!(
                started.elapsed() < IN_TIME,
                "{told}: {:?}",
                started.elapsed()
            );
        }))
        .await;
        if self.fault != Fault::Lying {
            let ready = Request::new(self.app.ops(), "GET", "/readyz").await.ok(503);
            for part in PARTS {
                let expected = if part == self.part { "down" } else { "up" };
                assert_eq!(ready[part.as_str()], expected, "{ready}");
            }
        }
    }

    /// Each of these would be refused if the call before had cost anything. What was under way
    /// when the store came back may still be giving it back.
    async fn nothing_was_spent(&self) {
        let app = &self.app;
        let comes = async |call: Request, status: u16| {
            until("what was there before", async || {
                let answer = call.clone().await;
                (answer.status == status).then_some(answer)
            })
            .await
        };
        comes(app.get("/v1/users/me").bearer(&self.signed_in.access), 200).await;
        comes(app.refresh(&self.signed_in.refresh), 200).await;
        comes(app.enter(&self.asked.id, &self.asked.digits), 201).await;
        for _ in 0..2 {
            comes(app.ask("+8613900000003"), 202).await;
            app.clock.advance_secs(1);
        }
    }
}
