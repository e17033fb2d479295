//! Activations in emitted code against figures that PyTorch computed; of those that look at whole rows, or have trained
//! parameters, the reference too. (`tests/pytorch.rs` has the reference of the others.)

#[path = "../../common/mod.rs"]
mod common;

use std::collections::BTreeMap;

use nnc::{Model, Train};
use serde_json::Value;

use common::{Emitted, Expected, Reference, assert_close, compiled, figures, numbers, tensors};

include!(concat!(env!("OUT_DIR"), "/activations.rs"));

/// A step of `sgd(lr = 1024)` moves a weight by 1024 gradients; a power of two loses nothing.
const RATE: f64 = 1024.0;
/// Of the largest value, in f32.
const SINGLE: f64 = 1e-5;
/// Of the largest value, in f64.
const DOUBLE: f64 = 1e-10;
/// What f32 leaves of a difference of numbers near 1, of the operand where that is larger.
const LEFT_OVER: f64 = 2e-6;

type Tensors = BTreeMap<String, Vec<f64>>;

/// The entries of a call: one with trained parameters is there with several values of them.
fn entries(section: &str, call: &str) -> Vec<Value> {
    let all = figures("activations.json");
    let all = all[section].as_array().expect("entries");
    all.iter().filter(|entry| entry["call"] == call).cloned().collect()
}

/// The layer before the activation, which changes nothing.
fn shift(width: usize) -> Tensors {
    let identity = (0..width * width).map(|at| if at % (width + 1) == 0 { 1.0 } else { 0.0 }).collect();
    [("shift.weight".to_owned(), identity), ("shift.bias".to_owned(), vec![0.0; width])].into()
}

/// Output and gradients of emitted code.
fn emitted<M: Train>(model: M, weights: &Tensors, x: &[f64], target: &Expected) -> (Vec<f64>, Tensors) {
    let mut model = Emitted(model);
    model.set(weights);
    let output = model.predict(x);
    let before = model.get();
    model.step(x, target);
    let after = model.get();
    let moved = |(name, before): (String, Vec<f64>)| {
        let gradient = before.iter().zip(&after[&name]).map(|(before, after)| (before - after) / RATE);
        (name, gradient.collect())
    };
    (output, before.into_iter().map(moved).collect())
}

fn near(what: &str, x: f64, found: f64, expected: f64) {
    let room = SINGLE * expected.abs() + LEFT_OVER * x.abs().max(1.0);
    assert!((found - expected).abs() <= room, "{what} at {x}: {found}, expected {expected}");
}

/// Values of a function of one number whose gradient is 0.
fn values<M: Model<Elem = f32>>(call: &str, model: M) {
    let x = numbers(&figures("activations.json")["x"]);
    let narrow: Vec<f32> = x.iter().map(|x| *x as f32).collect();
    let mut found = vec![0.0; x.len()];
    model.predict_rows(&narrow, &mut found).expect("the rows fit");
    for entry in entries("activations", call) {
        for ((x, found), expected) in x.iter().zip(&found).zip(numbers(&entry["value"])) {
            near(call, *x, f64::from(*found), expected);
        }
    }
}

/// Values and slopes of a function of one number.
fn scalar<M: Train>(call: &str, new: impl Fn() -> M) {
    let x = numbers(&figures("activations.json")["x"]);
    for entry in entries("activations", call) {
        let expected = numbers(&entry["value"]).into_iter().zip(numbers(&entry["gradient"]));
        for (x, (value, slope)) in x.iter().zip(expected) {
            let (output, gradients) = emitted(new(), &shift(1), &[*x], &Expected::Values(vec![1.0]));
            near(call, *x, output[0], value);
            near(&format!("slope of {call}"), *x, gradients["shift.bias"][0], slope);
        }
    }
}

/// Values and gradients of whole rows, each alone: the gradient by the input is that by the bias before.
fn rows<M: Train>(section: &str, call: &str, new: impl Fn() -> M) {
    compare_rows(section, call, SINGLE, &|weights, x, target| emitted(new(), weights, x, target));
}

/// Output and gradients by the names of the parameters.
type Run<'a> = &'a dyn Fn(&Tensors, &[f64], &Expected) -> (Vec<f64>, Tensors);

fn compare_rows(section: &str, call: &str, tolerance: f64, run: Run<'_>) {
    let named = |(name, values)| (format!("act.{name}"), values);
    for entry in entries(section, call) {
        let of = |key: &str| entry.get(key).map(tensors).unwrap_or_default();
        let samples = entry["x"].as_array().expect("rows");
        let mut weights = shift(numbers(&samples[0]).len());
        weights.extend(of("parameters").into_iter().map(named));
        let mut sums = Tensors::new();
        for (at, x) in samples.iter().enumerate() {
            let what = |part: &str| format!("{call}, row {at}: {part}");
            let w = Expected::Values(numbers(&entry["w"][at]));
            let (output, gradients) = run(&weights, &numbers(x), &w);
            assert_close(&what("value"), &output, &numbers(&entry["value"][at]), tolerance);
            // What is left of a difference is as exact as what it is left of.
            let largest = numbers(&entry["gradient"]).into_iter().fold(0.0, |a: f64, b| a.max(b.abs()));
            let expected = numbers(&entry["gradient"][at]);
            for (found, expected) in gradients["shift.bias"].iter().zip(&expected) {
                let error = (found - expected).abs();
                assert!(error <= tolerance * largest, "{}: {found}, {expected}", what("gradient"));
            }
            for (name, gradient) in gradients {
                let sum = sums.entry(name).or_insert_with(|| vec![0.0; gradient.len()]);
                sum.iter_mut().zip(gradient).for_each(|(sum, gradient)| *sum += gradient);
            }
        }
        for (name, expected) in of("gradients").into_iter().map(named) {
            assert_close(&format!("{call}: gradient by {name}"), &sums[&name], &expected, tolerance);
        }
    }
}

#[test]
fn rows_of_the_reference() {
    for section in ["trained", "vectors"] {
        for entry in figures("activations.json")[section].as_array().expect("entries") {
            let call = entry["call"].as_str().expect("a text");
            let width = numbers(&entry["x"][0]).len();
            let stage = if section == "trained" { format!("act: {call}") } else { call.to_owned() };
            let model = compiled(&format!(
                "loss through(output, target) = sum(output * target)\n\
                model M {{ input [{width}] shift: dense({width}) {stage} loss through optimizer sgd }}"
            ));
            compare_rows(section, call, DOUBLE, &|weights, x, target| {
                let mut reference = Reference::new(&model.graph);
                reference.set(weights);
                (reference.predict(x), reference.gradients(x, target).1)
            });
        }
    }
}
