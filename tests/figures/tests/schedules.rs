//! Rates that emitted schedules make by themselves, and twenty steps with them, against figures that PyTorch computed.
//! (`tests/pytorch_training.rs` has the same of the reference.)

#[path = "../../common/mod.rs"]
mod common;

use nnc::Train;
use serde_json::Value;

use common::{Emitted, Expected, assert_close, figures, numbers, tensors};

include!(concat!(env!("OUT_DIR"), "/schedules.rs"));

/// Of the rate, or of the largest value of a tensor.
const SINGLE: f64 = 1e-5;

/// A network under `sgd(lr = CALL)`, by each plan of training that the schedule has figures of.
fn schedule<M: Train>(call: &str, new: impl Fn() -> M) {
    let rates = figures("schedules.json");
    let losses = numbers(&rates["losses"]);
    let figures = figures("twenty_steps.json");
    let (input, target) = (numbers(&figures["input"]), Expected::new("class", numbers(&figures["target"])));
    let of_call = |entry: &&Value| entry["call"] == call;
    for entry in rates["schedules"].as_array().expect("schedules").iter().filter(of_call) {
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
        if count("steps_per_epoch") == 1 {
            same_weights(&figures, call, &model);
        }
    }
}

/// After twenty epochs of one step.
fn same_weights<M: Train>(figures: &Value, call: &str, model: &Emitted<M>) {
    let runs = figures["runs"].as_array().expect("runs").iter();
    let mut runs = runs.filter(|run| run["optimizer"] == "sgd(lr = 0.1)" && run["schedule"] == call);
    let run = runs.next().unwrap_or_else(|| panic!("no steps of {call}"));
    for (tensor, expected) in tensors(&run["f32"]["weights"]) {
        assert_close(&format!("{call}: {tensor}"), &model.get()[&tensor], &expected, SINGLE);
    }
}
