//! Optimizers and schedules against figures that PyTorch, or another published implementation, computed: the reference
//! runs every figure there is, and emitted code every optimizer with a schedule of its own. (`tests/figures` has
//! emitted code with every setting, and at the rates of every schedule.)

mod common;

use std::collections::BTreeMap;

use nnc::Train;
use serde_json::Value;

use common::{Emitted, Expected, Reference, assert_close, compiled, figures, numbers, tensors};

/// Of the largest value, in f32.
const SINGLE: f64 = 1e-5;
/// Of the largest value, in f64: figures are printed in full.
const DOUBLE: f64 = 1e-10;

/// The network of the figures with an optimizer.
fn network(optimizer: &str) -> String {
    format!(
        "model Net {{\n input [4]\n hidden: dense(5) -> tanh\n head: dense(3)\n loss cross_entropy\n optimizer {optimizer}\n}}"
    )
}

/// A velocity that the rate is a part of, as the papers have it and neither PyTorch nor the library does.
fn is_other_velocity(entry: &Value) -> bool {
    let call = entry["call"].as_str().unwrap_or_default();
    (call.starts_with("momentum") || call.starts_with("nesterov")) && entry["source"] == "formula"
}

fn reference(figures: &Value, call: &str) -> Reference {
    let mut reference = Reference::new(&compiled(&network(call)).graph);
    reference.set(&tensors(&figures["weights"]));
    reference
}

fn samples(figures: &Value) -> (Vec<f64>, Expected) {
    (numbers(&figures["input"]), Expected::new("class", numbers(&figures["target"])))
}

fn compare(what: &str, found: &BTreeMap<String, Vec<f64>>, expected: &Value, tolerance: f64) {
    for (tensor, values) in tensors(expected) {
        assert_close(&format!("{what}: {tensor}"), &found[&tensor], &values, tolerance);
    }
}

/// Twenty steps of every optimizer with every schedule, in the reference: every second run here, the others beside it.
#[test]
fn twenty_steps_of_the_reference() {
    twenty_steps(0);
}

#[test]
fn twenty_steps_of_the_reference_continued() {
    twenty_steps(1);
}

fn twenty_steps(from: usize) {
    let figures = figures("twenty_steps.json");
    let (input, target) = samples(&figures);
    let losses = numbers(&figures["plateau_losses"]);
    let epochs = figures["epochs"].as_u64().expect("a number");
    let runs = figures["runs"].as_array().expect("runs");
    assert!(runs.len() > 500, "every optimizer with every schedule");
    for run in runs.iter().skip(from).step_by(2).filter(|run| !is_other_velocity(run)) {
        let call = run["call"].as_str().expect("a text");
        let mut reference = reference(&figures, call);
        reference.interpreter.set_horizon(1, epochs);
        for (epoch, rate) in numbers(&run["rates"]).iter().enumerate() {
            let found = reference.interpreter.scheduled_rate().expect("a rate");
            assert_close(&format!("{call}: rate of step {}", epoch + 1), &[found], &[*rate], DOUBLE);
            let loss = reference.interpreter.step(&input, target.reference());
            if let Some(expected) = run["f64"]["losses"].get((epoch + 1).to_string()) {
                let what = format!("{call}: loss of step {}", epoch + 1);
                assert_close(&what, &[loss], &numbers(expected), DOUBLE);
            }
            reference.interpreter.end_epoch(losses.get(epoch).copied().unwrap_or(0.0));
        }
        compare(call, &reference.get(), &run["f64"]["weights"], DOUBLE);
    }
}

/// The rates that every schedule makes, with one step an epoch and with several.
#[test]
fn rates_of_schedules() {
    let figures = figures("schedules.json");
    let losses = numbers(&figures["losses"]);
    for entry in figures["schedules"].as_array().expect("entries") {
        let call = entry["call"].as_str().expect("a text");
        let mut reference = Reference::new(&compiled(&network(&format!("sgd(lr = {call})"))).graph);
        let interpreter = &mut reference.interpreter;
        let count = |key: &str| entry[key].as_u64().expect("a number");
        let steps = count("steps_per_epoch");
        interpreter.set_horizon(steps, count("epochs"));
        let mut found = Vec::new();
        for epoch in 0..count("epochs") {
            for step in 0..steps {
                interpreter.set_steps(epoch * steps + step);
                found.push(interpreter.scheduled_rate().expect("a rate"));
            }
            interpreter.set_steps((epoch + 1) * steps);
            interpreter.end_epoch(losses.get(epoch as usize).copied().unwrap_or(0.0));
        }
        assert_close(&format!("{call}, {steps} steps an epoch"), &found, &numbers(&entry["rates"]), 1e-9);
    }
}

/// Gradients of two calls make one update.
#[test]
fn accumulated_steps_of_the_reference() {
    let figures = figures("optimizers.json");
    let input = numbers(&figures["input"]);
    let target = numbers(&figures["target"]);
    for entry in figures["accumulated"].as_array().expect("entries") {
        let call = entry["call"].as_str().expect("a text");
        let mut reference = reference(&figures, call);
        for (step, loss) in numbers(&entry["f64"]["losses"]).iter().enumerate() {
            let rows = numbers(&entry["rows"][step % 2]);
            let (from, to) = (rows[0] as usize, rows[1] as usize);
            let classes = Expected::new("class", target[from..to].to_vec());
            let found = reference.interpreter.step(&input[4 * from..4 * to], classes.reference());
            assert_close(&format!("{call}: loss of call {}", step + 1), &[found], &[*loss], DOUBLE);
            if let Some(weights) = entry["f64"]["weights"].get((step + 1).to_string()) {
                compare(&format!("{call}, call {}", step + 1), &reference.get(), weights, DOUBLE);
            }
        }
    }
}

/// Twenty steps of emitted f32 code.
fn emitted<M: Train>(call: &str, new: impl Fn() -> M) {
    let figures = figures("twenty_steps.json");
    let (input, target) = samples(&figures);
    let losses = numbers(&figures["plateau_losses"]);
    let runs = figures["runs"].as_array().expect("runs").iter();
    let mut runs = runs.filter(|run| run["call"] == call && !is_other_velocity(run));
    let run = runs.next().unwrap_or_else(|| panic!("no figures for {call}"));
    let mut model = Emitted(new());
    model.set(&tensors(&figures["weights"]));
    model.0.set_horizon(1, figures["epochs"].as_u64().expect("a number"));
    for (epoch, rate) in numbers(&run["rates"]).iter().enumerate() {
        let found = model.0.scheduled_rate().expect("a rate");
        assert_close(&format!("{call}: rate of step {}", epoch + 1), &[found], &[*rate], DOUBLE);
        let loss = model.step(&input, &target);
        if let Some(expected) = run["f32"]["losses"].get((epoch + 1).to_string()) {
            let what = format!("{call}: loss of step {}", epoch + 1);
            assert_close(&what, &[loss], &numbers(expected), SINGLE);
        }
        model.0.end_epoch(losses.get(epoch).copied().unwrap_or(0.0));
    }
    compare(call, &model.get(), &run["f32"]["weights"], SINGLE);
}

macro_rules! networks {
    ($test:ident; $($name:ident: $text:literal, { $($optimizer:tt)* };)*) => {
        $(
            mod $name {
                nnc::network! {
                    pub model Net {
                        input [4]
                        hidden: dense(5) -> tanh
                        head: dense(3)
                        loss cross_entropy
                        optimizer $($optimizer)*
                    }
                }
            }
        )*

        #[test]
        fn $test() {
            $(emitted($text, || $name::Net::new(0));)*
        }
    };
}

networks! {
    twenty_steps_of_emitted_code;
    momentum: "momentum(lr = cosine(0.1, to = 0.001, warmup = 4), beta = 0.9)", { momentum(lr = cosine(0.1, to = 0.001, warmup = 4), beta = 0.9) };
    nesterov: "nesterov(lr = step(0.1, every = 5, factor = 0.5), beta = 0.9)", { nesterov(lr = step(0.1, every = 5, factor = 0.5), beta = 0.9) };
    adagrad: "adagrad(lr = polynomial(0.1, power = 2, to = 0), eps = 1e-10)", { adagrad(lr = polynomial(0.1, power = 2, to = 0), eps = 1e-10) };
    rmsprop: "rmsprop(lr = linear(0.01, to = 0), rho = 0.9, eps = 1e-8)", { rmsprop(lr = linear(0.01, to = 0), rho = 0.9, eps = 1e-8) };
    adam: "adam(lr = one_cycle(0.01), beta1 = 0.9, beta2 = 0.999, eps = 1e-8)", { adam(lr = one_cycle(0.01), beta1 = 0.9, beta2 = 0.999, eps = 1e-8) };
    adamw: "adamw(lr = cosine_restarts(0.01, period = 5, factor = 2, to = 0.0001, warmup = 4), beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.1)", { adamw(lr = cosine_restarts(0.01, period = 5, factor = 2, to = 0.0001, warmup = 4), beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.1) };
    adadelta: "adadelta(lr = exponential(1, factor = 0.9), rho = 0.9, eps = 1e-6)", { adadelta(lr = exponential(1, factor = 0.9), rho = 0.9, eps = 1e-6) };
    amsgrad: "amsgrad(lr = multi_step(0.01, at = [3, 8, 15], factor = 0.1, warmup = 4), beta1 = 0.9, beta2 = 0.999, eps = 1e-8)", { amsgrad(lr = multi_step(0.01, at = [3, 8, 15], factor = 0.1, warmup = 4), beta1 = 0.9, beta2 = 0.999, eps = 1e-8) };
    adamax: "adamax(lr = inverse_sqrt(0.01, warmup = 4), beta1 = 0.9, beta2 = 0.999, eps = 1e-8)", { adamax(lr = inverse_sqrt(0.01, warmup = 4), beta1 = 0.9, beta2 = 0.999, eps = 1e-8) };
    nadam: "nadam(lr = plateau(0.01, factor = 0.5, patience = 2, warmup = 4), beta1 = 0.9, beta2 = 0.999, eps = 1e-8, momentum_decay = 4e-3)", { nadam(lr = plateau(0.01, factor = 0.5, patience = 2, warmup = 4), beta1 = 0.9, beta2 = 0.999, eps = 1e-8, momentum_decay = 4e-3) };
    radam: "radam(lr = constant(0.01, warmup = 4), beta1 = 0.9, beta2 = 0.999, eps = 1e-8)", { radam(lr = constant(0.01, warmup = 4), beta1 = 0.9, beta2 = 0.999, eps = 1e-8) };
    lion: "lion(lr = cosine_restarts(0.003, period = 5, factor = 1, to = 3e-05), beta1 = 0.9, beta2 = 0.99, weight_decay = 0.1)", { lion(lr = cosine_restarts(0.003, period = 5, factor = 1, to = 3e-05), beta1 = 0.9, beta2 = 0.99, weight_decay = 0.1) };
    lamb: "lamb(lr = cosine(0.01, to = 0.0001, warmup = 4), beta1 = 0.9, beta2 = 0.999, eps = 1e-6, weight_decay = 0.01)", { lamb(lr = cosine(0.01, to = 0.0001, warmup = 4), beta1 = 0.9, beta2 = 0.999, eps = 1e-6, weight_decay = 0.01) };
    sgd: "sgd(lr = one_cycle(0.1, warmup = 4))", { sgd(lr = one_cycle(0.1, warmup = 4)) };
}
