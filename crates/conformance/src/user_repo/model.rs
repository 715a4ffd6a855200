use std::collections::BTreeMap;
use std::sync::Arc;

use domain::id::UserId;
use domain::ports::{StoreError, UserRepo};
use domain::timestamp::Timestamp;
use domain::user::{NewUser, User};
use domain::vault::{PhoneIndex, SealedPhone};

use crate::Spawn;
use crate::history::{self, Dice, Model, Scene};

/// Random calls, one after another, are answered as [`Users`] answers.
pub async fn any_history_is_as_the_model_says(repo: Arc<dyn UserRepo>, _: Spawn) {
    history::any_history_is_as_the_model_says::<Users>(repo).await;
}

/// Random calls at once are answered as [`Users`] answers in some order of them.
pub async fn any_race_has_an_order(repo: Arc<dyn UserRepo>, spawn: Spawn) {
    history::any_race_has_an_order::<Users>(repo, spawn).await;
}

/// The users of a repository, by their numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Users(BTreeMap<u8, User>);

const USERS: u8 = 4;
const PHONES: u8 = 2;
/// Generations of keys: each phone has so many indexes.
const KEYS: u8 = 2;

/// A call of a [`UserRepo`]. A phone is known by any of its keys; a user's phone goes by the user's
/// number.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "named as in the port")]
pub enum Call {
    Find(u8),
    FindByPhone {
        phone: u8,
        keys: Vec<u8>,
    },
    /// The first key gives the index, the others the aliases.
    FindOrCreate {
        user: u8,
        keys: [u8; KEYS as usize],
    },
    Reseal {
        user: u8,
        key: u8,
    },
    Delete(u8),
}

/// An answer of a [`UserRepo`].
#[derive(Debug, PartialEq)]
#[allow(missing_docs, reason = "the types say it")]
pub enum Answer {
    Flag(bool),
    User(Option<User>),
    Created(User, bool),
}

fn id(scene: &Scene, number: u8) -> UserId {
    UserId::from_bytes(scene.bytes(number))
}

fn index(scene: &Scene, phone: u8, key: u8) -> PhoneIndex {
    PhoneIndex::from_bytes(scene.bytes(phone * KEYS + key))
}

fn indexes(scene: &Scene, phone: u8, keys: &[u8]) -> Vec<PhoneIndex> {
    keys.iter().map(|key| index(scene, phone, *key)).collect()
}

/// The phone of that user.
fn sealed(scene: &Scene, user: u8, key: u8) -> SealedPhone {
    let text = [
        &scene.bytes::<16>(user)[..],
        &scene.now.as_millis().to_be_bytes(),
    ];
    SealedPhone::from_stored(index(scene, user % PHONES, key), text.concat())
}

fn new_user(scene: &Scene, user: u8, keys: &[u8]) -> NewUser {
    NewUser {
        user: User {
            id: id(scene, user),
            phone: sealed(scene, user, keys[0]),
            created_at: scene.now,
        },
        aliases: indexes(scene, user % PHONES, &keys[1..]),
    }
}

impl Users {
    fn of_phone(&self, indexes: &[PhoneIndex]) -> Option<&User> {
        self.0
            .values()
            .find(|user| indexes.contains(user.phone.index()))
    }
}

impl Model for Users {
    type Port = dyn UserRepo;
    type Call = Call;
    type Answer = Answer;
    const SWEPT: u8 = 0;

    fn random(dice: &mut Dice, _: &[Timestamp]) -> Call {
        let user = dice.low(USERS);
        let keys = dice.pick(&[[0, 1], [1, 0]]);
        match dice.below(10) {
            0 => Call::Find(user),
            1 | 2 => Call::FindByPhone {
                phone: user % PHONES,
                keys: keys[..dice.pick(&[1, 2, 2])].to_vec(),
            },
            3..=6 => Call::FindOrCreate { user, keys },
            7 | 8 => Call::Reseal {
                user,
                key: dice.below(KEYS),
            },
            _ => Call::Delete(user),
        }
    }

    fn looks() -> Vec<Call> {
        let index = |number| Call::FindByPhone {
            phone: number / KEYS,
            keys: vec![number % KEYS],
        };
        (0..USERS)
            .map(Call::Find)
            .chain((0..PHONES * KEYS).map(index))
            .collect()
    }

    fn answer(&mut self, call: &Call, scene: &Scene) -> Answer {
        match call {
            Call::Find(user) => Answer::User(self.0.get(user).cloned()),
            Call::FindByPhone { phone, keys } => {
                Answer::User(self.of_phone(&indexes(scene, *phone, keys)).cloned())
            }
            Call::FindOrCreate { user, keys } => {
                let known = self.of_phone(&indexes(scene, user % PHONES, keys)).cloned();
                let created = known.is_none();
                let found = known.unwrap_or_else(|| new_user(scene, *user, keys).user);
                if created {
                    self.0.insert(*user, found.clone());
                }
                Answer::Created(found, created)
            }
            Call::Reseal { user, key } => {
                let known = self.0.get_mut(user);
                Answer::Flag(
                    known
                        .map(|known| known.phone = sealed(scene, *user, *key))
                        .is_some(),
                )
            }
            Call::Delete(user) => Answer::Flag(self.0.remove(user).is_some()),
        }
    }

    fn sweep(&mut self, _: u8, _: Timestamp) -> bool {
        false
    }

    async fn ask(repo: &Self::Port, call: &Call, scene: &Scene) -> Result<Answer, StoreError> {
        Ok(match call {
            Call::Find(user) => Answer::User(repo.find(id(scene, *user)).await?),
            Call::FindByPhone { phone, keys } => {
                Answer::User(repo.find_by_phone(&indexes(scene, *phone, keys)).await?)
            }
            Call::FindOrCreate { user, keys } => {
                let (user, created) = repo.find_or_create(&new_user(scene, *user, keys)).await?;
                Answer::Created(user, created)
            }
            Call::Reseal { user, key } => Answer::Flag(
                repo.reseal(id(scene, *user), &sealed(scene, *user, *key))
                    .await?,
            ),
            Call::Delete(user) => Answer::Flag(repo.delete(id(scene, *user)).await?),
        })
    }

    async fn ask_to_sweep(_: &Self::Port, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }
}
