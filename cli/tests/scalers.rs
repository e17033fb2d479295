//! `normalize`, `min_max` and `robust` from a file to predictions: figures of the training rows, kept with the weights.

mod common;

use common::Folder;
use serde_json::Value;

const ENGINES: [&str; 2] = ["compiled", "reference"];

/// `x` takes 0 to 4 equally often, so that any fair choice of rows has the same least and greatest value, median and
/// quartiles; `k` never varies.
fn folder(layer: &str) -> Folder {
    let model = format!(
        "model Scaled {{ input [2] s: {layer} head: dense(1) loss mse optimizer sgd(lr = 0.1) }}
data {{ csv \"rows.csv\" target y split 0.8 validation 0.1 }}
train {{ epochs 3 batch 8 }}"
    );
    let rows: String = (0..200).map(|n| format!("{},7.5,{}\n", n % 5, 2 * (n % 5) - 3)).collect();
    Folder::new().with("scaled.nn", model).with("rows.csv", format!("x,k,y\n{rows}"))
}

/// A tensor of a safetensors file, whose header is JSON behind its length.
fn tensor(file: &[u8], name: &str) -> Vec<f32> {
    let (length, rest) = file.split_first_chunk().expect("a length");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header: Value = serde_json::from_slice(header).expect("JSON");
    let at = |end: usize| header[name]["data_offsets"][end].as_u64().expect("the tensor is there") as usize;
    let numbers = data[at(0)..at(1)].chunks_exact(4);
    numbers.map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four"))).collect()
}

#[test]
fn figures_of_the_training_rows_are_kept_with_the_weights() {
    for engine in ENGINES {
        for (layer, kept) in [
            ("min_max(low = -1, high = 2)", [("s.min", [0.0, 7.5]), ("s.max", [4.0, 7.5])]),
            ("robust", [("s.median", [2.0, 7.5]), ("s.iqr", [2.0, 1.0])]),
        ] {
            let folder = folder(layer);
            let json = ["--message-format", "json", "--engine", engine];
            let trained = folder.run(&[&["train", "scaled.nn"], &json[..]].concat()).ok().event("finished");
            for (name, values) in kept {
                assert_eq!(tensor(&folder.bytes("scaled.safetensors"), name), values, "{layer}, {engine}");
            }
            // Other rows are scaled by the same figures: the loss is measured again from the file.
            let measured = folder.run(&[&["eval", "scaled.nn"], &json[..]].concat()).ok().event("evaluated");
            assert_eq!(measured["loss"], trained["test_loss"], "{layer}, {engine}");
        }
    }
}

#[test]
fn predictions_are_made_of_scaled_rows() {
    for (layer, scaled) in [("min_max(low = -1, high = 2)", [-1.0, 5.0]), ("robust", [-1.0, 3.0])] {
        let folder = folder(layer).with("new.csv", "x,k\n0,7.5\n8,7.5\n");
        folder.run(&["train", "scaled.nn"]).ok();
        let weights = folder.bytes("scaled.safetensors");
        let ([w, v], [b]) = (&tensor(&weights, "head.weight")[..], &tensor(&weights, "head.bias")[..]) else {
            panic!("two weights and a bias");
        };
        // What never varies becomes `low`, or 0.
        let still = if layer == "robust" { 0.0 } else { -1.0 };
        let found = folder.run(&["predict", "scaled.nn", "--input", "new.csv"]).ok().out;
        for (line, x) in found.lines().skip(1).zip(scaled) {
            let y: f32 = line.parse().expect("a number");
            assert!((y - (w * x + v * still + b)).abs() < 1e-5, "{layer}: {found}");
        }
        assert_eq!(found.lines().count(), 3, "{found}");
    }
}

#[test]
fn elsewhere_they_are_an_error_at_their_place() {
    for layer in ["min_max", "robust(per = all)"] {
        let name = layer.split('(').next().expect("a name");
        let model = format!("model M {{ input [2] hidden: dense(3) -> relu {layer} dense(1) }}");
        Folder::new()
            .with("late.nn", model)
            .fails(&["check", "late.nn"], "E0307")
            .says(&format!("`{name}` is not at an input"))
            .says(&format!("put `{name}` directly behind `input`"));
    }
}
