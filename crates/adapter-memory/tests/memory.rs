//! What a pending code costs, and that sweeping gives it back.
#![allow(unsafe_code, reason = "an allocator that counts is one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adapter_memory::{MemoryCodeStore, MemoryRateLimiter};
use conformance::sample::{self, NOW};
use domain::ports::{CodeStore, RateLimiter};
use domain::rate_limit::{Charge, Decision, Scope};

static IN_USE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

/// What an allocator keeps for a block, about: 16 bytes at a time.
fn kept_for(size: usize) -> usize {
    size.next_multiple_of(16)
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(kept_for(layout.size()), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(kept_for(layout.size()), Ordering::Relaxed);
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Just after the maps have doubled: the most expensive moment.
const CODES: usize = 60_000;

#[tokio::test]
async fn a_pending_code_costs_at_most_500_bytes_until_it_is_swept() {
    let shared: Vec<Charge> = (0..6)
        .map(|_| Charge {
            scope: Scope::SendsOverall,
            ..sample::charge(&[(u32::MAX, 3600)])
        })
        .collect();
    let (codes, limits) = (MemoryCodeStore::new(), MemoryRateLimiter::new());
    let before = IN_USE.load(Ordering::Relaxed);
    for _ in 0..CODES {
        // A phone of its own asks: one counter is its own, six are shared.
        let mut charges = vec![Charge {
            key: sample::counter_key(),
            ..shared[0].clone()
        }];
        charges.extend_from_slice(&shared);
        assert_eq!(
            limits.acquire(&charges, NOW).await.unwrap(),
            Decision::Granted
        );
        assert!(codes.put(&sample::phone_code()).await.unwrap());
    }
    let each = (IN_USE.load(Ordering::Relaxed) - before) / CODES;
    assert!(each <= 500, "a pending code costs {each} bytes");

    let over = NOW + Duration::from_secs(86_400);
    assert_eq!(codes.sweep(over, usize::MAX).await.unwrap(), CODES);
    assert_eq!(
        limits.sweep(over, usize::MAX).await.unwrap(),
        CODES + shared.len()
    );
    let left = IN_USE.load(Ordering::Relaxed).saturating_sub(before) / CODES;
    assert!(left <= 5, "a swept code still costs {left} bytes");
}
