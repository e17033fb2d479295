//! Convolutions and pools of random shapes in emitted code, f64 and f32, against the reference: outputs, a loss, and
//! gradients. (`tests/shapes.rs` has those of the reference against central differences.)

#[path = "../../common/mod.rs"]
mod common;

use std::collections::BTreeMap;

use nnc::Train;

use common::{Emitted, Expected, Numbers, Reference, assert_close, compiled};

include!(concat!(env!("OUT_DIR"), "/windows.rs"));

/// A step of `sgd(lr = 1024)` moves a weight by 1024 gradients; a power of two loses nothing.
const RATE: f64 = 1024.0;
/// Samples of a step: less than a group of sixteen, and more.
const SAMPLES: [usize; 2] = [3, 19];

fn f64(text: &str, shape: &[usize], model: impl Train) {
    compare(text, shape, model, 1e-11);
}

fn f32(text: &str, shape: &[usize], model: impl Train) {
    compare(text, shape, model, 1e-5);
}

/// Fails unless the output has this shape, and both agree to `tolerance` of the largest number of a tensor.
fn compare(text: &str, shape: &[usize], model: impl Train, tolerance: f64) {
    let compiled = compiled(text);
    assert_eq!(compiled.info.output, shape, "{text}");
    let mut numbers = Numbers(text.len() as u64);
    // What reaches a unit is near 1, so that tanh lets gradients pass. Multiples of 1/1024 are the same in f32.
    let mut tensors = BTreeMap::new();
    for tensor in &compiled.info.tensors {
        let inputs: usize = tensor.shape.iter().skip(1).product();
        let scale = 1024.0 / (inputs as f64).sqrt();
        let values = numbers.take(tensor.shape.iter().product());
        let values = values.into_iter().map(|value| (value * scale).round() / 1024.0);
        tensors.insert(tensor.name.clone(), values.collect::<Vec<f64>>());
    }
    let (mut emitted, mut reference) = (Emitted(model), Reference::new(&compiled.graph));
    reference.set(&tensors);
    let of_sample = |shape: &[usize]| shape.iter().product::<usize>();
    let (inputs, outputs) = (of_sample(&compiled.info.input), of_sample(&compiled.info.output));
    let mut rows = |n: usize| -> Vec<f64> {
        numbers.take(n).into_iter().map(|value| (value * 1024.0).round() / 1024.0).collect()
    };
    for samples in SAMPLES {
        emitted.set(&tensors);
        let (x, target) = (rows(samples * inputs), Expected::Values(rows(samples * outputs)));
        let expected = reference.predict(&x);
        assert_close(&format!("{text}: outputs"), &emitted.predict(&x), &expected, tolerance);
        // One sample goes another way.
        let (first, one) = (emitted.predict(&x[..inputs]), reference.predict(&x[..inputs]));
        assert_close(&format!("{text}: outputs of a sample"), &first, &one, tolerance);
        let (loss, gradients) = reference.gradients(&x, &target);
        // A loss is a sum whose terms may cancel, and crosses the border in f32.
        let found = emitted.step(&x, &target);
        let largest = loss.abs().max(outputs as f64);
        assert!((found - loss).abs() <= 1e-5 * largest, "{text}: loss {found}, expected {loss}");
        let after = emitted.get();
        assert_eq!(gradients.len(), tensors.len(), "{text}");
        for (name, expected) in &gradients {
            let moved = tensors[name].iter().zip(&after[name]);
            let found: Vec<f64> = moved.map(|(before, after)| (before - after) / RATE).collect();
            assert_close(&format!("{text}: d_{name}"), &found, expected, tolerance);
        }
    }
}
