//! Layers over images and signals against figures that PyTorch computed (`tests/data/pytorch/layers.json`): outputs and
//! gradients, emitted in f32 and interpreted in f64.
//!
//! Before the layer stands a dense layer that changes nothing: its gradient is made of that by the layer's input.

mod common;

use std::collections::BTreeMap;

use nnc::Train;
use serde_json::Value;

use common::{Emitted, Expected, Reference, assert_close, compiled, figures, numbers, tensors};

/// Of the largest value, in f32.
const SINGLE: f64 = 1e-5;
/// Of the largest value, in f64.
const DOUBLE: f64 = 1e-10;
/// A step of `sgd(lr = 1024)` moves a weight by 1024 gradients.
const RATE: f64 = 1024.0;

fn entries() -> Vec<Value> {
    figures("layers.json")["layers"].as_array().expect("entries").clone()
}

fn text<'e>(entry: &'e Value, key: &str) -> &'e str {
    entry[key].as_str().unwrap_or_else(|| panic!("{key} is a text"))
}

fn shape(entry: &Value) -> Vec<u64> {
    entry["shape"].as_array().expect("a shape").iter().map(|n| n.as_u64().expect("a size")).collect()
}

/// What stands in the model: the call, or a few chains that use it.
fn body(entry: &Value) -> String {
    entry["body"].as_str().map_or_else(|| format!("layer: {}", text(entry, "call")), str::to_owned)
}

/// The layer's weights, and those of the layer before it, which changes nothing.
fn weights(entry: &Value, width: usize) -> BTreeMap<String, Vec<f64>> {
    let one = (0..width * width).map(|at| if at % (width + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let mut weights = named(&entry["weights"]);
    weights.insert("same.weight".to_owned(), one);
    weights
}

/// `layer.weight` for `weight`.
fn named(values: &Value) -> BTreeMap<String, Vec<f64>> {
    tensors(values).into_iter().map(|(name, values)| (format!("layer.{name}"), values)).collect()
}

/// The gradients of all weights of the model: that of the layer before is the sum over samples of d_x xᵀ.
fn gradients(entry: &Value, step: &Value, width: usize) -> BTreeMap<String, Vec<f64>> {
    let (x, d_x) = (numbers(&entry["x"]), numbers(&step["gradient"]));
    let mut same = vec![0.0; width * width];
    for (d, x) in d_x.chunks_exact(width).zip(x.chunks_exact(width)) {
        for (at, sum) in same.iter_mut().enumerate() {
            *sum += d[at / width] * x[at % width];
        }
    }
    let mut gradients = named(&step["gradients"]);
    gradients.insert("same.weight".to_owned(), same);
    gradients
}

/// The reference, for all figures.
#[test]
fn reference() {
    for entry in entries() {
        let (call, sizes) = (text(&entry, "call"), shape(&entry));
        let width = sizes.iter().product::<u64>() as usize;
        let model = compiled(&format!(
            "loss through(output, target) = sum(output * target)\nmodel M {{\n input [{width}]\n same: dense({width}, bias = false)\n reshape({sizes:?})\n {}\n loss through(reduction = sum)\n optimizer sgd(lr = 1024)\n}}",
            body(&entry)
        ));
        let mut reference = Reference::new(&model.graph);
        reference.set(&weights(&entry, width));
        let (x, factor) = (numbers(&entry["x"]), Expected::Values(numbers(&entry["factor"])));
        let what = |part: &str| format!("{call} of {sizes:?}: {part}");
        assert_close(&what("output"), &reference.predict(&x), &numbers(&entry["f64"]["output"]), DOUBLE);
        let (_, found) = reference.gradients(&x, &factor);
        for (tensor, expected) in gradients(&entry, &entry["f64"], width) {
            assert_close(&what(&tensor), &found[&tensor], &expected, DOUBLE);
        }
    }
}

/// Emitted f32 code.
fn emitted<M: Train>(body_text: &str, sizes: &[u64], new: impl Fn() -> M) {
    let plain = |text: &str| text.replace([' ', '\n'], "");
    let entry = entries().into_iter().find(|entry| {
        plain(&body(entry)).trim_start_matches("layer:") == plain(body_text).trim_start_matches("layer:")
            && shape(entry) == sizes
    });
    let entry = entry.unwrap_or_else(|| panic!("no figures for {body_text} of {sizes:?}"));
    let width = sizes.iter().product::<u64>() as usize;
    let (mut model, step) = (Emitted(new()), &entry["f32"]);
    let weights = weights(&entry, width);
    model.set(&weights);
    let (x, factor) = (numbers(&entry["x"]), numbers(&entry["factor"]));
    let what = |part: &str| format!("{body_text} of {sizes:?}: {part}");
    let output = numbers(&step["output"]);
    assert_close(&what("output"), &model.predict(&x), &output, SINGLE);
    // One sample goes another way.
    let first = &output[..output.len() / (x.len() / width)];
    assert_close(&what("first sample"), &model.predict(&x[..width]), first, SINGLE);
    model.step(&x, &Expected::Values(factor));
    let after = model.get();
    for (tensor, expected) in gradients(&entry, step, width) {
        let pairs = weights[&tensor].iter().zip(&after[&tensor]);
        let moved: Vec<f64> = pairs.map(|(before, after)| (before - after) / RATE).collect();
        assert_close(&what(&tensor), &moved, &expected, SINGLE);
    }
}

macro_rules! layer {
    ($name:ident, $width:literal as [$($size:literal),*], { $($body:tt)* }) => {
        mod $name {
            nnc::network! {
                loss through(output, target) = sum(output * target)

                pub model M {
                    input [$width]
                    same: dense($width, bias = false)
                    reshape([$($size),*])
                    $($body)*
                    loss through(reduction = sum)
                    optimizer sgd(lr = 1024)
                }
            }

            #[test]
            fn emitted() {
                super::emitted(stringify!($($body)*), &[$($size),*], || M::new(0));
            }
        }
    };
}

layer!(max_pool2d, 48 as [2, 4, 6], { max_pool2d(2) });
layer!(max_pool2d_rest, 35 as [1, 5, 7], { max_pool2d(2) });
layer!(max_pool2d_shared, 60 as [2, 6, 5], { max_pool2d(3, stride = 2, padding = 1) });
layer!(max_pool2d_by_axis, 40 as [2, 5, 4], { max_pool2d([2, 3], stride = [3, 1], padding = [1, 0]) });
layer!(avg_pool2d_shared, 60 as [2, 6, 5], { avg_pool2d(3, stride = 2, padding = 1) });
layer!(avg_pool2d_own, 24 as [2, 4, 3], {
    avg_pool2d([3, 2], stride = 1, padding = [1, 1], count_include_pad = false)
});
layer!(max_pool1d, 27 as [3, 9], { max_pool1d(3, stride = 2) });
layer!(global_avg_pool, 24 as [3, 4, 2], { global_avg_pool });
layer!(global_max_pool, 24 as [3, 4, 2], { global_max_pool });
layer!(adaptive_avg_pool2d, 70 as [2, 7, 5], { adaptive_avg_pool2d([3, 2]) });
layer!(adaptive_max_pool2d, 70 as [2, 7, 5], { adaptive_max_pool2d([3, 2]) });
layer!(conv2d, 60 as [2, 5, 6], { layer: conv2d(4, kernel = 3) });
layer!(conv2d_same, 40 as [2, 4, 5], { layer: conv2d(3, kernel = 3, padding = same, bias = false) });
layer!(conv2d_by_axis, 60 as [2, 5, 6], {
    layer: conv2d(17, kernel = [3, 2], stride = [2, 1], padding = [1, 0], dilation = [1, 2])
});
layer!(conv2d_groups, 60 as [3, 5, 4], { layer: conv2d(6, kernel = 3, stride = 2, padding = 1, groups = 3) });
layer!(conv1d, 27 as [3, 9], { layer: conv1d(5, kernel = 4, stride = 2, padding = 3) });
layer!(conv1d_groups, 32 as [4, 8], { layer: conv1d(4, kernel = 3, dilation = 2, groups = 2) });
layer!(conv_transpose2d, 24 as [2, 3, 4], { layer: conv_transpose2d(3, kernel = 2, stride = 2) });
layer!(conv_transpose2d_groups, 18 as [2, 3, 3], {
    layer: conv_transpose2d(4, kernel = 3, stride = [2, 3], padding = 1, output_padding = [1, 2], groups = 2, bias = false)
});
layer!(conv_transpose2d_dilated, 18 as [3, 3, 2], { layer: conv_transpose2d(2, kernel = 3, dilation = 2) });
layer!(transpose, 24 as [2, 3, 4], { transpose([1, 2, 0]) });
layer!(slice, 24 as [2, 4, 3], { slice(axis = 1, from = 1, to = 3) });
layer!(split, 24 as [2, 3, 4], { let [a, b] = split(2, axis = 2) concat(b, a, axis = 2) });
layer!(concat, 24 as [2, 3, 4], {
    let whole = relu
    let [a, b] = whole -> split(2, axis = 2)
    concat(b, whole, a, axis = 2)
});
layer!(pad, 24 as [2, 3, 4], { pad([0, 2], after = [1, 0], value = -0.5) });
layer!(pad_reflect, 24 as [2, 3, 4], { pad([2, 1], after = [0, 3], mode = reflect) });
layer!(pad_replicate, 12 as [3, 4], { pad(2, after = 5, mode = replicate) });
layer!(upsample, 12 as [2, 3, 2], { upsample([1, 3]) });
layer!(upsample_bilinear, 6 as [1, 3, 2], { upsample([3, 4], mode = bilinear) });
