//! Transfer learning: models that begin with the weights of another, layers that stay as they are, and weights that fit
//! in part.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Folder, MODEL, ROWS, repository};
use nnc_runtime::safetensors::{Metadata, SafeTensors, Tensor, write};

/// A model for the rows of [`ROWS`] with figures of its own: normalized, and with running figures.
const BASE: &str = r#"model Base(width = 5) {
    input [2]
    normalize
    hidden: dense(width) -> batch_norm -> relu
    head: dense(2)
    loss cross_entropy
    optimizer adam(lr = 0.01)
}

data {
    csv "rows.csv"
    target kind
}

train {
    epochs 3
    batch 4
}
"#;

/// Rows of the same columns and of other classes, far from those of [`ROWS`].
const OTHER: &str = "x,y,kind\n\
    11,10,far\n30,-10,near\n12,50,far\n10,-20,near\n21,20,far\n-13,-10,near\n43,10,far\n-53,10,middle\n";

fn letters(stage: &str) -> String {
    format!(
        r#"import Base from "base.nn" weights "base.safetensors"

model Letters {{
    input [2]
    {stage}
    head: dense(3)
    loss cross_entropy
    optimizer adam(lr = 0.05)
}}

data {{
    csv "other.csv"
    target kind
}}

train {{
    epochs 4
    batch 4
}}
"#
    )
}

/// A folder in which the base is trained.
fn trained(stage: &str) -> Folder {
    let folder = Folder::new()
        .with("base.nn", BASE)
        .with("rows.csv", ROWS)
        .with("other.csv", OTHER)
        .with("letters.nn", letters(stage));
    folder.run(&["train", "base.nn", "--engine", "reference"]).ok();
    folder
}

/// Tensors of a file by name, as bits.
fn tensors(path: &Path) -> BTreeMap<String, Vec<u32>> {
    let file = SafeTensors::read(path).expect("the file is whole");
    let bits = |entry| file.values(entry).expect("numbers").into_iter().map(f32::to_bits).collect();
    file.entries().iter().map(|entry| (entry.name.clone(), bits(entry))).collect()
}

#[test]
fn a_frozen_import_keeps_the_bits_that_it_was_trained_to() {
    for engine in [&[] as &[&str], &["--engine", "reference"]] {
        let folder = trained("frozen { Base(until = head) }");
        let ran = folder.run(&[&["train", "letters.nn"], engine].concat()).ok();
        assert!(!ran.err.contains("W0108"), "what lints say of the base was said when it was trained: {ran}");
        let (base, letters) =
            (tensors(&folder.path("base.safetensors")), tensors(&folder.path("letters.safetensors")));
        let mut n_kept = 0;
        for (name, bits) in &letters {
            if let Some(name) = name.strip_prefix("Base.") {
                assert_eq!(bits, &base[name], "{name}, {engine:?}");
                n_kept += 1;
            }
        }
        // Mean and deviation; weight and bias; weight, bias and running figures.
        assert_eq!(n_kept, 8);
        assert!(letters.contains_key("head.weight") && !letters.contains_key("Base.head.weight"));
        folder.run(&[&["eval", "letters.nn"], engine].concat()).ok().shows("accuracy");
    }
}

#[test]
fn an_import_that_is_not_frozen_begins_there_and_goes_on() {
    let folder = trained("Base(until = head)");
    let folder = folder.with("letters.nn", letters("Base(until = head)").replace("lr = 0.05", "lr = 1e-30"));
    folder.run(&["train", "letters.nn", "--engine", "reference"]).ok();
    let base = tensors(&folder.path("base.safetensors"));
    let begun = tensors(&folder.path("letters.safetensors"));
    assert_eq!(begun["Base.hidden.weight"], base["hidden.weight"], "a step this small changes nothing");
    assert_eq!(begun["Base.normalize.mean"], base["normalize.mean"], "figures are those of the base");
    assert_ne!(begun["Base.batch_norm.running_mean"], base["batch_norm.running_mean"], "it is trained on");
    let folder = folder.with("letters.nn", letters("Base(until = head)"));
    folder.run(&["train", "letters.nn", "--engine", "reference"]).ok();
    assert_ne!(tensors(&folder.path("letters.safetensors"))["Base.hidden.weight"], base["hidden.weight"]);
}

#[test]
fn weights_that_are_imported_must_be_there_and_fit() {
    let folder = Folder::new()
        .with("base.nn", BASE)
        .with("other.csv", OTHER)
        .with("letters.nn", letters("frozen { Base(until = head) }"));
    folder.run(&["check", "letters.nn"]).ok();
    folder
        .fails(&["train", "letters.nn"], "E0414")
        .says("base.safetensors")
        .says("they are asked for at letters.nn:1:36");
    let folder = trained("frozen { Base(until = head, width = 6) }");
    folder
        .fails(&["train", "letters.nn"], "E0413")
        .says("weights do not fit the imported `Base`")
        .says("`hidden.weight` for `Base.hidden.weight`: expected shape [6, 2], found [5, 2]")
        .says("`batch_norm.running_var` for `Base.batch_norm.running_var`: expected shape [6], found [5]")
        .says("they are asked for at letters.nn:1:36");
    let folder = trained("frozen { Base(until = head) }");
    let renamed = BASE.replace("hidden:", "first:");
    let folder = folder.with("base.nn", renamed);
    folder.fails(&["train", "letters.nn"], "E0413").says("it has no `first.weight` for `Base.first.weight`");
}

#[test]
fn training_that_goes_on_needs_no_imported_file() {
    let folder = trained("frozen { Base(until = head) }");
    folder.run(&["train", "letters.nn", "--engine", "reference"]).ok();
    std::fs::remove_file(folder.path("base.safetensors")).expect("it is ours");
    let kept = tensors(&folder.path("letters.safetensors"));
    let again = ["train", "letters.nn", "--engine", "reference", "--epochs", "6"];
    folder.run(&[&again[..], &["--resume"]].concat()).ok();
    let resumed = tensors(&folder.path("letters.safetensors"));
    assert_eq!(resumed["Base.hidden.weight"], kept["Base.hidden.weight"]);
    assert_ne!(resumed["head.weight"], kept["head.weight"]);
    folder.run(&[&again[..], &["--weights", "letters.safetensors"]].concat()).ok();
}

#[test]
fn states_of_what_is_frozen_are_not_in_a_checkpoint() {
    let folder = trained("frozen { Base(until = head) }");
    folder.run(&["train", "letters.nn", "--engine", "reference"]).ok();
    let names: Vec<String> = tensors(&folder.path("letters.checkpoint.safetensors")).into_keys().collect();
    let states: Vec<&String> = names.iter().filter(|name| name.starts_with("optimizer/")).collect();
    assert_eq!(states.len(), 4, "two moments of weight and bias of the head: {states:?}");
    assert!(states.iter().all(|name| name.contains("/head.")));
}

#[test]
fn the_summary_shows_what_is_saved() {
    let folder = trained("frozen { Base(until = head) }");
    folder
        .run(&["summary", "letters.nn"])
        .ok()
        // 2 * 5 + 5 and 2 * 5 are frozen; 5 * 3 + 3 are trained; 4 and 10 are figures.
        .shows("parameters   18 trained, 25 frozen, 14 never trained")
        // Two moments: of 6 rows of 16 numbers each; and of 5, in rows of 16 too, that there are none of.
        .shows("optimizer    768 bytes, and 640 bytes saved by what is frozen");
}

#[test]
fn a_sweep_begins_with_imported_weights() {
    let folder = trained("frozen { Base(until = head) }");
    folder
        .run(&["sweep", "letters.nn", "--set", "lr=0.1,0.01", "--seeds", "1", "--engine", "reference"])
        .ok();
}

// ---- Weights that fit in part ---------------------------------------------------------------------------------------

/// A file of weights as PyTorch's `safetensors.torch.save_file(model.state_dict())` makes it.
fn state_dict(folder: &Folder, name: &str, tensors: &[(&str, &[usize], Vec<f32>)]) {
    let tensors: Vec<Tensor<'_>> = tensors
        .iter()
        .map(|(name, shape, values)| Tensor { name: (*name).to_owned(), shape, values })
        .collect();
    let metadata = Metadata::from([("format".to_owned(), "pt".to_owned())]);
    write(&folder.path(name), &metadata, &tensors).expect("it can be written");
}

#[test]
fn a_state_dict_of_the_same_architecture_loads() {
    let folder = Folder::small();
    let model = MODEL.replace("dense(4) -> relu", "dense(4) -> norm: batch_norm -> relu");
    let folder = folder.with("small.nn", model);
    let (ramp, ones) = (|n: usize| (0..n).map(|at| at as f32 / 8.0).collect::<Vec<_>>(), vec![1.0; 4]);
    state_dict(
        &folder,
        "torch.safetensors",
        &[
            ("hidden.weight", &[4, 2], ramp(8)),
            ("hidden.bias", &[4], ramp(4)),
            ("norm.weight", &[4], ones.clone()),
            ("norm.bias", &[4], ramp(4)),
            ("norm.running_mean", &[4], ramp(4)),
            ("norm.running_var", &[4], ones),
            ("norm.num_batches_tracked", &[1], vec![7.0]),
            ("head.weight", &[2, 4], ramp(8)),
            ("head.bias", &[2], ramp(2)),
        ],
    );
    let train =
        ["train", "small.nn", "--engine", "reference", "--weights", "torch.safetensors", "--epochs", "1"];
    folder.run(&train).ok();
    let ran = folder.run(&[&train[..], &["--partial"]].concat()).ok();
    let ran = ran.shows("loaded 8 of 8 tensors from torch.safetensors");
    assert!(!ran.out.contains("num_batches_tracked") && !ran.out.contains("skipped"), "{ran}");
}

#[test]
fn what_fits_is_loaded_and_the_rest_is_told() {
    let folder = Folder::small();
    state_dict(
        &folder,
        "other.safetensors",
        &[
            ("hidden.weight", &[4, 2], vec![0.5; 8]),
            ("hidden.bais", &[4], vec![0.25; 4]),
            ("head.weight", &[3, 4], vec![0.5; 12]),
            ("tail.weight", &[3, 4], vec![0.5; 12]),
        ],
    );
    let train =
        ["train", "small.nn", "--engine", "reference", "--set", "lr=1e-30", "--weights", "other.safetensors"];
    folder
        .fails(&train, "E0413")
        .says("`head.weight` of layer `head` has shape [3, 4], expected [2, 4]")
        .says("missing: `hidden.bias`, `head.bias`")
        .says("unexpected: `hidden.bais`, `tail.weight`");
    let ran = folder.run(&[&train[..], &["--partial"]].concat()).ok();
    ran.shows("loaded 1 of 4 tensors from other.safetensors")
        .shows("  loaded   hidden.weight\n")
        .shows("  skipped  head.weight: expected shape [2, 4], found [3, 4]\n")
        .shows("  skipped  hidden.bais: the model has no such tensor (is it `hidden.bias`?)\n")
        .shows("  skipped  tail.weight: the model has no such tensor\n")
        .shows("  missing  hidden.bias: the file has none, it starts as the model says\n")
        .shows("  missing  head.bias: ");
    let found = tensors(&folder.path("small.safetensors"));
    assert_eq!(found["hidden.weight"], [0.5f32.to_bits(); 8]);
    let is_nothing = |bits: &u32| f32::from_bits(*bits).abs() < 1e-20;
    assert!(found["hidden.bias"].iter().all(is_nothing), "it starts as the model says");
    folder
        .run(&["eval", "small.nn", "--engine", "reference", "--weights", "other.safetensors", "--partial"])
        .ok()
        .shows("loaded 1 of 4 tensors");
    let json = [&train[..], &["--partial", "--message-format", "json"]].concat();
    let told = folder.run(&json).ok().event("loaded");
    assert_eq!(told["loaded"], serde_json::json!(["hidden.weight"]));
    assert_eq!(told["missing"], serde_json::json!(["hidden.bias", "head.bias"]));
}

#[test]
fn weights_of_which_nothing_fits_are_an_error() {
    let folder = Folder::small();
    state_dict(&folder, "other.safetensors", &[("head.weight", &[3, 4], vec![0.5; 12])]);
    let train = ["train", "small.nn", "--engine", "reference", "--weights", "other.safetensors", "--partial"];
    folder
        .fails(&train, "E0413")
        .says("no tensor of the file fits model `Small`")
        .says("`head.weight`: expected shape [2, 4], found [3, 4]");
    let ran = folder.run(&["train", "small.nn", "--partial"]);
    assert_eq!(ran.code, Some(2), "{ran}");
}

#[test]
fn a_file_says_which_weights_it_starts_from() {
    let folder = Folder::small();
    folder.run(&["train", "small.nn", "--engine", "reference"]).ok();
    let first = tensors(&folder.path("small.safetensors"));
    // Steps of nothing: what comes out is what it starts from.
    let on = MODEL.replace("seed 3", "seed 4\n    weights \"small.safetensors\"").replace("0.01", "1e-30");
    let folder = folder.with("on.nn", &on);
    let train = ["train", "on.nn", "--engine", "reference"];
    folder.run(&train).ok();
    assert_eq!(tensors(&folder.path("on.safetensors")), first);
    // It is beside the model's file, wherever the command runs.
    std::fs::create_dir(folder.path("inner")).expect("a folder can be made");
    let mut elsewhere = common::nnc(&folder.path("inner"));
    common::Ran::of(elsewhere.args(["train", "../on.nn", "--engine", "reference"])).ok();
    assert_eq!(tensors(&folder.path("inner/on.safetensors")), first);
    // The command line takes precedence, and a checkpoint.
    state_dict(
        &folder,
        "halves.safetensors",
        &[
            ("hidden.weight", &[4, 2], vec![0.5; 8]),
            ("hidden.bias", &[4], vec![0.5; 4]),
            ("head.weight", &[2, 4], vec![0.5; 8]),
            ("head.bias", &[2], vec![0.5; 2]),
        ],
    );
    folder.run(&[&train[..], &["--weights", "halves.safetensors"]].concat()).ok();
    let halves = tensors(&folder.path("on.safetensors"));
    assert!(halves.values().flatten().all(|bits| *bits == 0.5f32.to_bits()), "{halves:?}");
    folder.run(&[&train[..], &["--resume", "--epochs", "3"]].concat()).ok();
    assert_eq!(tensors(&folder.path("on.safetensors")), halves);
    // Every run of a sweep starts from them.
    let sweep = ["sweep", "on.nn", "--engine", "reference", "--seeds", "1,2", "--message-format", "json"];
    let swept = folder.run(&sweep).ok().events();
    let losses: Vec<_> =
        swept.iter().filter(|event| event["event"] == "run").map(|event| &event["test_loss"]).collect();
    assert!(losses.len() == 2 && losses[0].is_number() && losses[0] == losses[1], "{losses:?}");
    // A model of another shape, and a part of it.
    let wide = on.replace("head: dense(2)", "other: dense(3) -> relu\n    head: dense(2)");
    let folder = folder.with("on.nn", &wide);
    folder
        .fails(&train, "E0413")
        .says("they are asked for at on.nn:")
        .says("missing: `other.weight`, `other.bias`");
    let folder = folder.with("on.nn", wide.replace("seed 4", "seed 4\n    partial true"));
    folder.run(&train).ok().shows("loaded 3 of 6 tensors").shows("  skipped  head.weight: expected shape");
    let found = tensors(&folder.path("on.safetensors"));
    assert_eq!(found["hidden.weight"], first["hidden.weight"]);
    let folder = folder.with("on.nn", on.replace("small.safetensors", "none.safetensors"));
    folder.fails(&train, "E0414").says("none.safetensors").says("they are asked for at on.nn:");
}

// ---- Losses that compare with the model's own values -----------------------------------------------------------------

#[test]
fn an_autoencoder_needs_no_target() {
    let model = r#"model Auto {
    input x: [2]
    let code = dense(1)
    let decoded = code -> dense(2)
    output decoded, code
    loss mse(output = decoded, target = x)
    optimizer adam(lr = 0.05)
}

data {
    csv "points.csv"
    split 0.75
}

train {
    epochs 60
    batch 4
}
"#;
    let points: String =
        (0..16).map(|n| format!("{},{}\n", f64::from(n) / 8.0, 1.0 - f64::from(n) / 4.0)).collect();
    let folder = Folder::new().with("auto.nn", model).with("points.csv", format!("a,b\n{points}"));
    for engine in [&[] as &[&str], &["--engine", "reference"]] {
        folder.run(&[&["train", "auto.nn"], engine].concat()).ok().shows("test loss");
        let ran = folder.run(&[&["eval", "auto.nn"], engine].concat()).ok();
        let loss = ran.out.lines().find_map(|line| line.strip_prefix("loss ")?.parse::<f64>().ok());
        assert!(loss.is_some_and(|loss| loss < 0.02), "points on a line have one number: {ran}");
        let ran = folder.run(&[&["predict", "auto.nn", "--input", "points.csv"], engine].concat()).ok();
        assert_eq!(ran.out.lines().count(), 17, "{ran}");
    }
    // A target that is named all the same is no input.
    let folder = folder
        .with("auto.nn", model.replace("split 0.75", "target kind"))
        .with("points.csv", "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n");
    folder.run(&["train", "auto.nn", "--engine", "reference"]).ok();
}

#[test]
fn the_example_begins_with_what_was_learnt_without_labels() {
    let example = |name: &str| {
        std::fs::read_to_string(repository(&format!("examples/transfer/{name}"))).expect("it is there")
    };
    let folder = Folder::new().with("strokes.nn", example("strokes.nn")).with("few.nn", example("few.nn"));
    let data = repository("examples/transfer");
    let train = |model: &str, epochs: &str| {
        folder.run(&["train", model, "--data", &data, "--engine", "reference", "--epochs", epochs]).ok()
    };
    train("strokes.nn", "1");
    train("few.nn", "2").shows("accuracy");
    let (strokes, few) =
        (tensors(&folder.path("strokes.safetensors")), tensors(&folder.path("few.safetensors")));
    for name in ["strokes.weight", "strokes.bias", "normalize.mean", "normalize.std"] {
        assert_eq!(few[&format!("Strokes.{name}")], strokes[name], "{name}");
    }
}
