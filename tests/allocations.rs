//! A model allocates when it is made, and never again.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static COUNT: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
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

nnc::network! {
    model Net {
        input [20]
        normalize
        first: dense(64) -> relu
        second: dense(40) -> tanh
        head: dense(5)
        loss cross_entropy
        optimizer adam
    }
    train { batch 24 }
}

/// One test, for the counter is one for the whole process.
#[test]
fn steps_and_predictions_do_not_allocate() {
    let x = [[0.5; 20]; 24];
    let classes = [3; 24];
    let mut out = [0.0; 24 * 5];
    let mut model = Net::new(1);
    let before = COUNT.load(Ordering::Relaxed);
    let mut loss = 0.0;
    for samples in 1..=24 {
        loss = model.train_step(&x[..samples], &classes[..samples]).expect("the rows fit");
    }
    let y = model.predict(&x[0]);
    nnc::Model::predict_rows(&model, x.as_flattened(), &mut out).expect("the rows fit");
    let after = COUNT.load(Ordering::Relaxed);
    assert!(loss.is_finite() && y.iter().chain(&out).all(|value| value.is_finite()));
    assert_eq!(after, before, "allocations in 24 steps and 25 predictions");
    drop(Net::new(2));
    assert!(COUNT.load(Ordering::Relaxed) > after, "the counter counts");
}
