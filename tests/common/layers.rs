//! Figures of layers alone: `layers.json` and `shapes.json` in `tests/data/pytorch`.
//!
//! Before the layer stands a dense layer that changes nothing: its gradient is made of that by the layer's input.

use std::collections::BTreeMap;

use nnc::Train;
use serde_json::Value;

use super::{Emitted, Expected, Reference, assert_close, compiled, numbers, tensors};

/// Of the largest value, in f32.
const SINGLE: f64 = 1e-5;
/// Of the largest value, in f64.
const DOUBLE: f64 = 1e-10;
/// A step of `sgd(lr = 1024)` moves a weight by 1024 gradients.
const RATE: f64 = 1024.0;

/// An entry of the figures.
pub struct Layer<'e>(pub &'e Value);

impl Layer<'_> {
    fn call(&self) -> &str {
        self.0["call"].as_str().expect("a call is a text")
    }

    pub fn shape(&self) -> Vec<u64> {
        let sizes = self.0["shape"].as_array().expect("a shape");
        sizes.iter().map(|n| n.as_u64().expect("a size")).collect()
    }

    fn width(&self) -> usize {
        self.shape().iter().product::<u64>() as usize
    }

    /// What stands in the model: the call, or a few chains that use it.
    pub fn body(&self) -> String {
        self.0["body"].as_str().map_or_else(|| format!("layer: {}", self.call()), str::to_owned)
    }

    /// The layer's weights, and those of the layer before it, which changes nothing.
    fn weights(&self) -> BTreeMap<String, Vec<f64>> {
        let width = self.width();
        let one = (0..width * width).map(|at| if at % (width + 1) == 0 { 1.0 } else { 0.0 }).collect();
        let mut weights = named(&self.0["weights"]);
        weights.insert("same.weight".to_owned(), one);
        weights
    }

    /// The gradients of all weights of the model: that of the layer before is the sum over samples of d_x xᵀ.
    fn gradients(&self, figures: &Value) -> BTreeMap<String, Vec<f64>> {
        let width = self.width();
        let (x, d_x) = (numbers(&self.0["x"]), numbers(&figures["gradient"]));
        let mut same = vec![0.0; width * width];
        for (d, x) in d_x.chunks_exact(width).zip(x.chunks_exact(width)) {
            for (at, sum) in same.iter_mut().enumerate() {
                *sum += d[at / width] * x[at % width];
            }
        }
        let mut gradients = named(&figures["gradients"]);
        gradients.insert("same.weight".to_owned(), same);
        gradients
    }

    fn what(&self, part: &str) -> String {
        format!("{} of {:?}: {part}", self.call(), self.shape())
    }

    /// The reference is held against figures in f64.
    pub fn check_reference(&self, figures: &Value) {
        let width = self.width();
        let model = compiled(&format!(
            "loss through(output, target) = sum(output * target)\nmodel M {{\n input [{width}]\n same: dense({width}, bias = false)\n reshape({:?})\n {}\n loss through(reduction = sum)\n optimizer sgd(lr = 1024)\n}}",
            self.shape(),
            self.body()
        ));
        let mut reference = Reference::new(&model.graph);
        reference.set(&self.weights());
        let (x, factor) = (numbers(&self.0["x"]), Expected::Values(numbers(&self.0["factor"])));
        assert_close(&self.what("output"), &reference.predict(&x), &numbers(&figures["output"]), DOUBLE);
        let (_, found) = reference.gradients(&x, &factor);
        for (tensor, expected) in self.gradients(figures) {
            assert_close(&self.what(&tensor), &found[&tensor], &expected, DOUBLE);
        }
    }

    /// Emitted f32 code is held against figures.
    pub fn check_emitted(&self, figures: &Value, model: impl Train) {
        let (mut model, weights) = (Emitted(model), self.weights());
        model.set(&weights);
        let (x, factor) = (numbers(&self.0["x"]), numbers(&self.0["factor"]));
        let output = numbers(&figures["output"]);
        assert_close(&self.what("output"), &model.predict(&x), &output, SINGLE);
        // One sample goes another way.
        let width = self.width();
        let first = &output[..output.len() / (x.len() / width)];
        assert_close(&self.what("first sample"), &model.predict(&x[..width]), first, SINGLE);
        model.step(&x, &Expected::Values(factor));
        let after = model.get();
        for (tensor, expected) in self.gradients(figures) {
            let pairs = weights[&tensor].iter().zip(&after[&tensor]);
            let moved: Vec<f64> = pairs.map(|(before, after)| (before - after) / RATE).collect();
            assert_close(&self.what(&tensor), &moved, &expected, SINGLE);
        }
    }
}

/// `layer.weight` for `weight`.
fn named(values: &Value) -> BTreeMap<String, Vec<f64>> {
    tensors(values).into_iter().map(|(name, values)| (format!("layer.{name}"), values)).collect()
}
