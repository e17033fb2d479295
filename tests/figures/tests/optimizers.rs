//! Steps of emitted optimizers against figures that PyTorch, or another published implementation, computed: every one
//! and every setting at a constant rate, and every one at the rates of every schedule. (`tests/pytorch_training.rs` has
//! the same of the reference.)

#[path = "../../common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use nnc::{Element, Train};
use nnc_compiler::catalogue::{Kind, catalogue};
use serde_json::Value;

use common::{Emitted, Expected, assert_close, figures, numbers, tensors};

include!(concat!(env!("OUT_DIR"), "/optimizers.rs"));

/// Of the largest value of a tensor, in f32.
const SINGLE: f64 = 1e-5;

/// Megabytes, which every test looks at.
fn twenty_steps() -> &'static Value {
    static FIGURES: OnceLock<Value> = OnceLock::new();
    FIGURES.get_or_init(|| figures("twenty_steps.json"))
}

fn samples(figures: &Value) -> (Vec<f64>, Expected) {
    (numbers(&figures["input"]), Expected::new("class", numbers(&figures["target"])))
}

/// The entries of a list whose `key` is this text.
fn entries<'a>(list: &'a Value, key: &str, text: &str) -> Vec<&'a Value> {
    list.as_array().expect("entries").iter().filter(|entry| entry[key] == text).collect()
}

/// Everything that there is of a call.
fn optimizer<M: Train>(call: &str, new: impl Fn() -> M) {
    let figures = figures("optimizers.json");
    let constant = entries(&figures["optimizers"], "call", call);
    let accumulated = entries(&figures["accumulated"], "call", call);
    constant.into_iter().for_each(|entry| ten_steps(&figures, entry, new()));
    accumulated.into_iter().for_each(|entry| in_two_parts(&figures, entry, new()));
    let runs = entries(&twenty_steps()["runs"], "optimizer", call);
    // A rule that has two forms, which differ where the rate changes: the library's is PyTorch's.
    let has_both = runs.iter().any(|run| run["source"] == "pytorch");
    runs.into_iter()
        .filter(|run| !has_both || run["source"] == "pytorch")
        .for_each(|run| at_rates(run, new()));
}

/// Ten steps at a constant rate; where two are accumulated, weights move at every second one.
fn ten_steps<M: Train>(figures: &Value, entry: &Value, model: M) {
    let (input, target) = samples(figures);
    let mut model = Emitted(model);
    model.set(&tensors(&figures["weights"]));
    for (step, expected) in (1..).zip(numbers(&entry["f32"]["losses"])) {
        let loss = model.step(&input, &target);
        assert_close(&format!("{}: loss of step {step}", entry["call"]), &[loss], &[expected], SINGLE);
        same_weights(entry, step, &model);
    }
}

/// Two calls on different samples make one step, with the mean of their gradients.
fn in_two_parts<M: Train>(figures: &Value, entry: &Value, model: M) {
    let (input, target) = (numbers(&figures["input"]), numbers(&figures["target"]));
    let mut model = Emitted(model);
    model.set(&tensors(&figures["weights"]));
    for (step, expected) in (1..).zip(numbers(&entry["f32"]["losses"])) {
        let rows = numbers(&entry["rows"][(step + 1) % 2]);
        let (from, to) = (rows[0] as usize, rows[1] as usize);
        let (x, classes) = (&input[4 * from..4 * to], Expected::new("class", target[from..to].to_vec()));
        let what = format!("{}: loss of step {step}", entry["call"]);
        assert_close(&what, &[model.step(x, &classes)], &[expected], SINGLE);
        same_weights(entry, step, &model);
    }
}

/// The weights after a step, and their moving averages, if there are figures of them.
fn same_weights<M: Train>(entry: &Value, step: usize, model: &Emitted<M>) {
    for (part, found) in [("weights", model.get()), ("average", averages(model))] {
        let expected = entry["f32"].get(part).and_then(|part| part.get(step.to_string()));
        for (tensor, expected) in expected.map(tensors).unwrap_or_default() {
            let what = format!("{}: {part} of {tensor} after step {step}", entry["call"]);
            assert_close(&what, &found[&tensor], &expected, SINGLE);
        }
    }
}

/// The moving averages of the weights; nothing without `ema`.
fn averages<M: Train>(model: &Emitted<M>) -> BTreeMap<String, Vec<f64>> {
    let info = *model.0.info();
    let Some(state) = info.average else { return BTreeMap::new() };
    let read = |(at, tensor): (usize, &nnc::TensorInfo)| {
        let mut values = vec![M::Elem::ZERO; tensor.len()];
        model.0.read_state(state, at, &mut values);
        (tensor.name.to_owned(), values.iter().map(|value| value.to_f64()).collect())
    };
    info.tensors.iter().enumerate().map(read).collect()
}

/// Twenty steps at the rates of a schedule.
fn at_rates<M: Train>(run: &Value, model: M) {
    let what = |part: &str| format!("{}: {part}", run["call"]);
    let (input, target) = samples(twenty_steps());
    let mut model = Emitted(model);
    model.set(&tensors(&twenty_steps()["weights"]));
    for (step, rate) in (1..).zip(numbers(&run["rates"])) {
        model.0.set_learning_rate(rate);
        let loss = model.step(&input, &target);
        if let Some(expected) = run["f32"]["losses"].get(step.to_string()) {
            assert_close(&what(&format!("loss of step {step}")), &[loss], &numbers(expected), SINGLE);
        }
    }
    let found = model.get();
    for (tensor, expected) in tensors(&run["f32"]["weights"]) {
        assert_close(&what(&tensor), &found[&tensor], &expected, SINGLE);
    }
}

/// Twenty steps of every optimizer with every schedule, warm-ups among them.
#[test]
fn every_pair_has_figures() {
    let runs = twenty_steps()["runs"].as_array().expect("runs");
    let is_call_of = |call: &Value, name: &str| {
        call.as_str().and_then(|call| call.strip_prefix(name)).is_some_and(|rest| rest.starts_with('('))
    };
    let names = |kind: Kind| catalogue().into_iter().filter(move |entry| entry.kind == kind);
    for optimizer in names(Kind::Optimizer) {
        for schedule in names(Kind::Schedule) {
            let both = |run: &&Value| {
                is_call_of(&run["optimizer"], &optimizer.name) && is_call_of(&run["schedule"], &schedule.name)
            };
            let warm = |run: &&Value| run["schedule"].as_str().is_some_and(|call| call.contains("warmup"));
            let pair = format!("{} with {}", optimizer.name, schedule.name);
            assert!(runs.iter().filter(both).any(|run| warm(&run)), "{pair} and a warm-up has no figures");
            assert!(runs.iter().filter(both).any(|run| !warm(&run)), "{pair} has no figures");
        }
    }
}
