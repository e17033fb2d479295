//! Emitted f64 code against the reference interpreter, which runs the graph as it was before any rewrite; and both
//! against central differences. Models of sequences are in `sequences.rs`.

mod common;

use std::collections::BTreeMap;

use nnc::Train;
use nnc_compiler::graph::Role;

use common::differential::{batch, check, check_slopes, text};
use common::{Emitted, Expected, Numbers, compiled, random_tensors};

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
    frozen: Half = "tests/data/models/frozen.nn";
    frozen_stored: Stored = "tests/data/models/frozen_stored.nn";
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

/// What is frozen keeps its bits, and what is not does not.
#[test]
fn frozen_tensors_stay_as_they_are() {
    for path in ["tests/data/models/frozen.nn", "tests/data/models/frozen_stored.nn"] {
        let model = compiled(&text(path));
        let mut numbers = Numbers(4);
        let tensors = random_tensors(&model, &mut numbers);
        let mut emitted: Box<dyn Steps> = if path.contains("stored") {
            Box::new(Emitted(frozen_stored::Stored::new(0)))
        } else {
            Box::new(Emitted(frozen::Half::new(0)))
        };
        let after = emitted.after(&tensors, &batch(&model, 16, &mut numbers));
        for tensor in &model.info.tensors {
            let is_same = after[&tensor.name] == tensors[&tensor.name];
            let below = tensor.layer.starts_with("batch_norm") && !tensor.layer.ends_with("_2");
            let is_kept = tensor.role == Role::Frozen || tensor.role == Role::Buffer && below;
            assert_eq!(is_same, is_kept, "{path}: `{}`", tensor.name);
        }
        assert!(model.info.tensors.iter().any(|tensor| tensor.role == Role::Frozen));
    }
}

/// Models of several types behind one face.
trait Steps {
    fn after(
        &mut self,
        tensors: &BTreeMap<String, Vec<f64>>,
        batch: &(Vec<f64>, Expected),
    ) -> BTreeMap<String, Vec<f64>>;
}

impl<M: Train> Steps for Emitted<M> {
    fn after(
        &mut self,
        tensors: &BTreeMap<String, Vec<f64>>,
        batch: &(Vec<f64>, Expected),
    ) -> BTreeMap<String, Vec<f64>> {
        self.set(tensors);
        for _ in 0..4 {
            self.step(&batch.0, &batch.1);
        }
        self.get()
    }
}
