//! Layers that normalise against figures that PyTorch computed (`tests/data/pytorch/norms.json`): outputs, gradients and
//! running figures of three batches, in training and in evaluation, emitted in f32 and interpreted in f64.

mod common;

use std::collections::BTreeMap;

use nnc::Train;
use nnc_compiler::{Options, compile};
use serde_json::Value;

use common::{Emitted, Expected, Reference, assert_close, compiled, figures, numbers, tensors};

/// Of the largest value, in f32.
const SINGLE: f64 = 1e-5;
/// Of the largest value, in f64.
const DOUBLE: f64 = 1e-10;
/// A step of `sgd(lr = 1024)` moves a weight by 1024 gradients.
const RATE: f64 = 1024.0;

fn shape(entry: &Value) -> Vec<u64> {
    entry["shape"].as_array().expect("a shape").iter().map(|n| n.as_u64().expect("a size")).collect()
}

fn entry(call: &str, sizes: &[u64]) -> Value {
    let figures = figures("norms.json");
    let entries = figures["norms"].as_array().expect("entries");
    let found = entries.iter().find(|entry| entry["call"] == call && shape(entry) == sizes);
    found.unwrap_or_else(|| panic!("no figures for {call} of {sizes:?}")).clone()
}

/// `norm.weight` for `weight`.
fn named(tensors: BTreeMap<String, Vec<f64>>) -> BTreeMap<String, Vec<f64>> {
    tensors.into_iter().map(|(name, values)| (format!("norm.{name}"), values)).collect()
}

/// Behind an activation that changes nothing, the layer; the loss is sum(output * target).
fn text(call: &str, sizes: &[u64]) -> String {
    format!(
        "activation probe(x, a: parameter = 0, b: parameter = 0, c: parameter = 0) = x + a * min(x, 0) + b * x^2 + c * x^3\n\
        loss through(output, target) = sum(output * target)\n\
        model M {{\n input {sizes:?}\n same: probe\n norm: {call}\n loss through(reduction = sum)\n optimizer sgd(lr = 1024)\n}}"
    )
}

/// The gradients of `probe`, made of those by x: sums over each feature of a vector or each channel. (x itself would
/// tell nothing: what is normalised does not depend on its scale, so that the sum of x times its gradient is 0.)
fn of_probe(sizes: &[u64], x: &[f64], d_x: &[f64]) -> BTreeMap<String, Vec<f64>> {
    let channels = sizes.first().map_or(1, |n| *n as usize);
    let places = sizes.iter().skip(1).product::<u64>() as usize;
    let mut sums = vec![vec![0.0; channels]; 3];
    for (at, (x, d)) in x.iter().zip(d_x).enumerate() {
        for (sums, by) in sums.iter_mut().zip([x.min(0.0), x * x, x * x * x]) {
            sums[at / places % channels] += d * by;
        }
    }
    ["same.a", "same.b", "same.c"].map(str::to_owned).into_iter().zip(sums).collect()
}

/// Fails unless the gradients of `probe` are those of the figures. What cancels in a sum is as exact as its parts.
fn assert_probe(
    what: &str,
    sizes: &[u64],
    x: &[f64],
    d_x: &[f64],
    found: &BTreeMap<String, Vec<f64>>,
    tolerance: f64,
) {
    let size = |values: &[f64]| values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    for (tensor, expected) in of_probe(sizes, x, d_x) {
        let room = tolerance * size(d_x) * size(x).powi(3).max(1.0) * x.len() as f64 / expected.len() as f64;
        for (found, expected) in found[&tensor].iter().zip(&expected) {
            assert!((found - expected).abs() <= room, "{what}: {tensor}: {found}, expected {expected}");
        }
    }
}

/// The reference.
#[test]
fn reference() {
    let figures = figures("norms.json");
    for entry in figures["norms"].as_array().expect("entries") {
        let (call, sizes) = (entry["call"].as_str().expect("a text"), shape(entry));
        // A layer without parameters takes no label.
        let text = text(call, &sizes).replace("norm: instance_norm\n", "instance_norm\n");
        let model = compiled(&text);
        let mut reference = Reference::new(&model.graph);
        reference.set(&named(tensors(&entry["weights"])));
        // Parameters of the interpreter are 0 before they are set.
        let channels = sizes.first().map_or(0, |n| *n as usize);
        if call.starts_with("batch_norm") {
            reference.set(&BTreeMap::from([("norm.running_var".to_owned(), vec![1.0; channels])]));
        }
        let start = reference.get();
        for (n, step) in entry["f64"].as_array().expect("steps").iter().enumerate() {
            let what = |part: &str| format!("{call} of {sizes:?}, batch {}: {part}", n + 1);
            let (x, factor) = (numbers(&entry["x"][n]), Expected::Values(numbers(&entry["factor"][n])));
            let outcome = reference.interpreter.gradients(&x, factor.reference()).expect("it is trained");
            let output: Vec<f64> = outcome.output.iter().copied().collect();
            assert_close(&what("output"), &output, &numbers(&step["output"]), DOUBLE);
            let (_, gradients) = reference.gradients(&x, &factor);
            for (tensor, expected) in named(tensors(&step["gradients"])) {
                assert_close(&what(&tensor), &gradients[&tensor], &expected, DOUBLE);
            }
            assert_probe(&what("gradient by x"), &sizes, &x, &numbers(&step["gradient"]), &gradients, DOUBLE);
            reference.interpreter.step(&x, factor.reference());
            let after = reference.get();
            for (tensor, expected) in named(tensors(&step["running"])) {
                // PyTorch keeps them in the module's own precision.
                assert_close(&what(&tensor), &after[&tensor], &expected, DOUBLE);
            }
            // The weights stay, and what was kept of the batches does not.
            let kept = start.iter().filter(|(name, _)| !name.contains(".running_"));
            reference.set(&kept.map(|(name, values)| (name.clone(), values.clone())).collect());
            assert_close(&what("evaluation"), &reference.predict(&x), &numbers(&step["evaluated"]), DOUBLE);
        }
    }
}

/// Emitted f32 code of the layer alone.
fn emitted<M: Train>(call: &str, sizes: &[u64], new: impl Fn() -> M) {
    let entry = entry(call, sizes);
    let mut model = Emitted(new());
    let weights = named(tensors(&entry["weights"]));
    model.set(&weights);
    let start = model.get();
    for (n, step) in entry["f32"].as_array().expect("steps").iter().enumerate() {
        let what = |part: &str| format!("{call} of {sizes:?}, batch {}: {part}", n + 1);
        let (x, factor) = (numbers(&entry["x"][n]), numbers(&entry["factor"][n]));
        let loss: f64 = numbers(&step["output"]).iter().zip(&factor).map(|(y, w)| y * w).sum();
        let found = model.step(&x, &Expected::Values(factor.clone()));
        let size: f64 = numbers(&step["output"]).iter().zip(&factor).map(|(y, w)| (y * w).abs()).sum();
        assert!((found - loss).abs() <= SINGLE * size, "{}: {found}, expected {loss}", what("loss"));
        let after = model.get();
        for (tensor, expected) in named(tensors(&step["gradients"])) {
            let pairs = weights[&tensor].iter().zip(&after[&tensor]);
            let moved: Vec<f64> = pairs.map(|(before, after)| (before - after) / RATE).collect();
            assert_close(&what(&tensor), &moved, &expected, SINGLE);
        }
        let moved = |(name, before): (&String, &Vec<f64>)| {
            let moved = before.iter().zip(&after[name]).map(|(before, after)| (before - after) / RATE);
            (name.clone(), moved.collect())
        };
        let moved = start.iter().map(moved).collect();
        assert_probe(&what("gradient by x"), sizes, &x, &numbers(&step["gradient"]), &moved, SINGLE);
        for (tensor, expected) in named(tensors(&step["running"])) {
            assert_close(&what(&tensor), &after[&tensor], &expected, SINGLE);
        }
        let kept = start.iter().filter(|(name, _)| !name.contains(".running_"));
        model.set(&kept.map(|(name, values)| (name.clone(), values.clone())).collect());
        assert_close(&what("evaluation"), &model.predict(&x), &numbers(&step["evaluated"]), SINGLE);
        // One sample goes another way.
        let width = sizes.iter().product::<u64>() as usize;
        let first = &numbers(&step["evaluated"])[..width];
        assert_close(&what("first sample"), &model.predict(&x[..width]), first, SINGLE);
    }
}

macro_rules! layer {
    ($name:ident, $call:literal, [$($size:literal),*], { $($layer:tt)* }) => {
        mod $name {
            nnc::network! {
                loss through(output, target) = sum(output * target)

                activation probe(x, a: parameter = 0, b: parameter = 0, c: parameter = 0) =
                    x + a * min(x, 0) + b * x^2 + c * x^3

                pub model M {
                    input [$($size),*]
                    same: probe
                    $($layer)*
                    loss through(reduction = sum)
                    optimizer sgd(lr = 1024)
                }
            }

            #[test]
            fn emitted() {
                super::emitted($call, &[$($size),*], || M::new(0));
            }
        }
    };
}

layer!(batch_norm, "batch_norm", [6], { norm: batch_norm });
layer!(batch_norm_settings, "batch_norm(eps = 0.01, momentum = 0.3)", [6], {
    norm: batch_norm(eps = 0.01, momentum = 0.3)
});
layer!(batch_norm_channels, "batch_norm", [3, 2, 4], { norm: batch_norm });
layer!(layer_norm, "layer_norm", [6], { norm: layer_norm });
layer!(layer_norm_rows, "layer_norm(eps = 0.01)", [3, 5], { norm: layer_norm(eps = 0.01) });
layer!(rms_norm, "rms_norm", [6], { norm: rms_norm });
layer!(rms_norm_rows, "rms_norm(eps = 0.01)", [3, 5], { norm: rms_norm(eps = 0.01) });
layer!(group_norm, "group_norm(2)", [6], { norm: group_norm(2) });
layer!(group_norm_channels, "group_norm(2)", [4, 2, 3], { norm: group_norm(2) });
layer!(instance_norm_plain, "instance_norm", [3, 2, 4], { instance_norm });
layer!(instance_norm, "instance_norm(affine = true)", [3, 2, 4], { norm: instance_norm(affine = true) });

/// Running figures are used in the tile of the layer before, or on request in a function of their own. (The command's
/// tests compare what both predict.)
#[test]
fn running_figures_are_folded_into_the_layer_before() {
    let text = "model M {\n input [4]\n dense(5) -> batch_norm -> relu\n dense(3) -> batch_norm\n}";
    let plan = |no_fold: bool| {
        let compilation = compile("fold.nn", text, &Options { no_fold, ..Options::default() });
        let model = compilation.models.into_iter().next().expect("it compiles");
        let names = model.plan.predict.functions.iter().map(|function| function.name.clone());
        names.collect::<Vec<String>>()
    };
    assert_eq!(plan(false), ["dense_forward", "dense_2_forward"]);
    assert_eq!(plan(true), ["dense_forward", "relu_forward", "dense_2_forward", "batch_norm_2_forward"]);
}
