//! Random histories of a code, against a small model that never heard of stores.

use std::collections::HashSet;
use std::time::Duration;

use domain::auth::Limits;
use domain::code::{CodeLength, ResendWaits};
use domain::id::PhoneCodeId;
use domain::ports::SmsError;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::model::{Answer, FAILURES, LIFETIME, Model, SENDS, TRIES, WAITS};
use crate::support::{Fault, NEIGHBOUR, PHONE, World, block_on, limit, vault};

const PHONES: [&str; 2] = [PHONE, NEIGHBOUR];
/// Steps whose failure fails the call; the others are only heard of.
const ESSENTIAL: [&str; 10] = [
    "queue.reserve",
    "limiter.acquire",
    "codes.put",
    "codes.get",
    "codes.find_by_phone",
    "codes.begin_attempt",
    "codes.set_delivery",
    "users.find_or_create",
    "tokens.issue",
    "sessions.insert",
];

#[derive(Debug, Clone)]
enum Act {
    Ask {
        phone: usize,
    },
    Resend {
        code: Index,
    },
    Deliver {
        outcome: usize,
    },
    /// With the digits of a code, or with digits that no code has.
    Guess {
        code: Index,
        digits: Option<Index>,
    },
    GuessByPhone {
        phone: usize,
        digits: Option<Index>,
    },
    Wait {
        ms: u64,
    },
}

fn acts() -> impl Strategy<Value = Act> {
    let digits = || prop::option::weighted(0.5, any::<Index>());
    let wait = prop_oneof![
        0..3_u64,
        59_999..60_002_u64,
        299_999..300_001_u64,
        0..400_000_u64
    ];
    prop_oneof![
        3 => (0..2_usize).prop_map(|phone| Act::Ask { phone }),
        2 => any::<Index>().prop_map(|code| Act::Resend { code }),
        4 => (0..6_usize).prop_map(|outcome| Act::Deliver { outcome }),
        3 => (any::<Index>(), digits()).prop_map(|(code, digits)| Act::Guess { code, digits }),
        // The right digits, which chance seldom finds.
        1 => any::<Index>().prop_map(|code| Act::Guess { code, digits: Some(code) }),
        2 => (0..2_usize, digits()).prop_map(|(phone, digits)| Act::GuessByPhone { phone, digits }),
        3 => wait.prop_map(|ms| Act::Wait { ms }),
    ]
}

fn outcome(number: usize) -> Option<SmsError> {
    Some(match number {
        0 => return None,
        1 => SmsError::Unknown("test".into()),
        2 => SmsError::Unavailable("test".into()),
        3 => SmsError::Misconfigured("test".into()),
        4 => SmsError::BadNumber("test".into()),
        _ => SmsError::SlowDown {
            retry_after: None,
            source: "test".into(),
        },
    })
}

/// The product beside the model.
struct Pair {
    world: World,
    model: Model,
    ids: Vec<PhoneCodeId>,
}

impl Pair {
    fn new() -> Self {
        let world = World::with(|policy| {
            policy.tries = TRIES as u8;
            policy.code_lifetime = LIFETIME;
            // So long that no two codes of a history are alike by chance.
            policy.code_length = CodeLength::new(10).unwrap();
            policy.resend_waits = ResendWaits::new(WAITS.to_vec()).unwrap();
            policy.limits = Limits {
                sends_per_phone: limit(&SENDS),
                failures_per_phone: limit(&FAILURES),
                ..Limits::default()
            };
        });
        let model = Model::at(world.fake.now());
        Self {
            world,
            model,
            ids: Vec::new(),
        }
    }

    /// The digits of a code, whether or not its message was ever sent.
    fn digits(&self, code: Option<usize>) -> String {
        let state = self.world.fake.state();
        let Some(code) = code.map(|code| &state.codes[&self.ids[code]]) else {
            return "0000000000".into();
        };
        let digits = vault(&[1], 1).digits(code.key, code.id, &code.salt, code.length);
        digits.unwrap().expose().to_owned()
    }

    fn pick(&self, index: &Index) -> Option<usize> {
        (!self.ids.is_empty()).then(|| index.index(self.ids.len()))
    }

    /// What the model says, and what the product does.
    fn act(&mut self, act: &Act) -> Option<(Answer, Answer)> {
        let (world, model) = (&self.world, &mut self.model.clone());
        let answers = match act {
            Act::Ask { phone } => {
                let asked = world.ask(PHONES[*phone]);
                self.ids.extend(asked.as_ref().map(|view| view.id));
                (model.ask(*phone), asked.into())
            }
            Act::Resend { code } => {
                let code = self.pick(code)?;
                (model.resend(code), world.resend(self.ids[code]).into())
            }
            Act::Guess { code, digits } => {
                let code = self.pick(code)?;
                let right = digits.as_ref().and_then(|digits| self.pick(digits));
                let answer = world.sign_in(self.ids[code], &self.digits(right));
                let right = right.filter(|right| *right == code);
                (model.guess_by_id(code, right), answer.into())
            }
            Act::GuessByPhone { phone, digits } => {
                let right = digits.as_ref().and_then(|digits| self.pick(digits));
                let answer = world.sign_in_by_phone(PHONES[*phone], &self.digits(right));
                (model.guess_by_phone(*phone, right), answer.into())
            }
            Act::Deliver { outcome: number } => {
                let job = world.fake.jobs.lock().pop_front();
                world.fake.gateway.lock().clear();
                world.fake.gateway.lock().extend(outcome(*number));
                if let Some(job) = job {
                    block_on(world.auth.deliver(&job));
                }
                model.deliver(*number);
                (Answer::Done, Answer::Done)
            }
            Act::Wait { ms } => {
                world.fake.advance(Duration::from_millis(*ms));
                model.now = world.fake.now();
                (Answer::Done, Answer::Done)
            }
        };
        // Our own trouble changes nothing at all.
        if answers.1 != Answer::Trouble {
            self.model = model.clone();
        }
        Some(answers)
    }

    fn compare(&self) {
        let (now, codes) = (self.model.now, &self.model.codes);
        assert_eq!(self.ids.len(), codes.len());
        for (id, code) in self.ids.iter().zip(codes) {
            let view = self.world.status(*id);
            assert_eq!(view.status, code.status(now));
            assert_eq!(view.resend_at, code.resend_at(now));
            assert_eq!(view.expires_at, code.expires_at);
            assert_eq!(
                u32::from(view.attempts_remaining),
                TRIES.saturating_sub(code.guesses)
            );
        }
        let used = codes.iter().filter(|code| code.used);
        let phones: HashSet<_> = used.clone().map(|code| code.phone).collect();
        let state = self.world.fake.state();
        assert_eq!(state.sessions.len(), used.count());
        assert!(state.users.len() >= phones.len() && state.users.len() <= 2);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_history_goes_as_the_model_says(
        history in prop::collection::vec(
            (acts(), prop::option::weighted(0.2, select(&ESSENTIAL[..]))),
            1..60,
        ),
    ) {
        let mut pair = Pair::new();
        for (act, failing) in history {
            let failing = failing.filter(|_| !matches!(act, Act::Deliver { .. }));
            pair.world.fake.arm(failing.map_or(Fault::None, Fault::Step));
            let answers = pair.act(&act);
            let reached = failing.is_some_and(|step| pair.world.fake.calls().contains(&step));
            pair.world.fake.arm(Fault::None);
            if let Some((expected, answer)) = answers {
                let expected = if reached { Answer::Trouble } else { expected };
                prop_assert_eq!(answer, expected, "{:?}", act);
            }
            pair.compare();
        }
    }
}
