//! Emitted f64 code against the reference interpreter, which runs the graph as it was before any rewrite; and both
//! against central differences.

mod common;

use nnc::Train;
use nnc_compiler::CompiledModel;
use nnc_compiler::program::TargetKind;

use common::{Emitted, Expected, Numbers, Reference, assert_close, compiled, random_tensors};

/// Of the largest value of a tensor: orders of sums differ, and nothing else.
const SAME: f64 = 1e-12;

fn text(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).expect("the model is there")
}

/// A random batch.
fn batch(model: &CompiledModel, samples: usize, numbers: &mut Numbers) -> (Vec<f64>, Expected) {
    let x = numbers.take(samples * model.info.input.iter().product::<usize>());
    let target = match model.info.target() {
        Some((TargetKind::Class, n)) => Expected::Classes(
            (0..samples).map(|_| ((numbers.next() + 1.0) / 2.0 * n as f64) as u32).collect(),
        ),
        Some((TargetKind::Values, n)) => {
            // Between 0 and 1, which every loss is defined for.
            let mut rows: Vec<f64> =
                numbers.take(samples * n).into_iter().map(|value| (value + 1.0) / 2.0).collect();
            // Classes stand among them as their indices.
            let mut at = 0;
            for target in model.info.outputs.iter().filter_map(|output| output.target) {
                if target.kind == TargetKind::Class {
                    for row in rows.chunks_mut(n) {
                        row[at] = (row[at] * target.len as f64).floor();
                    }
                }
                at += target.width();
            }
            Expected::Values(rows)
        }
        None => panic!("the model has a loss"),
    };
    (x, target)
}

/// Predictions, losses, and what five steps on batches of every size make of the weights.
fn check<M: Train>(path: &str, new: impl Fn() -> M) {
    let model = compiled(&text(path));
    let mut numbers = Numbers(path.len() as u64);
    let tensors = random_tensors(&model, &mut numbers);
    let (mut emitted, mut reference) = (Emitted(new()), Reference::new(&model.graph));
    assert_eq!(emitted.0.info().spec_hash, model.info.spec_hash, "{path}: both are the same model");
    emitted.set(&tensors);
    reference.set(&tensors);
    emitted.0.set_horizon(3, 7);
    reference.interpreter.set_horizon(3, 7);
    for samples in [1, 2, 15, 16, 17, 40, 100] {
        let (x, _) = batch(&model, samples, &mut numbers);
        assert_close(
            &format!("{path}: {samples} predictions"),
            &emitted.predict(&x),
            &reference.predict(&x),
            SAME,
        );
    }
    let full = model.info.batch;
    for samples in [full, 1, full.div_ceil(2), full, full.saturating_sub(1).max(1)] {
        let (x, target) = batch(&model, samples, &mut numbers);
        let loss = reference.interpreter.loss(&x, target.reference());
        // Losses cross the border in f32.
        assert_close(&format!("{path}: loss"), &[emitted.loss(&x, &target)], &[loss], 1e-6);
        let loss = reference.interpreter.step(&x, target.reference());
        assert_close(&format!("{path}: loss of a step"), &[emitted.step(&x, &target)], &[loss], 1e-6);
        let found = emitted.get();
        for (tensor, expected) in reference.get() {
            assert_close(&format!("{path}: {tensor} after a step"), &found[&tensor], &expected, SAME);
        }
    }
}

/// Gradients of the reference against central differences of its loss.
fn check_slopes(path: &str) {
    let model = compiled(&text(path));
    let mut numbers = Numbers(3);
    let tensors = random_tensors(&model, &mut numbers);
    let (x, target) = batch(&model, 5.min(model.info.batch), &mut numbers);
    let mut reference = Reference::new(&model.graph);
    reference.set(&tensors);
    let (_, gradients) = reference.gradients(&x, &target);
    assert!(!gradients.is_empty());
    for (tensor, gradient) in &gradients {
        let largest = gradient.iter().fold(1e-3f64, |largest, value| largest.max(value.abs()));
        let stride = (gradient.len() / 12).max(1);
        for at in (0..gradient.len()).step_by(stride) {
            let mut loss_at = |by: f64| {
                let mut moved = tensors.clone();
                moved.get_mut(tensor).expect("it is there")[at] += by;
                reference.set(&moved);
                // In the form that is differentiated: that of training.
                reference.gradients(&x, &target).0
            };
            let h = 1e-5;
            let slope = (loss_at(h) - loss_at(-h)) / (2.0 * h);
            let error = (gradient[at] - slope).abs();
            assert!(
                error <= 1e-6 * largest,
                "{path}: d_{tensor}[{at}] = {}, by differences {slope}",
                gradient[at]
            );
        }
    }
}

macro_rules! models {
    ($($name:ident: $model:ident = $path:literal;)*) => {
        $(
            mod $name {
                nnc::network!($path);

                #[test]
                fn emitted_code_is_the_reference() {
                    super::check($path, || $model::new(0));
                }

                #[test]
                fn gradients_are_slopes() {
                    super::check_slopes($path);
                }
            }
        )*
    };
}

models! {
    chain: Chain = "tests/data/models/chain.nn";
    graph: Web = "tests/data/models/graph.nn";
    blocks: Blocks = "tests/data/models/blocks.nn";
    own: Own = "tests/data/models/own.nn";
    binary: Binary = "tests/data/models/binary.nn";
    norms: Norms = "tests/data/models/norms.nn";
    channels: Channels = "tests/data/models/channels.nn";
    convolutions: Convolutions = "tests/data/models/convolutions.nn";
    signals: Signals = "tests/data/models/signals.nn";
    outputs: Outputs = "tests/data/models/outputs.nn";
    pools: Pools = "tests/data/models/pools.nn";
    trained: Trained = "tests/data/models/trained.nn";
    slopes: Slopes = "tests/data/models/slopes.nn";
}

/// Gradients of emitted code against central differences of a loss that is computed here from its predictions.
#[test]
fn emitted_gradients_are_slopes() {
    let model = compiled(&text("tests/data/models/slopes.nn"));
    let mut numbers = Numbers(9);
    let tensors = random_tensors(&model, &mut numbers);
    let (x, target) = batch(&model, 21, &mut numbers);
    let Expected::Values(values) = &target else { panic!("the model has values") };
    let mut emitted = Emitted(slopes::Slopes::new(0));
    emitted.set(&tensors);
    emitted.step(&x, &target);
    let after = emitted.get();
    for (tensor, before) in &tensors {
        let moved = before.iter().zip(&after[tensor]);
        let gradient: Vec<f64> = moved.map(|(before, after)| (before - after) * 16.0).collect();
        let largest = gradient.iter().fold(1e-3f64, |largest, value| largest.max(value.abs()));
        for at in (0..gradient.len()).step_by((gradient.len() / 16).max(1)) {
            let mut loss_at = |by: f64| {
                let mut moved = tensors.clone();
                moved.get_mut(tensor).expect("it is there")[at] += by;
                emitted.set(&moved);
                let errors = emitted.predict(&x).into_iter().zip(values).map(|(y, t)| (y - t) * (y - t));
                errors.sum::<f64>() / values.len() as f64
            };
            let slope = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5;
            let error = (gradient[at] - slope).abs();
            assert!(error <= 1e-6 * largest, "d_{tensor}[{at}] = {}, by differences {slope}", gradient[at]);
        }
    }
}
