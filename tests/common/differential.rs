//! Emitted f64 code against the reference interpreter, and its gradients against central differences.

use nnc::Train;
use nnc_compiler::CompiledModel;
use nnc_compiler::program::TargetKind;

use super::{Emitted, Expected, Numbers, Reference, assert_close, compiled, random_tensors};

/// Of the largest value of a tensor: orders of sums differ, and nothing else.
const SAME: f64 = 1e-12;

pub fn text(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).expect("the model is there")
}

/// A random batch.
pub fn batch(model: &CompiledModel, samples: usize, numbers: &mut Numbers) -> (Vec<f64>, Expected) {
    let x = numbers.take(samples * model.info.input.iter().product::<usize>());
    let of_row = model.info.inputs.iter().flat_map(|input| std::iter::repeat_n(input.tokens, input.len()));
    let x = x.into_iter().zip(of_row.cycle()).map(|(value, tokens)| match tokens {
        Some(tokens) => ((value + 1.0) / 2.0 * tokens as f64).floor(),
        None => value,
    });
    let x: Vec<f64> = x.collect();
    let target = match model.info.target() {
        Some((TargetKind::Class, n)) => Expected::Classes(
            (0..samples * model.info.positions())
                .map(|_| ((numbers.next() + 1.0) / 2.0 * n as f64) as u32)
                .collect(),
        ),
        Some((TargetKind::Values, n)) => {
            // Between 0 and 1, which every loss is defined for.
            let mut rows: Vec<f64> =
                numbers.take(samples * n).into_iter().map(|value| (value + 1.0) / 2.0).collect();
            // Classes stand among them as their indices; signs are at the ends.
            let mut at = 0;
            for target in model.info.outputs.iter().filter_map(|output| output.target) {
                if target.only_ends {
                    let (low, high) = target.range;
                    rows.iter_mut().for_each(|value| *value = if *value < 0.5 { low } else { high });
                }
                if target.kind == TargetKind::Class {
                    for row in rows.chunks_mut(n) {
                        for class in &mut row[at..at + target.width()] {
                            *class = (*class * target.len as f64).floor();
                        }
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
pub fn check<M: Train>(path: &str, new: impl Fn() -> M) {
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
        // For schedules that remember, an epoch of every step.
        let rates = (emitted.0.scheduled_rate(), reference.interpreter.scheduled_rate());
        assert_eq!(rates.0, rates.1, "{path}: rate");
        emitted.0.end_epoch(loss);
        reference.interpreter.end_epoch(loss);
    }
}

/// Gradients of the reference against central differences of its loss.
pub fn check_slopes(path: &str) {
    assert!(slopes_agree(path, &text(path)), "{path}: the loss is not finite");
}

/// The same of a text. Returns whether the loss is finite, so that there was something to compare.
pub fn slopes_agree(path: &str, text: &str) -> bool {
    let model = compiled(text);
    let mut numbers = Numbers(3);
    let tensors = random_tensors(&model, &mut numbers);
    let (x, target) = batch(&model, 5.min(model.info.batch), &mut numbers);
    let mut reference = Reference::new(&model.graph);
    reference.set(&tensors);
    let (loss, gradients) = reference.gradients(&x, &target);
    if !loss.is_finite() {
        return false;
    }
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
    true
}
