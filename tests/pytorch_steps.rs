//! Twenty steps of emitted code with every optimizer, at the rates of every schedule, against figures that PyTorch
//! computed (`tests/data/pytorch/twenty_steps.json`).

mod common;

use nnc::Train;
use serde_json::Value;

use common::{Emitted, Expected, Reference, assert_close, compiled, figures, numbers, tensors};

/// Of the largest value of a tensor, in f32.
const SINGLE: f64 = 1e-5;
/// Of the value, in f64: figures are printed in full.
const DOUBLE: f64 = 1e-10;

fn same_text(entry: &Value, call: &str) -> bool {
    let packed = |text: &str| text.split_whitespace().collect::<String>();
    packed(entry.as_str().expect("a text")) == packed(call)
}

/// All runs of an optimizer. A rule that has two forms, which differ where the rate changes, is told by its `source`.
fn runs<M: Train>(figures: &Value, call: &str, source: &str, new: impl Fn() -> M) {
    let (input, target) = (numbers(&figures["input"]), Expected::new("class", numbers(&figures["target"])));
    let all = figures["runs"].as_array().expect("runs").iter();
    let runs: Vec<&Value> =
        all.filter(|run| same_text(&run["optimizer"], call) && run["source"] == source).collect();
    assert!(runs.len() > 20, "{} runs of {call}", runs.len());
    for run in runs {
        let what = |part: &str| format!("{}: {part}", run["call"]);
        let mut model = Emitted(new());
        model.set(&tensors(&figures["weights"]));
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
}

/// `NAME, "who computed it": the optimizer`, which is the text of the figures.
macro_rules! optimizers {
    ($($name:ident, $source:literal: $optimizer:ident ($($arguments:tt)*);)*) => {
        $(
            mod $name {
                nnc::network! {
                    pub model Net {
                        input [4]
                        hidden: dense(5) -> tanh
                        head: dense(3)
                        loss cross_entropy
                        optimizer $optimizer($($arguments)*)
                    }
                }

                #[test]
                fn twenty_steps() {
                    let figures = super::figures("twenty_steps.json");
                    let call = stringify!($optimizer($($arguments)*));
                    super::runs(&figures, call, $source, || Net::new(0));
                }
            }
        )*
    };
}

optimizers! {
    sgd, "pytorch": sgd(lr = 0.1);
    momentum, "formula": momentum(lr = 0.1, beta = 0.9);
    nesterov, "formula": nesterov(lr = 0.1, beta = 0.9);
    adagrad, "pytorch": adagrad(lr = 0.1, eps = 1e-10);
    rmsprop, "pytorch": rmsprop(lr = 0.01, rho = 0.9, eps = 1e-8);
    adam, "pytorch": adam(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8);
    adam_without_correction, "formula": adam(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, bias_correction = false);
    adamw, "pytorch": adamw(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.1);
}

/// The text of a model with this optimizer.
fn text(optimizer: &str) -> String {
    format!(
        "model Net {{
            input [4]
            hidden: dense(5) -> tanh
            head: dense(3)
            loss cross_entropy
            optimizer {optimizer}
        }}"
    )
}

/// The rate of every step of every schedule, and its state from epoch to epoch, in the reference.
#[test]
fn schedules_of_the_reference() {
    let figures = figures("schedules.json");
    let losses = numbers(&figures["losses"]);
    let sample = Expected::Classes(vec![1]);
    for entry in figures["schedules"].as_array().expect("schedules") {
        let count = |key: &str| entry[key].as_u64().expect("a number");
        let call = entry["call"].as_str().expect("a text");
        let model = compiled(&text(&format!("sgd(lr = {call})")));
        let mut reference = Reference::new(&model.graph).interpreter;
        reference.set_horizon(count("steps_per_epoch"), count("epochs"));
        for (step, rate) in numbers(&entry["rates"]).iter().enumerate() {
            let found = reference.scheduled_rate().expect("a rate");
            let room = DOUBLE * rate.abs() + 1e-15;
            assert!((found - rate).abs() <= room, "{call}, step {step}: {found}, expected {rate}");
            reference.step(&[0.5; 4], sample.reference());
            let done = step as u64 + 1;
            if done.is_multiple_of(count("steps_per_epoch")) {
                reference.end_epoch(losses[(done / count("steps_per_epoch")) as usize - 1]);
            }
        }
    }
}
