use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use domain::code::{Delivery, PhoneCode};
use domain::id::PhoneCodeId;
use domain::ports::{CodeStore, StoreError};
use domain::timestamp::Timestamp;
use domain::vault::PhoneIndex;

use crate::lock::{Mutex, MutexGuard};
use crate::sweep::{self, ExpiryQueue};

/// Enough that the threads of a large machine seldom meet in one. Every order of locking fewer is
/// tried sooner.
const SHARDS: usize = if cfg!(test) { 2 } else { 64 };

/// The codes of this process.
///
/// A shard's lock may be held when the lock of a later shard or of `phones` is taken, never the
/// other way round. A phone's codes lie in several shards: who looks for them holds all of these at
/// once, or would see one code as it was before another.
pub struct MemoryCodeStore {
    shards: [Mutex<Shard>; SHARDS],
    phones: Mutex<BTreeSet<(PhoneTag, PhoneCodeId)>>,
}

#[derive(Default)]
struct Shard {
    // Boxed, because a map has up to twice as many places as entries.
    codes: HashMap<PhoneCodeId, Box<PhoneCode>>,
    queue: ExpiryQueue<PhoneCodeId>,
}

/// How a phone's index begins. A quarter of the memory, and the code tells whether it ends alike.
type PhoneTag = [u8; 8];

fn tag(index: &PhoneIndex) -> PhoneTag {
    index.as_bytes().first_chunk().copied().unwrap_or_default()
}

fn shard_of(id: &PhoneCodeId) -> usize {
    // The middle of an id is random; it begins with the time.
    usize::from(id.as_bytes()[8]) % SHARDS
}

/// Of these ids in these shards, the codes of these phones.
fn newest_first(
    shards: &[MutexGuard<'_, Shard>],
    ids: &BTreeSet<PhoneCodeId>,
    indexes: &[PhoneIndex],
) -> Vec<PhoneCode> {
    let found = ids
        .iter()
        .filter_map(|id| shards.iter().find_map(|shard| shard.codes.get(id)));
    let found = found.filter(|code| indexes.contains(code.phone.index()));
    let mut codes: Vec<_> = found.map(|code| PhoneCode::clone(code)).collect();
    codes.sort_by_key(|code| Reverse(code.created_at));
    codes
}

impl MemoryCodeStore {
    /// A store without codes.
    pub fn new() -> Self {
        Self {
            shards: [(); SHARDS].map(|()| Mutex::default()),
            phones: Mutex::default(),
        }
    }

    fn shard(&self, id: PhoneCodeId) -> MutexGuard<'_, Shard> {
        self.shards[shard_of(&id)].lock()
    }

    /// The codes of phones whose indexes begin like these.
    fn ids_of(&self, indexes: &[PhoneIndex]) -> BTreeSet<PhoneCodeId> {
        let [first, last] = [[0; 16], [u8::MAX; 16]].map(PhoneCodeId::from_bytes);
        let phones = self.phones.lock();
        let ids_of = |index| phones.range((tag(index), first)..=(tag(index), last));
        let ids = indexes.iter().flat_map(ids_of);
        ids.map(|(_, id)| *id).collect()
    }

    /// Changes a code, if it is there.
    fn change<T>(&self, id: PhoneCodeId, change: impl FnOnce(&mut PhoneCode) -> T) -> Option<T> {
        self.shard(id).codes.get_mut(&id).map(|code| change(code))
    }

    fn sweep_step(&self, shard: &Mutex<Shard>, now: Timestamp, limit: usize) -> usize {
        let Shard { codes, queue } = &mut *shard.lock();
        let mut removed = 0;
        while removed < limit {
            let over_at = |id: &PhoneCodeId| codes.get(id).map_or(now, |code| code.expires_at);
            let Some(id) = queue.pop(now, over_at) else {
                break;
            };
            if let Some(code) = codes.remove(&id) {
                self.phones.lock().remove(&(tag(code.phone.index()), id));
                removed += 1;
            }
        }
        if sweep::is_sparse(codes.len(), codes.capacity()) {
            codes.shrink_to(codes.len() * 2);
        }
        queue.trim();
        removed
    }
}

impl Default for MemoryCodeStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl CodeStore for MemoryCodeStore {
    async fn put(&self, code: &PhoneCode) -> Result<bool, StoreError> {
        let Shard { codes, queue } = &mut *self.shard(code.id);
        let Entry::Vacant(place) = codes.entry(code.id) else {
            return Ok(false);
        };
        place.insert(Box::new(code.clone()));
        queue.push(code.expires_at, code.id);
        self.phones
            .lock()
            .insert((tag(code.phone.index()), code.id));
        Ok(true)
    }

    async fn get(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError> {
        Ok(self.change(id, |code| code.clone()))
    }

    async fn find_by_phone(&self, indexes: &[PhoneIndex]) -> Result<Vec<PhoneCode>, StoreError> {
        let mut ids = self.ids_of(indexes);
        loop {
            let shards: BTreeSet<usize> = ids.iter().map(shard_of).collect();
            let shards: Vec<_> = shards
                .into_iter()
                .map(|at| self.shards[at].lock())
                .collect();
            let still = self.ids_of(indexes);
            if ids == still {
                return Ok(newest_first(&shards, &ids, indexes));
            }
            ids = still;
        }
    }

    async fn begin_attempt(&self, id: PhoneCodeId) -> Result<Option<PhoneCode>, StoreError> {
        Ok(self.change(id, |code| {
            code.attempts = code.attempts.saturating_add(1);
            code.clone()
        }))
    }

    async fn release_attempt(&self, id: PhoneCodeId) -> Result<(), StoreError> {
        self.change(id, |code| code.attempts = code.attempts.saturating_sub(1));
        Ok(())
    }

    async fn consume(&self, id: PhoneCodeId) -> Result<bool, StoreError> {
        let was_unused = self.change(id, |code| !std::mem::replace(&mut code.consumed, true));
        Ok(was_unused.unwrap_or(false))
    }

    async fn set_delivery(&self, id: PhoneCodeId, delivery: Delivery) -> Result<bool, StoreError> {
        let taken = self.change(id, |code| {
            let taken = code.delivery.yields_to(&delivery);
            if taken {
                code.delivery = delivery;
            }
            taken
        });
        Ok(taken.unwrap_or(false))
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut removed = 0;
        for shard in &self.shards {
            let sweep = |step| self.sweep_step(shard, now, step);
            removed += sweep::in_steps(limit - removed, sweep);
        }
        Ok(removed)
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
