//! Whole networks against what PyTorch computed for them (`figures/training.py`): emitted code by outputs, a loss, and the
//! losses of steps, the f64 reference by gradients too.

use nnc::Train;
use nnc_compiler::CompiledModel;
use serde_json::Value;

use super::{Emitted, Expected, Reference, assert_close, figures, numbers, tensors};

/// Of the largest value, in f32.
const SINGLE: f64 = 1e-5;
/// Of the loss and of outputs, after steps in f32: AdamW divides by gradients, those near 0 by what rounding made of them.
const TRAINED: f64 = 1e-4;
/// Of the largest value, in f64: gradients are printed with eleven digits.
const DOUBLE: f64 = 1e-10;
/// Of the same after steps, in which gradients that are 0 but for rounding have a part.
const TRAINED_DOUBLE: f64 = 1e-8;

/// The figures of one network.
pub struct Case {
    name: String,
    entry: Value,
    pub input: Vec<f64>,
    target: Expected,
}

impl Case {
    /// Of `name.nn` in a file of figures; `kind` is that of its targets.
    pub fn new(file: &str, name: &str, kind: &str) -> Self {
        let figures = figures(file);
        let mut entries = figures["models"].as_array().expect("entries").iter();
        let entry = entries.find(|entry| entry["model"] == format!("{name}.nn"));
        let entry = entry.expect("the model's figures").clone();
        let target = Expected::new(kind, numbers(&entry["target"]));
        Self { name: name.to_owned(), input: numbers(&entry["input"]), target, entry }
    }

    pub fn numbers(&self, precision: &str, figure: &str) -> Vec<f64> {
        numbers(&self.entry[precision][figure])
    }

    /// Fails unless `found` is the figure.
    fn assert(&self, precision: &str, figure: &str, found: &[f64], tolerance: f64) {
        let expected = self.numbers(precision, figure);
        assert_close(&format!("{}: {figure}", self.name), found, &expected, tolerance);
    }

    /// Emitted code in f32.
    pub fn check<M: Train>(&self, model: M) {
        let mut model = Emitted(model);
        model.set(&tensors(&self.entry["weights"]));
        self.assert("f32", "output", &model.predict(&self.input), SINGLE);
        // One sample goes another way.
        let (inputs, outputs) = (model.0.info().input_len(), model.0.info().output_len());
        let expected = self.numbers("f32", "output");
        let first = model.predict(&self.input[..inputs]);
        assert_close(&format!("{}: first output", self.name), &first, &expected[..outputs], SINGLE);
        self.assert("f32", "loss", &[model.loss(&self.input, &self.target)], SINGLE);
        let steps = self.numbers("f32", "losses").len();
        let losses: Vec<_> = (0..steps).map(|_| model.step(&self.input, &self.target)).collect();
        self.assert("f32", "losses", &losses, TRAINED);
        self.assert("f32", "trained_output", &model.predict(&self.input), TRAINED);
    }

    /// The f64 reference.
    pub fn check_reference(&self, model: &CompiledModel) {
        let mut reference = Reference::new(&model.graph);
        reference.set(&tensors(&self.entry["weights"]));
        self.assert("f64", "output", &reference.predict(&self.input), DOUBLE);
        let loss = reference.interpreter.loss(&self.input, self.target.reference());
        self.assert("f64", "loss", &[loss], DOUBLE);
        let (loss, gradients) = reference.gradients(&self.input, &self.target);
        let losses = self.numbers("f64", "losses");
        assert_close(&format!("{}: loss of training", self.name), &[loss], &losses[..1], DOUBLE);
        let expected = tensors(&self.entry["f64"]["gradient"]);
        assert_eq!(expected.len(), gradients.len(), "{}: gradients", self.name);
        for (tensor, expected) in expected {
            assert_close(&format!("{}: d_{tensor}", self.name), &gradients[&tensor], &expected, DOUBLE);
        }
        let mut step = || reference.interpreter.step(&self.input, self.target.reference());
        let losses: Vec<_> = losses.iter().map(|_| step()).collect();
        self.assert("f64", "losses", &losses, TRAINED_DOUBLE);
        self.assert("f64", "trained_output", &reference.predict(&self.input), TRAINED_DOUBLE);
    }
}
