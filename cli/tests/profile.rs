//! The time of a step by layer: `nnc bench --by-layer` and `nnc train --profile`.

mod common;

use serde_json::Value;

use common::{Folder, MODEL, ROWS, Ran};

/// Layer, empty for what belongs to none, and direction of each row of a pass, in order.
fn rows<'a>(events: &'a [Value], what: &str, batch: u64) -> Vec<(&'a str, &'a str)> {
    let of_pass = events
        .iter()
        .filter(|event| event["event"] == "layer" && event["what"] == what && event["batch"] == batch);
    let text = |event: &'a Value, key: &str| event[key].as_str().unwrap_or_default();
    of_pass.map(|event| (text(event, "layer"), text(event, "direction"))).collect()
}

/// Every figure is one, and those of a pass make the whole of it.
fn adds_up(events: &[Value]) {
    let wholes: Vec<&Value> = events.iter().filter(|event| event["event"] == "profile").collect();
    assert!(!wholes.is_empty());
    let number = |event: &Value, key: &str| event[key].as_f64().unwrap_or_else(|| panic!("{key} of {event}"));
    for whole in wholes {
        let rows = events.iter().filter(|event| {
            event["event"] == "layer" && event["what"] == whole["what"] && event["batch"] == whole["batch"]
        });
        let (mut share, mut time) = (0.0, 0.0);
        for row in rows {
            assert!(number(row, "share") >= 0.0 && number(row, "us") >= 0.0, "{row}");
            share += number(row, "share");
            time += number(row, "us");
        }
        assert!((0.0..1.0 + 1e-9).contains(&share), "{share} {whole}");
        let us = number(whole, "us");
        assert!(us >= 0.0 && (time - us).abs() <= 1e-6 * us, "{time} {whole}");
        assert!(number(whole, "clock_us") >= 0.0, "{whole}");
        // A fast machine is done with a small model before a time could be taken that says something of a rate.
        assert!(whole.get("gflops").is_none_or(|rate| rate.as_f64() > Some(0.0)), "{whole}");
        assert!(whole["passes"].as_u64() > Some(0), "{whole}");
    }
}

const STEP: [(&str, &str); 7] = [
    ("", "load"),
    ("hidden", "forward"),
    ("head", "forward"),
    ("loss", "loss"),
    ("head", "backward + update"),
    // Nothing is handed on from the first layer: what is left of it is the update.
    ("hidden", "update"),
    ("", "other"),
];

#[test]
fn bench_by_layer_has_the_layers_in_order() {
    let folder = Folder::new().with("small.nn", MODEL);
    let ran = folder.run(&["bench", "small.nn", "--by-layer", "--message-format", "json"]).ok();
    let events = ran.events();
    adds_up(&events);
    assert_eq!(rows(&events, "train", 4), STEP);
    let forward = [("hidden", "forward"), ("head", "forward")];
    let borders = [("", "load"), forward[0], forward[1], ("", "store"), ("", "other")];
    assert_eq!(rows(&events, "infer", 4), borders);
    assert_eq!(rows(&events, "infer", 1), [forward[0], forward[1], ("", "other")]);
    assert_eq!(folder.files(), ["small.nn"], "it needs no data, and leaves nothing");
    // What was compiled with clocks is not what runs without.
    let text = folder.run(&["bench", "small.nn", "--by-layer"]).ok();
    assert!(!text.err.contains("compiled"), "{text}");
    let text = text.shows("Small (small.nn): training step, batch 4").shows("GB/s");
    text.shows("in all").shows("looking at the clock took another");
}

#[test]
fn train_shows_where_the_time_of_its_steps_went() {
    let folder = Folder::small();
    let plain = folder.run(&["train", "small.nn", "--out", "plain.safetensors"]).ok();
    let ran = folder.run(&["train", "small.nn", "--profile"]).ok();
    let (learnt, table) =
        ran.out.split_once("\n\nSmall (small.nn): training step, batch 4\n").expect("a table");
    let first = |text: &str| text.lines().take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(first(learnt), first(&plain.out), "it learns the same");
    assert_eq!(folder.bytes("plain.safetensors"), folder.bytes("small.safetensors"));
    assert!(table.contains("\n6 steps took "), "{ran}");
    assert!(table.contains("hidden") && !table.contains("inference"), "{ran}");
    let ran = folder.run(&["train", "small.nn", "--profile", "--message-format", "json"]).ok();
    let events = ran.events();
    adds_up(&events);
    assert_eq!(rows(&events, "train", 4), STEP);
    assert_eq!(ran.event("profile")["passes"], 6, "training steps alone, without evaluation");
}

#[test]
fn an_update_that_waits_for_all_gradients_is_a_row_of_its_own() {
    let model = "model Waits {
        input [3]
        repeat 2 { dense(5) -> tanh }
        out: dense(2)
        loss mse
        optimizer adam(clip_norm = 1, accumulate = 3)
    }
    train { batch 20 }";
    let folder = Folder::new().with("waits.nn", model);
    let ran = folder.run(&["bench", "waits.nn", "--by-layer", "--message-format", "json"]).ok();
    let events = ran.events();
    adds_up(&events);
    let (one, two) = ("repeat.1.dense", "repeat.2.dense");
    let expected = [
        ("", "load"),
        (one, "forward"),
        (two, "forward"),
        ("out", "forward"),
        ("loss", "loss"),
        ("out", "backward"),
        (two, "backward"),
        (one, "backward"),
        ("", "update"),
        ("", "other"),
    ];
    // Layers of blocks share functions, and are told apart. Targets that are values are loaded beside the samples.
    assert_eq!(rows(&events, "train", 20), expected);
}

#[test]
fn the_reference_has_no_time_by_layer() {
    let folder = Folder::small();
    for arguments in [["bench", "small.nn", "--by-layer"], ["train", "small.nn", "--profile"]] {
        let reference = [&arguments[..], &["--engine", "reference"]].concat();
        folder.fails(&reference, "E0501").says("`--engine reference`").says("leave `--engine` out");
        let ran = Ran::of(folder.nnc(&arguments).env("RUSTC", "no-such-rustc"));
        ran.is_error("E0504");
        ran.says("there is no `rustc`");
    }
    let double = MODEL.replace("epochs 2", "epochs 2\n    precision f64");
    let folder = Folder::new().with("small.nn", double).with("rows.csv", ROWS);
    folder.fails(&["bench", "small.nn", "--by-layer"], "E0501").says("`precision f64`");
    folder.fails(&["train", "small.nn", "--profile"], "E0501").says("`precision f64`");
}
