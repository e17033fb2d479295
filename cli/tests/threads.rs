//! `--threads`: several cores, and the same results.

mod common;

use std::fmt::Write;

use common::{Folder, MODEL, ROWS, Ran};

/// A model with functions long enough to be divided, and its rows: more than a batch, and one that is not full.
fn wide() -> Folder {
    let layers = "hidden: dense(128) -> tanh -> middle: dense(128) -> relu";
    let model = MODEL
        .replace("model Small", "model Wide")
        .replace("hidden: dense(4) -> relu", layers)
        .replace("batch 4", "batch 64");
    let mut rows = "x,y,kind\n".to_owned();
    for n in 0..120 {
        let (x, y) = (f64::from(n % 11) - 5.0, f64::from(n % 7) - 3.0);
        let kind = if x * y > 0.0 { "up" } else { "down" };
        writeln!(rows, "{x},{y},{kind}").expect("it is a text");
    }
    Folder::new().with("wide.nn", model).with("rows.csv", rows)
}

/// The command, with a cache of its own in the folder.
fn alone(folder: &Folder, arguments: &[&str]) -> std::process::Command {
    let mut command = folder.nnc(arguments);
    command.env("NNC_CACHE_DIR", "cache");
    command
}

/// Entries in the cache of the folder.
fn entries(folder: &Folder) -> usize {
    std::fs::read_dir(folder.path("cache")).expect("the cache is there").count()
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let folder = wide();
    let one = Ran::of(&mut alone(&folder, &["train", "wide.nn", "--threads", "1", "--out", "1.safetensors"]));
    assert!(!one.ok().err.contains("with threads"));
    assert_eq!(entries(&folder), 2, "the core and the model");
    let two = Ran::of(&mut alone(&folder, &["train", "wide.nn", "--threads", "2", "--out", "2.safetensors"]));
    two.ok().says("compiled `Wide`").says("with threads");
    assert_eq!(entries(&folder), 4, "both with threads, beside those without");
    // The environment says how many without `--threads`, and nothing beside it.
    let arguments = ["train", "wide.nn", "--out", "3.safetensors"];
    let three = Ran::of(alone(&folder, &arguments).env("NNC_THREADS", "3")).ok();
    assert!(!three.err.contains("compiled"), "the number is not part of the code\n{three}");
    let first = folder.bytes("1.safetensors");
    for other in ["2.safetensors", "3.safetensors"] {
        assert!(folder.bytes(other) == first, "{other} is not 1.safetensors");
    }
    let rows = folder.text("rows.csv");
    let folder = folder.with("more.csv", rows.replace(",up", "").replace(",down", "").replace(",kind", ""));
    for arguments in [
        &["eval", "wide.nn", "--weights", "2.safetensors", "--message-format", "json"][..],
        &["predict", "wide.nn", "--weights", "2.safetensors", "--input", "more.csv"],
    ] {
        let [one, two] = ["1", "2"].map(|threads| {
            let arguments = [arguments, &["--threads", threads]].concat();
            Ran::of(&mut alone(&folder, &arguments)).ok()
        });
        assert!(!one.out.is_empty());
        assert_eq!(one.out, two.out, "{arguments:?}");
    }
    assert_eq!(entries(&folder), 4);
}

#[test]
fn a_model_that_is_not_divided_has_one_thread() {
    let folder = Folder::new()
        .with("small.nn", MODEL.replace("model Small", "model Undivided"))
        .with("rows.csv", ROWS);
    let first = Ran::of(alone(&folder, &["train", "small.nn"]).env("NNC_THREADS", "4")).ok();
    assert!(!first.err.contains("threads"), "{first}");
    let ran = Ran::of(&mut alone(&folder, &["train", "small.nn", "--threads", "4"])).ok();
    let ran = ran.says("`--threads 4`: one thread runs `Undivided`");
    assert!(!ran.err.contains("compiled"), "{ran}");
    assert_eq!(entries(&folder), 2);
}

#[test]
fn bench_says_how_many_it_used() {
    let folder = wide();
    let threads = |arguments: &[&str]| -> Vec<u64> {
        let arguments = [&["bench", "wide.nn", "--message-format", "json"], arguments].concat();
        let events = Ran::of(folder.nnc(&arguments).env("NNC_THREADS", "3")).ok().events();
        events.iter().map(|event| event["threads"].as_u64().expect("a whole number")).collect()
    };
    assert_eq!(threads(&["--threads", "2"]), [2, 2, 2]);
    assert_eq!(threads(&[]), [3, 3, 3]);
    let ran = folder.run(&["bench", "wide.nn"]).ok();
    let mut lines = ran.out.lines();
    let header: Vec<&str> = lines.next().expect("a header").split_whitespace().collect();
    assert_eq!(header, ["what", "batch", "threads", "median", "GFLOP/s"]);
    assert!(lines.all(|line| line.split_whitespace().nth(2) == Some("1")), "one unless told\n{ran}");
}

#[test]
fn what_has_one_thread_says_so() {
    let folder = wide();
    for arguments in [["bench", "wide.nn", "--by-layer"], ["train", "wide.nn", "--profile"]] {
        let arguments = [&arguments[..], &["--threads", "2"]].concat();
        folder
            .fails(&arguments, "E0501")
            .says("`--threads 2`")
            .says("by layer")
            .says("leave `--threads` out");
    }
    for command in ["train", "bench"] {
        let arguments = [command, "wide.nn", "--threads", "2", "--engine", "reference"];
        folder.fails(&arguments, "E0501").says("`--threads 2`").says("`--engine reference` has one thread");
    }
    let arguments = ["train", "small.nn", "--threads", "2"];
    let double = MODEL.replace("epochs 2", "epochs 2\n    precision f64");
    let double = Folder::new().with("small.nn", double).with("rows.csv", ROWS);
    double.fails(&arguments, "E0501").says("`--threads 2`").says("`precision f64`");
    // Nobody asked for the interpreter.
    let ran = Ran::of(Folder::small().nnc(&arguments).env("RUSTC", "no-such-rustc")).ok();
    ran.says("`--threads 2`: the reference interpreter has one thread");
    // The environment is obeyed where it can be.
    let arguments = ["train", "small.nn", "--engine", "reference"];
    let ran = Ran::of(Folder::small().nnc(&arguments).env("NNC_THREADS", "2")).ok();
    assert_eq!(ran.err, "");
}
