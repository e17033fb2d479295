//! Training that is interrupted goes on as if it had not been.
#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::{Folder, Ran};

/// Long enough to be interrupted, in epochs of some milliseconds.
const MODEL: &str = r#"model Long {
    input [2]
    normalize
    hidden: dense(24) -> tanh
    head: dense(1)
    loss mse
    optimizer adam(lr = 0.001)
}

data {
    csv "rows.csv"
    target z
    split 0.9
    validation 0.1
}

train {
    epochs 1000000
    batch 8
    seed 5
}
"#;

/// The same with everything that is kept from step to step besides: figures of batches, draws, gradients of steps that
/// wait for their update, averages, and what a schedule remembers.
fn with_memory() -> String {
    let body = "hidden: dense(24, bias = false) -> batch_norm -> tanh -> dropout(0.2)";
    let optimizer =
        "adamw(lr = plateau(0.001, factor = 0.9, patience = 0), accumulate = 3, ema = 0.9, clip_norm = 1)";
    MODEL.replace("hidden: dense(24) -> tanh", body).replace("adam(lr = 0.001)", optimizer)
}

fn folder(rows: usize) -> Folder {
    folder_of(MODEL, rows)
}

fn folder_of(model: &str, rows: usize) -> Folder {
    let mut table = String::from("x,y,z\n");
    for n in 0..rows {
        let (x, y) = (n % 37, n % 11);
        table.push_str(&format!("{x},{y},{}\n", x * y % 7));
    }
    Folder::new().with("long.nn", model).with("rows.csv", table)
}

/// Trains until the first epoch is told, interrupts, and returns what was said and the epoch it was in.
fn interrupted(folder: &Folder, engine: &str) -> (Ran, u64) {
    let mut child = folder
        .nnc(&["train", "long.nn", "--engine", engine, "--message-format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    while let Some(Ok(line)) = lines.next() {
        if line.contains("\"event\":\"epoch\"") {
            break;
        }
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("`kill` runs").success());
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let mut ran = Ran::from(child.wait_with_output().expect("it ends"));
    ran.out = rest.join("\n");
    let last = rest.last().expect("it says why it ended");
    let told = last.split("interrupted in epoch ").nth(1).unwrap_or_else(|| panic!("{ran}"));
    let epoch = told.split(',').next().and_then(|epoch| epoch.parse().ok()).expect("a number");
    (ran, epoch)
}

/// The numbers of a safetensors file. What stands before them tells the seconds of each epoch, which are not the same.
fn tensors(file: &[u8]) -> &[u8] {
    let (length, rest) = file.split_first_chunk().expect("a length");
    let header = usize::try_from(u64::from_le_bytes(*length)).expect("a length");
    &rest[header..]
}

fn resumes_to_the_same_bits(model: &str, engine: &str, rows: usize) {
    let folder = folder_of(model, rows);
    let (ran, epoch) = interrupted(&folder, engine);
    assert_eq!(ran.code, Some(130), "{ran}");
    assert!(ran.out.contains("\"code\":\"E0418\"") && ran.out.contains("--resume"), "{ran}");
    // A whole checkpoint, no weights, and nothing half-written.
    assert_eq!(folder.files(), ["long.checkpoint.safetensors", "long.nn", "rows.csv"]);

    let epochs = (epoch + 1).to_string();
    let train = |more: &[&str]| {
        let base = ["train", "long.nn", "--engine", engine, "--epochs", &epochs, "--message-format", "json"];
        folder.run(&[&base[..], more].concat()).ok()
    };
    let resumed = train(&["--resume"]).event("finished");
    let whole = train(&["--out", "whole.safetensors"]).event("finished");
    assert_eq!(folder.bytes("long.safetensors"), folder.bytes("whole.safetensors"));
    let tensors = |name: &str| tensors(&folder.bytes(name)).to_vec();
    let [resumed_state, whole_state] =
        ["long.checkpoint.safetensors", "whole.checkpoint.safetensors"].map(tensors);
    assert!(resumed_state == whole_state, "the states of the optimizer too");
    for key in ["loss", "test_loss", "test_rmse", "test_r2", "steps", "epochs"] {
        assert_eq!(resumed[key], whole[key], "{key}");
    }
}

#[test]
fn compiled_code() {
    resumes_to_the_same_bits(MODEL, "compiled", 4000);
    resumes_to_the_same_bits(&with_memory(), "compiled", 4000);
}

#[test]
fn the_reference() {
    resumes_to_the_same_bits(MODEL, "reference", 200);
    resumes_to_the_same_bits(&with_memory(), "reference", 200);
}

#[test]
fn a_finished_run_is_extended() {
    let folder = folder(64);
    let train = |epochs: &str, more: &[&str]| {
        folder
            .run(&[&["train", "long.nn", "--engine", "reference", "--epochs", epochs][..], more].concat())
            .ok()
    };
    train("2", &[]);
    train("4", &["--resume"]);
    train("4", &["--out", "whole.safetensors"]);
    assert_eq!(folder.bytes("long.safetensors"), folder.bytes("whole.safetensors"));
}
