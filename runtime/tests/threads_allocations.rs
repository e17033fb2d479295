//! Kernels in parts take no memory, on no thread.
#![cfg(feature = "threads")]
#![allow(unsafe_code)]
#![allow(clippy::extra_unused_type_parameters, reason = "every function of an entry has lanes")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nnc_runtime::__private::{First, Lanes, Threads, entries};
use nnc_runtime::Simd;

/// Of all threads. The harness may take memory of its own, but not again and again.
static COUNT: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[inline(always)]
fn fill<L: Lanes<Elem = f32>>(first: First, units: &mut [usize]) {
    for (i, unit) in units.iter_mut().enumerate() {
        *unit += first.0 + i;
    }
}

entries! {
    f32;
    Fill<'a> = each fill(first: First, units: &'a mut [usize]);
}

#[test]
fn parts_take_no_memory() {
    let simd = Simd::detect();
    let mut fewest = usize::MAX;
    for count in [2, 3, 8] {
        let threads = Threads::up_to(count);
        assert!(COUNT.load(Ordering::SeqCst) > 0, "the counter counts");
        for round in 0..10 {
            let before = COUNT.load(Ordering::SeqCst);
            let mut units = [0; 64];
            for _ in 0..50 {
                threads.run(simd, 64, Fill(First(0), &mut units));
            }
            // Workers sleep, and are woken.
            std::thread::sleep(Duration::from_millis(1));
            threads.run(simd, 64, Fill(First(0), &mut units));
            assert_eq!(units[63], 51 * 63);
            let taken = COUNT.load(Ordering::SeqCst) - before;
            fewest = if round == 0 { taken } else { fewest.min(taken) };
        }
        assert_eq!(fewest, 0, "with {count} threads");
    }
}
