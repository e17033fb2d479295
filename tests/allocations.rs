//! A model allocates when it is made, and never again; and what it takes is what `nnc summary --memory` says.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Of this thread: the harness allocates in its own while the test runs.
    static COUNT: Cell<usize> = const { Cell::new(0) };
    /// Bytes that were given out and not taken back.
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

fn count() -> usize {
    COUNT.with(Cell::get)
}

struct Counting;

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        BYTES.with(|bytes| bytes.set(bytes.get().wrapping_add(layout.size())));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        BYTES.with(|bytes| bytes.set(bytes.get().wrapping_sub(layout.size())));
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

#[test]
fn steps_and_predictions_do_not_allocate() {
    let x = [[0.5; 20]; 24];
    let classes = [3; 24];
    let mut out = [0.0; 24 * 5];
    let mut model = Net::new(1);
    let before = count();
    let mut loss = 0.0;
    for samples in 1..=24 {
        loss = model.train_step(&x[..samples], &classes[..samples]).expect("the rows fit");
    }
    let y = model.predict(&x[0]);
    nnc::Model::predict_rows(&model, x.as_flattened(), &mut out).expect("the rows fit");
    let after = count();
    assert!(loss.is_finite() && y.iter().chain(&out).all(|value| value.is_finite()));
    assert_eq!(after, before, "allocations in 24 steps and 25 predictions");
    drop(Net::new(2));
    assert!(count() > after, "the counter counts");
}

/// How often memory was taken, after each step.
struct Counts {
    counts: [usize; 32],
    steps: usize,
}

impl nnc::fit::Callback for Counts {
    fn on_step(&mut self, _: &nnc::fit::StepReport) -> std::ops::ControlFlow<()> {
        self.counts[self.steps] = count();
        self.steps += 1;
        std::ops::ControlFlow::Continue(())
    }
}

#[test]
fn nor_do_samples_that_are_augmented() {
    use nnc::data::{Augmentation, DataSet, Fill, Split, Targets};

    let data = DataSet::from_rows(vec![0.25; 100 * 144], 144, Targets::Classes(vec![1; 100]));
    let split = Split::from(data.expect("whole rows"));
    let crop = Augmentation::Crop { padding: 2, fill: Fill::Reflect };
    let augment =
        vec![Augmentation::Shift { pixels: 1 }, Augmentation::Flip, crop, Augmentation::Noise { std: 0.1 }];
    let options = nnc::fit::FitOptions { epochs: 2, augment, ..Default::default() };
    let mut seen = Counts { counts: [0; 32], steps: 0 };
    Images::new(1).fit(&split, &options, &mut seen).expect("it trains");
    assert_eq!(seen.steps, 10);
    for epoch in seen.counts[..10].chunks(5) {
        assert!(epoch.iter().all(|count| *count == epoch[0]), "allocations in an epoch: {epoch:?}");
    }
}

nnc::network! {
    model Images {
        input [2, 8, 9]
        conv2d(5, kernel = 3, padding = same, bias = false) -> batch_norm -> relu -> max_pool2d(2)
        residual { conv2d(7, kernel = 3, padding = 1) -> relu }
        global_avg_pool
        dense(3)
        loss cross_entropy
        optimizer momentum(lr = 0.01)
    }
    train { batch 20 }
}

#[test]
fn nor_do_those_of_images() {
    let x = vec![0.25; 20 * 144];
    let mut model = Images::new(1);
    let before = count();
    for samples in [20, 1, 17] {
        let classes = [2; 20];
        let target = nnc::model::Target::Classes(&classes[..samples]);
        nnc::Train::step_rows(&mut model, &x[..samples * 144], target).expect("the rows fit");
    }
    let out = model.predict(&[[[0.25; 9]; 8]; 2]);
    assert_eq!(count(), before, "allocations in 3 steps and a prediction");
    assert!(out.iter().all(|value| value.is_finite()));
    // A batch of predictions has more than 64 KiB of values: the first takes them from the heap, for all that follow.
    let mut rows = [0.0; 20 * 3];
    for predictions in 1..=3 {
        nnc::Model::predict_rows(&model, &x, &mut rows).expect("the rows fit");
        assert_eq!(count(), before + 1, "allocations in {predictions} batches of predictions");
    }
    assert_eq!(rows.as_chunks().0, [out; 20]);
}

mod lenet {
    nnc::network!("benches/lenet.nn");
}

mod halves {
    nnc::network!("tests/data/models/halves.nn");
}

mod resnet20 {
    nnc::network!("benches/resnet20.nn");
}

mod encoder {
    nnc::network!("tests/data/models/sequence.nn");
}

#[test]
fn nor_does_a_step_that_is_divided_between_threads() {
    assert!(compiled("benches/lenet.nn").plan.is_divided());
    nnc::Threads::cap(2);
    let mut model = lenet::LeNet::new(1);
    let (x, classes) = (vec![0.25; 64 * 784], [2; 64]);
    let before = count();
    for samples in [64, 17, 64] {
        let target = nnc::model::Target::Classes(&classes[..samples]);
        nnc::Train::step_rows(&mut model, &x[..samples * 784], target).expect("the rows fit");
    }
    assert_eq!(count(), before, "allocations in 3 steps");
}

fn compiled(path: &str) -> nnc_compiler::CompiledModel {
    let text = std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR")));
    let compilation = nnc_compiler::compile(path, &text.expect("the model is there"), &Default::default());
    compilation.models.into_iter().next().expect("a model")
}

/// Bytes of a model on the heap, and those that the compiler foretells.
fn bytes<M>(path: &str, make: impl FnOnce() -> M) -> (usize, usize) {
    let before = BYTES.with(Cell::get);
    let model = make();
    let found = BYTES.with(Cell::get).wrapping_sub(before);
    drop(model);
    (found, nnc_compiler::costs::training_bytes(&compiled(path)).expect("it is trained"))
}

#[test]
fn the_bytes_of_a_model_are_foretold() {
    let lenet = bytes("benches/lenet.nn", || lenet::LeNet::new(1));
    let encoder = bytes("tests/data/models/sequence.nn", || encoder::Sequence::new(1));
    let half = bytes("tests/data/models/halves.nn", || halves::Halves::new(1));
    let resnet = bytes("benches/resnet20.nn", || resnet20::ResNet20::new(1));
    for (found, foretold) in [lenet, encoder, half, resnet] {
        let fault = found.abs_diff(foretold) as f64 / found as f64;
        assert!(fault < 0.01, "foretold {foretold} bytes, found {found}");
    }
}
