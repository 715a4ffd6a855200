use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::code::{Delivery, DeliveryStatus, PhoneCode};
use domain::id::PhoneCodeId;
use domain::ports::{CodeStore, StoreError};
use domain::timestamp::Timestamp;
use domain::vault::{KeyId, PhoneIndex, SealedPhone};

use crate::Spawn;
use crate::history::{self, Dice, Model, Scene};
use crate::sample;

/// Random calls, one after another, are answered as [`Codes`] answers.
pub async fn any_history_is_as_the_model_says(store: Arc<dyn CodeStore>, _: Spawn) {
    history::any_history_is_as_the_model_says::<Codes>(store).await;
}

/// Random calls at once are answered as [`Codes`] answers in some order of them.
pub async fn any_race_has_an_order(store: Arc<dyn CodeStore>, spawn: Spawn) {
    history::any_race_has_an_order::<Codes>(store, spawn).await;
}

/// The codes of a store, by their numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Codes(BTreeMap<u8, PhoneCode>);

const CODES: u8 = 3;
const PHONES: u8 = 3;

/// A call of a [`CodeStore`].
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "named as in the port")]
pub enum Call {
    Put(Issue),
    Get(u8),
    FindByPhone(Vec<u8>),
    BeginAttempt(u8),
    ReleaseAttempt(u8),
    Consume(u8),
    SetDelivery {
        code: u8,
        send: u8,
        status: DeliveryStatus,
    },
}

/// A code to be put.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "named as in the port")]
pub struct Issue {
    code: u8,
    phone: u8,
    attempts: u8,
    lives: Duration,
}

/// An answer of a [`CodeStore`].
#[derive(Debug, PartialEq)]
#[allow(missing_docs, reason = "the types say it")]
pub enum Answer {
    Done,
    Flag(bool),
    Code(Option<PhoneCode>),
    Codes(Vec<PhoneCode>),
}

fn id(scene: &Scene, number: u8) -> PhoneCodeId {
    PhoneCodeId::from_bytes(scene.bytes(number))
}

fn index(scene: &Scene, phone: u8) -> PhoneIndex {
    PhoneIndex::from_bytes(scene.bytes(phone))
}

fn indexes(scene: &Scene, phones: &[u8]) -> Vec<PhoneIndex> {
    phones.iter().map(|phone| index(scene, *phone)).collect()
}

/// A code whose fields tell which call put it.
fn code(scene: &Scene, new: Issue) -> PhoneCode {
    let Issue {
        code,
        phone,
        attempts,
        lives,
    } = new;
    // No two codes are equally old: the contract does not say which of them comes first.
    let created_at = scene.now + Duration::from_millis(code.into());
    let sealed: [u8; 30] = scene.bytes(code ^ attempts);
    PhoneCode {
        id: id(scene, code),
        phone: SealedPhone::from_stored(index(scene, phone), sealed),
        key: KeyId(code.into()),
        salt: scene.bytes(phone ^ attempts),
        length: sample::code_length(6 + phone),
        created_at,
        expires_at: scene.now + lives,
        tries: 5 + code,
        attempts,
        delivery: Delivery::first(created_at),
        ..sample::phone_code()
    }
}

fn delivery(scene: &Scene, send: u8, status: DeliveryStatus) -> Delivery {
    Delivery {
        send,
        status,
        queued_at: scene.now,
    }
}

impl Model for Codes {
    type Port = dyn CodeStore;
    type Call = Call;
    type Answer = Answer;
    const SWEPT: u8 = CODES;

    fn random(dice: &mut Dice, _: &[Timestamp]) -> Call {
        use DeliveryStatus::{Delivered, Failed, Queued, Sent};
        let code = dice.low(CODES);
        match dice.below(14) {
            0..=3 => Call::Put(Issue {
                code,
                phone: dice.low(PHONES),
                attempts: dice.pick(&[0, 0, 0, 1, 253]),
                lives: Duration::from_secs(dice.pick(&[60, 120, 360])),
            }),
            4 => Call::Get(code),
            5 | 6 => Call::FindByPhone(dice.some_below(PHONES)),
            7 | 8 => Call::BeginAttempt(code),
            9 => Call::ReleaseAttempt(code),
            10 | 11 => Call::Consume(code),
            _ => Call::SetDelivery {
                code,
                send: 1 + dice.below(3),
                status: dice.pick(&[Queued, Sent, Delivered, Failed]),
            },
        }
    }

    fn looks() -> Vec<Call> {
        (0..CODES)
            .map(Call::Get)
            .chain([Call::FindByPhone((0..PHONES).collect())])
            .collect()
    }

    fn answer(&mut self, call: &Call, scene: &Scene) -> Answer {
        let Self(codes) = self;
        match call {
            Call::Put(new) => {
                let is_new = !codes.contains_key(&new.code);
                codes.entry(new.code).or_insert_with(|| code(scene, *new));
                Answer::Flag(is_new)
            }
            Call::Get(number) => Answer::Code(codes.get(number).cloned()),
            Call::FindByPhone(phones) => {
                let indexes = indexes(scene, phones);
                let is_theirs = |code: &&PhoneCode| indexes.contains(code.phone.index());
                let mut found: Vec<_> = codes.values().filter(is_theirs).cloned().collect();
                found.sort_by_key(|code| Reverse(code.created_at));
                Answer::Codes(found)
            }
            Call::BeginAttempt(number) => Answer::Code(codes.get_mut(number).map(|code| {
                code.attempts = code.attempts.saturating_add(1);
                code.clone()
            })),
            Call::ReleaseAttempt(number) => {
                if let Some(code) = codes.get_mut(number) {
                    code.attempts = code.attempts.saturating_sub(1);
                }
                Answer::Done
            }
            Call::Consume(number) => {
                let unused = codes.get_mut(number).filter(|code| !code.consumed);
                Answer::Flag(unused.map(|code| code.consumed = true).is_some())
            }
            Call::SetDelivery { code, send, status } => {
                let newer = delivery(scene, *send, *status);
                let older = codes
                    .get_mut(code)
                    .filter(|code| code.delivery.yields_to(&newer));
                Answer::Flag(older.map(|code| code.delivery = newer).is_some())
            }
        }
    }

    fn sweep(&mut self, number: u8, now: Timestamp) -> bool {
        let is_over = self
            .0
            .get(&number)
            .is_some_and(|code| code.expires_at <= now);
        is_over && self.0.remove(&number).is_some()
    }

    async fn ask(store: &Self::Port, call: &Call, scene: &Scene) -> Result<Answer, StoreError> {
        Ok(match call {
            Call::Put(new) => Answer::Flag(store.put(&code(scene, *new)).await?),
            Call::Get(code) => Answer::Code(store.get(id(scene, *code)).await?),
            Call::FindByPhone(phones) => {
                Answer::Codes(store.find_by_phone(&indexes(scene, phones)).await?)
            }
            Call::BeginAttempt(code) => Answer::Code(store.begin_attempt(id(scene, *code)).await?),
            Call::ReleaseAttempt(code) => {
                store.release_attempt(id(scene, *code)).await?;
                Answer::Done
            }
            Call::Consume(code) => Answer::Flag(store.consume(id(scene, *code)).await?),
            Call::SetDelivery { code, send, status } => {
                let newer = delivery(scene, *send, *status);
                Answer::Flag(store.set_delivery(id(scene, *code), newer).await?)
            }
        })
    }

    async fn ask_to_sweep(
        store: &Self::Port,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, StoreError> {
        store.sweep(now, limit).await
    }
}
