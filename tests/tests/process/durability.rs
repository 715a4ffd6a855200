//! I8: what was acknowledged survives kill -9 under load.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tests_support::app::SignedIn;
use tests_support::http::{Answer, Request};
use tests_support::process::Service;
use tests_support::until;

use super::{CODE, test_number, with_test_numbers};

const CALLERS: usize = 6;

/// What a caller was told, and has to be true ever after.
#[derive(Clone)]
enum Told {
    SignedIn(SignedIn),
    /// Signed in, then refreshed: the old tokens' successor.
    Refreshed(SignedIn),
    SignedOut(SignedIn),
}

type Acknowledged = Arc<Mutex<Vec<Told>>>;

/// A caller that signs in, refreshes and signs out for as long as there is an answer.
struct Caller {
    phone: String,
    ask: Request,
    enter: Request,
    refresh: Request,
    sign_out: Request,
    acknowledged: Acknowledged,
}

impl Caller {
    fn of(service: &Service, n: usize, acknowledged: &Acknowledged) -> Self {
        Self {
            phone: test_number(n),
            ask: service.post("/v1/phone-codes"),
            enter: service.post("/v1/sessions"),
            refresh: service.post("/v1/sessions/refresh"),
            sign_out: service.delete("/v1/sessions/current"),
            acknowledged: Arc::clone(acknowledged),
        }
    }

    fn note(&self, told: Told) {
        self.acknowledged.lock().unwrap().push(told);
    }

    /// One person's visit; nothing once the service is gone.
    async fn visit(&self, n: usize) -> Option<()> {
        let call = |request: &Request, body| request.clone().json(body).attempt();
        let answer = |answer: std::io::Result<Answer>, status| Some(answer.ok()?.ok(status));
        let asked = answer(call(&self.ask, json!({ "phone": self.phone })).await, 202)?;
        let body = json!({ "phone_code_id": asked["id"], "code": CODE });
        let signed_in = SignedIn::from(answer(call(&self.enter, body).await, 201)?);
        // What is under way when the service dies may have happened or not, so it is not noted.
        match n % 3 {
            0 => self.note(Told::SignedIn(signed_in)),
            1 => {
                let body = json!({ "refresh_token": signed_in.refresh });
                let renewed = answer(call(&self.refresh, body).await, 200)?;
                self.note(Told::Refreshed(SignedIn::from(renewed)));
            }
            _ => {
                let sign_out = self.sign_out.clone().bearer(&signed_in.access);
                answer(sign_out.attempt().await, 204)?;
                self.note(Told::SignedOut(signed_in));
            }
        }
        Some(())
    }
}

async fn is_true(service: &Service, told: Told) {
    let refresh = |tokens: &SignedIn| {
        let body = json!({ "refresh_token": tokens.refresh });
        service.post("/v1/sessions/refresh").json(body)
    };
    let me = |tokens: &SignedIn| service.get("/v1/users/me").bearer(&tokens.access);
    match told {
        Told::SignedIn(tokens) | Told::Refreshed(tokens) => {
            assert_eq!(me(&tokens).await.ok(200), tokens.body["user"]);
            refresh(&tokens).await.ok(200);
        }
        Told::SignedOut(tokens) => {
            me(&tokens).await.problem(401, "unauthenticated");
            refresh(&tokens).await.problem(401, "refresh_rejected");
        }
    }
}

#[tokio::test]
async fn every_acknowledged_user_session_and_sign_out_survives_kill_9() {
    let installation = with_test_numbers(CALLERS).set("limits.sessions_per_user", "1000");
    let acknowledged = Acknowledged::default();
    for round in 1..=3 {
        let service = installation.serve().await;
        let killed = Arc::new(AtomicBool::new(false));
        let callers = (0..CALLERS).map(|n| {
            let caller = Caller::of(&service, n, &acknowledged);
            let killed = Arc::clone(&killed);
            tokio::spawn(async move {
                for visit in 0.. {
                    if caller.visit(visit).await.is_none() {
                        assert!(killed.load(Ordering::SeqCst), "it ended by itself");
                        return;
                    }
                }
            })
        });
        let callers: Vec<_> = callers.collect();
        until("visits under way", async || {
            (acknowledged.lock().unwrap().len() > round * 60).then_some(())
        })
        .await;
        killed.store(true, Ordering::SeqCst);
        service.kill();
        for caller in callers {
            caller.await.unwrap();
        }
    }
    let service = installation.serve().await;
    let told = std::mem::take(&mut *acknowledged.lock().unwrap());
    for fact in told {
        is_true(&service, fact).await;
    }
    // And it goes on as before.
    let caller = Caller::of(&service, 0, &acknowledged);
    caller.visit(0).await.expect("an answer");
}
