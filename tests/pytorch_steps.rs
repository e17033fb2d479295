//! Steps of emitted code against figures that PyTorch, or another published implementation, computed
//! (`tests/data/pytorch`): every optimizer and every setting at a constant rate, every optimizer at the rates of every
//! schedule, and every schedule by itself. (`pytorch_training.rs` has the same of the reference.)

mod common;

use std::collections::BTreeMap;

use nnc::{Element, Train};
use serde_json::Value;

use common::{Emitted, Expected, assert_close, figures, numbers, tensors};

/// Of the largest value of a tensor, in f32.
const SINGLE: f64 = 1e-5;

fn same_text(entry: &Value, call: &str) -> bool {
    let packed = |text: &str| text.split_whitespace().collect::<String>();
    packed(entry.as_str().expect("a text")) == packed(call)
}

/// All runs of an optimizer at twenty rates. A rule that has two forms, which differ where the rate changes, is told by its `source`.
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

/// Ten steps at a constant rate, by whoever computed them; where two are accumulated, weights move at every second one.
fn ten_steps<M: Train>(call: &str, _: &str, new: impl Fn() -> M) {
    let figures = figures("optimizers.json");
    let (input, target) = (numbers(&figures["input"]), Expected::new("class", numbers(&figures["target"])));
    let entries = figures["optimizers"].as_array().expect("entries").iter();
    let entries: Vec<&Value> = entries.filter(|entry| same_text(&entry["call"], call)).collect();
    assert!(!entries.is_empty(), "no figures for {call}");
    for entry in entries {
        let mut model = Emitted(new());
        model.set(&tensors(&figures["weights"]));
        for (step, expected) in (1..).zip(numbers(&entry["f32"]["losses"])) {
            let loss = model.step(&input, &target);
            assert_close(&format!("{call}: loss of step {step}"), &[loss], &[expected], SINGLE);
            same_weights(call, step, &entry["f32"], &model);
        }
    }
}

/// The weights after a step, and their moving averages, if there are figures of them.
fn same_weights<M: Train>(call: &str, step: u64, figures: &Value, model: &Emitted<M>) {
    for (part, found) in [("weights", model.get()), ("average", averages(model))] {
        let expected = figures.get(part).and_then(|part| part.get(step.to_string()));
        for (tensor, expected) in expected.map(tensors).unwrap_or_default() {
            let what = format!("{call}: {part} of {tensor} after step {step}");
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

/// `NAME, "who computed it": the optimizer`, which is the text of the figures; whether it has figures with schedules.
macro_rules! optimizers {
    ($($name:ident, $source:literal, $runs:ident: $optimizer:ident ($($arguments:tt)*);)*) => {
        const CALLS: &[(&str, &str)] = &[$((stringify!($optimizer($($arguments)*)), $source)),*];

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
                fn as_computed_elsewhere() {
                    let call = stringify!($optimizer($($arguments)*));
                    super::$runs(call, $source, || Net::new(0));
                }
            }
        )*
    };
}

/// With a constant rate, and with the rates of every schedule.
fn all<M: Train>(call: &str, source: &str, new: impl Fn() -> M) {
    ten_steps(call, source, &new);
    runs(&figures("twenty_steps.json"), call, source, new);
}

optimizers! {
    sgd, "pytorch", all: sgd(lr = 0.1);
    momentum, "pytorch", all: momentum(lr = 0.1, beta = 0.9);
    nesterov, "pytorch", all: nesterov(lr = 0.1, beta = 0.9);
    adagrad, "pytorch", all: adagrad(lr = 0.1, eps = 1e-10);
    rmsprop, "pytorch", all: rmsprop(lr = 0.01, rho = 0.9, eps = 1e-8);
    adam, "pytorch", all: adam(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8);
    adam_uncorrected, "formula", all: adam(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, bias_correction = false);
    adamw, "pytorch", all: adamw(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.1);
    adagrad_lr_decay, "pytorch", all: adagrad(lr = 0.1, lr_decay = 0.1, eps = 1e-10);
    adadelta, "pytorch", all: adadelta(lr = 1, rho = 0.9, eps = 1e-6);
    rmsprop_momentum, "pytorch", all: rmsprop(lr = 0.01, rho = 0.9, eps = 1e-8, momentum = 0.9);
    rmsprop_centered, "pytorch", all: rmsprop(lr = 0.01, rho = 0.9, eps = 1e-8, centered = true);
    rmsprop_momentum_centered, "pytorch", all: rmsprop(lr = 0.01, rho = 0.9, eps = 1e-8, momentum = 0.9, centered = true);
    amsgrad, "pytorch", all: amsgrad(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8);
    adamax, "pytorch", all: adamax(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8);
    nadam, "pytorch", all: nadam(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, momentum_decay = 4e-3);
    radam, "pytorch", all: radam(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8);
    lion, "optax 0.2.8", all: lion(lr = 0.003, beta1 = 0.9, beta2 = 0.99, weight_decay = 0.1);
    lamb, "optax 0.2.8", all: lamb(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-6, weight_decay = 0.01);
    sgd_l2, "pytorch", ten_steps: sgd(lr = 0.1, l2 = 0.01);
    adam_l2, "pytorch", ten_steps: adam(lr = 0.01, l2 = 0.01);
    sgd_l1, "formula", ten_steps: sgd(lr = 0.1, l1 = 0.01);
    adam_decay, "pytorch", ten_steps: adam(lr = 0.01, decay = 0.1);
    adam_decay_of_weights, "pytorch", ten_steps: adam(lr = 0.01, decay = 0.1, decay = 0 for *.bias);
    sgd_by_layer, "pytorch", ten_steps: sgd(lr = 0.1, lr = 0.01 for head.*);
    sgd_clip, "pytorch", ten_steps: sgd(lr = 0.1, clip = 0.01);
    sgd_clip_norm, "pytorch", ten_steps: sgd(lr = 0.1, clip_norm = 0.05);
    adam_clip_norm, "pytorch", ten_steps: adam(lr = 0.01, clip_norm = 0.05);
    sgd_accumulate, "pytorch", ten_steps: sgd(lr = 0.1, accumulate = 2);
    adam_ema, "pytorch", ten_steps: adam(lr = 0.01, ema = 0.9);
}

#[test]
fn all_optimizers_of_the_figures_are_here() {
    for entry in figures("optimizers.json")["optimizers"].as_array().expect("entries") {
        let call = &entry["call"];
        assert!(CALLS.iter().any(|(text, _)| same_text(call, text)), "{call} is missing");
    }
}

/// Two calls on different samples make one step, with the mean of their gradients.
fn accumulated<M: Train>(call: &str, new: impl Fn() -> M) {
    let figures = figures("optimizers.json");
    let (input, target) = (numbers(&figures["input"]), numbers(&figures["target"]));
    let entries = figures["accumulated"].as_array().expect("entries").iter();
    let mut entries = entries.filter(|entry| same_text(&entry["call"], call));
    let entry = entries.next().unwrap_or_else(|| panic!("no figures for {call}"));
    let mut model = Emitted(new());
    model.set(&tensors(&figures["weights"]));
    for step in 1..=10 {
        let rows = numbers(&entry["rows"][(step + 1) % 2]);
        let (from, to) = (rows[0] as usize, rows[1] as usize);
        let (x, classes) = (&input[4 * from..4 * to], Expected::new("class", target[from..to].to_vec()));
        let what = format!("{call}: loss of step {step}");
        assert_close(&what, &[model.step(x, &classes)], &numbers(&entry["f32"]["losses"][step - 1]), SINGLE);
        same_weights(call, step as u64, &entry["f32"], &model);
    }
}

#[test]
fn accumulated_gradients_of_different_samples() {
    accumulated("sgd(lr = 0.1, accumulate = 2)", || sgd_accumulate::Net::new(0));
    accumulated("adam(lr = 0.01, accumulate = 2)", || adam_accumulate::Net::new(0));
}

mod adam_accumulate {
    nnc::network! {
        pub model Net {
            input [4]
            hidden: dense(5) -> tanh
            head: dense(3)
            loss cross_entropy
            optimizer adam(lr = 0.01, accumulate = 2)
        }
    }
}

/// Rates and weights of emitted code, whose schedule runs by itself.
fn schedule<M: Train>(call: &str, new: impl Fn() -> M) {
    let rates = figures("schedules.json");
    let losses = numbers(&rates["losses"]);
    let entries = rates["schedules"].as_array().expect("schedules").iter();
    let entries: Vec<&Value> = entries.filter(|entry| same_text(&entry["call"], call)).collect();
    assert!(!entries.is_empty(), "no figures for {call}");
    let figures = figures("twenty_steps.json");
    let (input, target) = (numbers(&figures["input"]), Expected::new("class", numbers(&figures["target"])));
    for entry in entries {
        let count = |key: &str| entry[key].as_u64().expect("a number");
        let mut model = Emitted(new());
        model.set(&tensors(&figures["weights"]));
        model.0.set_horizon(count("steps_per_epoch"), count("epochs"));
        for (done, rate) in (1..).zip(numbers(&entry["rates"])) {
            let found = model.0.scheduled_rate().expect("a rate");
            let room = SINGLE * rate.abs();
            assert!((found - rate).abs() <= room, "{call}, step {done}: {found}, expected {rate}");
            model.step(&input, &target);
            if u64::is_multiple_of(done, count("steps_per_epoch")) {
                model.0.end_epoch(losses[(done / count("steps_per_epoch")) as usize - 1]);
            }
        }
        let runs = figures["runs"].as_array().expect("runs").iter();
        let mut runs = runs.filter(|run| same_text(&run["schedule"], call) && run["source"] == "pytorch");
        let Some(run) = runs.next().filter(|_| count("steps_per_epoch") == 1) else { continue };
        assert_eq!(run["optimizer"], "sgd(lr = 0.1)");
        for (tensor, expected) in tensors(&run["f32"]["weights"]) {
            assert_close(&format!("{call}: {tensor}"), &model.get()[&tensor], &expected, SINGLE);
        }
    }
}

/// `NAME: the schedule`, which is the text of the figures; with and without a warm-up.
macro_rules! schedules {
    ($($name:ident: $schedule:ident ($($arguments:tt)*);)*) => {
        const SCHEDULES: &[&str] = &[$(stringify!($schedule($($arguments)*))),*];

        mod schedules {
            $(
                mod $name {
                    mod cold {
                        nnc::network! {
                            pub model Net {
                                input [4]
                                hidden: dense(5) -> tanh
                                head: dense(3)
                                loss cross_entropy
                                optimizer sgd(lr = $schedule($($arguments)*))
                            }
                        }
                    }
                    mod warm {
                        nnc::network! {
                            pub model Net {
                                input [4]
                                hidden: dense(5) -> tanh
                                head: dense(3)
                                loss cross_entropy
                                optimizer sgd(lr = $schedule($($arguments)*, warmup = 4))
                            }
                        }
                    }

                    #[test]
                    fn emitted() {
                        super::super::schedule(stringify!($schedule($($arguments)*)), || cold::Net::new(0));
                        let call = stringify!($schedule($($arguments)*, warmup = 4));
                        super::super::schedule(call, || warm::Net::new(0));
                    }
                }
            )*
        }
    };
}

schedules! {
    constant: constant(0.1);
    step: step(0.1, every = 5, factor = 0.5);
    multi_step: multi_step(0.1, at = [3, 8, 15], factor = 0.1);
    exponential: exponential(0.1, factor = 0.9);
    polynomial: polynomial(0.1, power = 2, to = 0);
    cosine: cosine(0.1, to = 0.001);
    cosine_to_zero: cosine(0.1, to = 0);
    cosine_restarts_of_5: cosine_restarts(0.1, period = 5, factor = 1, to = 0.001);
    cosine_restarts_longer: cosine_restarts(0.1, period = 5, factor = 2, to = 0.001);
    cosine_restarts_of_2: cosine_restarts(0.1, period = 2, factor = 1, to = 0.001);
    one_cycle: one_cycle(0.1);
    one_cycle_with_settings: one_cycle(0.1, rise = 0.25, div = 10, final_div = 100);
    inverse_sqrt: inverse_sqrt(0.1);
    linear: linear(0.1, to = 0);
    linear_to: linear(0.1, to = 0.001);
    plateau: plateau(0.1, factor = 0.5, patience = 2);
}

#[test]
fn all_schedules_of_the_figures_are_here() {
    for entry in figures("schedules.json")["schedules"].as_array().expect("entries") {
        let call = entry["call"].as_str().expect("a text");
        let cold = call.split(", warmup").next().expect("a text").trim_end_matches(')');
        let cold = Value::from(format!("{cold})"));
        assert!(SCHEDULES.iter().any(|text| same_text(&cold, text)), "{call} is missing");
    }
}
