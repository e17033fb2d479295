//! Activations that are more than a function of one number, and all losses in emitted code, against figures that
//! PyTorch computed (`tests/data/pytorch`).

mod common;

use std::collections::BTreeMap;

use nnc::Train;
use serde_json::Value;

use common::{Emitted, Expected, Reference, assert_close, compiled, figures, numbers};

/// A step of `sgd(lr = 1024)` moves a weight by 1024 gradients; a power of two loses nothing.
const RATE: f64 = 1024.0;
/// Of the largest value, in f32.
const SINGLE: f64 = 1e-5;
/// Of the largest value, in f64.
const DOUBLE: f64 = 1e-10;

type Tensors = BTreeMap<String, Vec<f64>>;

/// Sets the weights, and says what a model makes of a batch: output, loss, gradients by the names of the parameters.
type Run<'a> = &'a dyn Fn(&Tensors, &[f64], &Expected) -> (Vec<f64>, f64, Tensors);

fn emitted<M: Train>(model: M, weights: &Tensors, x: &[f64], target: &Expected) -> (Vec<f64>, f64, Tensors) {
    let mut model = Emitted(model);
    model.set(weights);
    let output = model.predict(x);
    let evaluated = model.loss(x, target);
    let before = model.get();
    let loss = model.step(x, target);
    assert!((loss - evaluated).abs() <= SINGLE * loss.abs(), "{loss} in a step, {evaluated} in evaluation");
    let after = model.get();
    let moved = |(name, before): (String, Vec<f64>)| {
        let gradient = before.iter().zip(&after[&name]).map(|(before, after)| (before - after) / RATE);
        (name, gradient.collect())
    };
    (output, loss, before.into_iter().map(moved).collect())
}

fn reference(text: &str, weights: &Tensors, x: &[f64], target: &Expected) -> (Vec<f64>, f64, Tensors) {
    let mut model = Reference::new(&compiled(text).graph);
    model.set(weights);
    let (loss, gradients) = model.gradients(x, target);
    (model.predict(x), loss, gradients)
}

fn identity(width: usize) -> Vec<f64> {
    (0..width * width).map(|at| if at % (width + 1) == 0 { 1.0 } else { 0.0 }).collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()))
}

/// Whether this is the entry of a call, however tokens were spaced.
fn same_text(entry: &Value, call: &str) -> bool {
    let packed = |text: &str| text.split_whitespace().collect::<String>();
    packed(entry["call"].as_str().expect("a text")) == packed(call)
}

/// The entries of a file whose text is this one: `prelu` is there with two sets of slopes.
fn entries(file: &str, section: &str, call: &str) -> Vec<Value> {
    let all = figures(file);
    let all = all[section].as_array().expect("entries");
    let found: Vec<Value> = all.iter().filter(|entry| same_text(entry, call)).cloned().collect();
    assert!(!found.is_empty(), "no figures for {call}");
    found
}

/// Each sample alone: the gradient by the input is that by a bias of 0 behind an identity.
fn activation(section: &str, call: &str, tolerance: f64, run: Run<'_>) {
    for entry in entries("activations.json", section, call) {
        let rows = entry["x"].as_array().expect("rows");
        let width = numbers(&rows[0]).len();
        let mut weights = Tensors::from([("shift.weight".to_owned(), identity(width))]);
        if let Some(slope) = entry.get("slope") {
            weights.insert("prelu.weight".to_owned(), numbers(slope));
        }
        let mut by_slope = vec![0.0; width];
        for (at, x) in rows.iter().enumerate() {
            let what = |part: &str| format!("{call}, row {at}: {part}");
            let w = Expected::Values(numbers(&entry["w"][at]));
            let (output, _, gradient) = run(&weights, &numbers(x), &w);
            assert_close(&what("value"), &output, &numbers(&entry["value"][at]), tolerance);
            // What is left of a difference is as exact as what it is left of.
            let room = tolerance * largest(&numbers(&entry["gradient"]));
            let expected = numbers(&entry["gradient"][at]);
            for (found, expected) in gradient["shift.bias"].iter().zip(&expected) {
                assert!((found - expected).abs() <= room, "{}: {found}, {expected}", what("gradient"));
            }
            if let Some(slope) = gradient.get("prelu.weight") {
                by_slope.iter_mut().zip(slope).for_each(|(sum, gradient)| *sum += gradient);
            }
        }
        if let Some(expected) = entry.get("gradient_by_slope") {
            assert_close(&format!("{call}: gradient by slope"), &by_slope, &numbers(expected), tolerance);
        }
    }
}

/// Loss and gradient of a batch: the outputs are an identity of the input, and its bias gets their gradients' sum.
fn loss(call: &str, outputs: usize, reduction: &str, run: Run<'_>) {
    let tolerance = SINGLE;
    let fits = |entry: &Value| numbers(&entry["output"][0]).len() == outputs;
    for entry in entries("losses.json", "losses", call).into_iter().filter(fits) {
        let what = |part: &str| format!("{call}, {reduction}: {part}");
        let weights = Tensors::from([("out.weight".to_owned(), identity(outputs))]);
        let target = Expected::new(entry["target_kind"].as_str().expect("a kind"), numbers(&entry["target"]));
        let (_, loss, gradient) = run(&weights, &numbers(&entry["output"]), &target);
        let expected = &entry[reduction];
        assert_close(&what("loss"), &[loss], &numbers(&expected["loss"]), tolerance);
        let by_output = numbers(&expected["gradient"]);
        for (k, found) in gradient["out.bias"].iter().enumerate() {
            let sum: f64 = by_output.iter().skip(k).step_by(outputs).sum();
            let room = tolerance * largest(&by_output);
            assert!((found - sum).abs() <= room, "{}: {found}, expected {sum}", what("gradient"));
        }
    }
}

macro_rules! activations {
    ($($name:ident: $section:literal, $call:literal, $width:literal;)*) => {
        $(
            mod $name {
                nnc::network! {
                    allow W0107

                    loss through(output, target) = sum(output * target)
                    pub model Net {
                        input [$width]
                        shift: dense($width, init = constant(1))
                        $name
                        loss through
                        optimizer sgd(lr = 1024)
                    }
                }

                #[test]
                fn emitted() {
                    let run: super::Run<'_> = &|w, x, t| super::emitted(Net::new(0), w, x, t);
                    super::activation($section, $call, super::SINGLE, run);
                }

                #[test]
                fn reference() {
                    let text = format!(
                        "loss through(output, target) = sum(output * target)\n\
                        model M {{ input [{0}] shift: dense({0}) {1} loss through optimizer sgd }}",
                        $width, $call
                    );
                    let run: super::Run<'_> = &|w, x, t| super::reference(&text, w, x, t);
                    super::activation($section, $call, super::DOUBLE, run);
                }
            }
        )*
    };
}

activations! {
    prelu: "prelu", "prelu", 3;
    softmax: "vectors", "softmax", 6;
    log_softmax: "vectors", "log_softmax", 6;
    glu: "vectors", "glu", 6;
    swiglu: "vectors", "swiglu", 6;
}

/// `NAME, number of outputs: the loss`, which is the text of the figures.
macro_rules! losses {
    ($($name:ident, $outputs:literal: $loss:ident $(($($arguments:tt)*))?;)*) => {
        const LOSSES: &[&str] = &[$(stringify!($loss $(($($arguments)*))?)),*];

        $(
            mod $name {
                mod mean {
                    nnc::network! {
                        pub model Net {
                            input [$outputs]
                            out: dense($outputs)
                            loss $loss $(($($arguments)*))?
                            optimizer sgd(lr = 1024)
                        }
                    }
                }
                mod sum {
                    nnc::network! {
                        pub model Net {
                            input [$outputs]
                            out: dense($outputs)
                            loss $loss($($($arguments)*,)? reduction = sum)
                            optimizer sgd(lr = 1024)
                        }
                    }
                }

                #[test]
                fn emitted() {
                    let call = stringify!($loss $(($($arguments)*))?);
                    let run: super::Run<'_> = &|w, x, t| super::emitted(mean::Net::new(0), w, x, t);
                    super::loss(call, $outputs, "mean", run);
                    let run: super::Run<'_> = &|w, x, t| super::emitted(sum::Net::new(0), w, x, t);
                    super::loss(call, $outputs, "sum", run);
                }
            }
        )*
    };
}

losses! {
    mse, 3: mse;
    mae, 3: mae;
    huber, 3: huber;
    huber_delta, 3: huber(delta = 0.5);
    smooth_l1, 3: smooth_l1;
    smooth_l1_beta, 3: smooth_l1(beta = 0.5);
    log_cosh, 3: log_cosh;
    hinge, 3: hinge;
    squared_hinge, 3: squared_hinge;
    binary_cross_entropy, 3: binary_cross_entropy;
    cross_entropy, 3: cross_entropy;
    binary_cross_entropy_with_logits, 3: binary_cross_entropy_with_logits;
    binary_cross_entropy_with_logits_positive_weight, 3: binary_cross_entropy_with_logits(positive_weight = 2);
    cosine, 3: cosine;
    cross_entropy_of_4, 4: cross_entropy;
    nll, 4: nll;
    cross_entropy_smoothing, 4: cross_entropy(label_smoothing = 0.1);
    cross_entropy_weights, 4: cross_entropy(weights = [0.5, 1, 2, 1.5]);
    nll_weights, 4: nll(weights = [0.5, 1, 2, 1.5]);
    cross_entropy_weights_smoothing, 4: cross_entropy(weights = [0.5, 1, 2, 1.5], label_smoothing = 0.1);
    cross_entropy_ignore_index, 4: cross_entropy(ignore_index = 2);
    nll_ignore_index, 4: nll(ignore_index = 2);
    cross_entropy_weights_ignore_index, 4: cross_entropy(weights = [0.5, 1, 2, 1.5], ignore_index = 2);
    nll_weights_ignore_index, 4: nll(weights = [0.5, 1, 2, 1.5], ignore_index = 2);
    cross_entropy_smoothing_ignore_index, 4: cross_entropy(label_smoothing = 0.1, ignore_index = 2);
    cross_entropy_shares, 4: cross_entropy(target = values);
    cross_entropy_shares_smoothing, 4: cross_entropy(target = values, label_smoothing = 0.1);
    cross_entropy_shares_weights, 4: cross_entropy(target = values, weights = [0.5, 1, 2, 1.5]);
    cross_entropy_shares_weights_smoothing, 4: cross_entropy(target = values, weights = [0.5, 1, 2, 1.5], label_smoothing = 0.1);
    kl_divergence, 4: kl_divergence;
    poisson, 3: poisson;
    poisson_full, 3: poisson(full = true);
    poisson_rates, 3: poisson(log_input = false);
    poisson_rates_full, 3: poisson(log_input = false, full = true);
    gaussian_nll, 6: gaussian_nll;
    gaussian_nll_full, 6: gaussian_nll(full = true);
    gaussian_nll_log_variance, 6: gaussian_nll(log_variance = true);
    gaussian_nll_log_variance_full, 6: gaussian_nll(log_variance = true, full = true);
}

#[test]
fn all_losses_of_the_figures_are_here() {
    for entry in figures("losses.json")["losses"].as_array().expect("entries") {
        assert!(LOSSES.iter().any(|call| same_text(entry, call)), "{} is missing", entry["call"]);
    }
}
