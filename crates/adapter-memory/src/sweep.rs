use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use domain::timestamp::Timestamp;

/// The most entries removed under one lock: a call that waits behind it hardly notices.
const STEP: usize = 256;

/// Sweeps step by step until `limit` entries are gone or a step finds no more.
pub(crate) fn in_steps(limit: usize, mut sweep: impl FnMut(usize) -> usize) -> usize {
    let mut removed = 0;
    while removed < limit {
        let step = STEP.min(limit - removed);
        let swept = sweep(step);
        removed += swept;
        if swept < step {
            break;
        }
    }
    removed
}

/// Keys in the order in which their entries are over, so that a sweep looks at nothing else.
///
/// Each entry has one place here. The place may be too early: an entry that was prolonged gets
/// its new place when the old one is reached, so prolonging costs nothing.
pub(crate) struct ExpiryQueue<K>(BinaryHeap<Reverse<(Timestamp, K)>>);

impl<K: Ord + Copy> ExpiryQueue<K> {
    pub(crate) fn push(&mut self, over_at: Timestamp, key: K) {
        self.0.push(Reverse((over_at, key)));
    }

    /// Takes out a key that is over at `now`, if there is one.
    pub(crate) fn pop(&mut self, now: Timestamp, over_at: impl Fn(&K) -> Timestamp) -> Option<K> {
        loop {
            let mut first = self.0.peek_mut()?;
            let Reverse((place, key)) = *first;
            if place > now {
                return None;
            }
            let over_at = over_at(&key);
            if over_at <= now {
                PeekMut::pop(first);
                return Some(key);
            }
            *first = Reverse((over_at, key));
        }
    }

    /// Gives memory back once most of it is unused.
    pub(crate) fn trim(&mut self) {
        if is_sparse(self.0.len(), self.0.capacity()) {
            self.0.shrink_to(self.0.len() * 2);
        }
    }
}

impl<K: Ord> Default for ExpiryQueue<K> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

/// Whether most of the places of a collection are unused, so that it should give memory back.
pub(crate) fn is_sparse(len: usize, capacity: usize) -> bool {
    capacity > STEP && len < capacity / 4
}
