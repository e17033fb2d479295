//! Losses in emitted code against figures that PyTorch computed. (`tests/pytorch.rs` has the same of the reference.)

#[path = "../../common/mod.rs"]
mod common;

use nnc::Train;
use serde_json::Value;

use common::{Emitted, Expected, assert_close, figures, numbers};

include!(concat!(env!("OUT_DIR"), "/losses.rs"));

/// A step of `sgd(lr = 1024)` moves a weight by 1024 gradients; a power of two loses nothing.
const RATE: f64 = 1024.0;
/// Of the largest value, in f32.
const SINGLE: f64 = 1e-5;

/// The entry at this place, in both reductions.
fn loss(at: usize, mean: impl Train, sum: impl Train) {
    let entry = &figures("losses.json")["losses"][at];
    of_reduction(entry, "mean", mean);
    of_reduction(entry, "sum", sum);
}

/// Loss and gradient of a batch: the outputs are an identity of the input, and its bias gets their gradients' sum.
fn of_reduction(entry: &Value, reduction: &str, model: impl Train) {
    let what = |part: &str| format!("{}, {reduction}: {part}", entry["call"]);
    let outputs = numbers(&entry["output"][0]).len();
    let identity = (0..outputs * outputs).map(|at| if at % (outputs + 1) == 0 { 1.0 } else { 0.0 });
    let x = numbers(&entry["output"]);
    let target = Expected::new(entry["target_kind"].as_str().expect("a kind"), numbers(&entry["target"]));
    let expected = &entry[reduction];

    let mut model = Emitted(model);
    model.set(&[("out.weight".to_owned(), identity.collect())].into());
    let loss = numbers(&expected["loss"]);
    assert_close(&what("loss in evaluation"), &[model.loss(&x, &target)], &loss, SINGLE);
    let before = model.get();
    assert_close(&what("loss"), &[model.step(&x, &target)], &loss, SINGLE);
    let after = model.get();

    let by_output = numbers(&expected["gradient"]);
    let largest = by_output.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    for (k, (before, after)) in before["out.bias"].iter().zip(&after["out.bias"]).enumerate() {
        let found = (before - after) / RATE;
        let sum: f64 = by_output.iter().skip(k).step_by(outputs).sum();
        let error = (found - sum).abs();
        assert!(error <= SINGLE * largest, "{}: {found}, expected {sum}", what("gradient"));
    }
}
