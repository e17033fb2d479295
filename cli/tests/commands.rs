//! What each subcommand shows, and what it returns.

mod common;

use std::process::Stdio;

use common::{Folder, MODEL, Ran, repository};

#[test]
fn check_names_the_models_of_good_files() {
    Folder::small().run(&["check", "small.nn"]).ok().shows("small.nn: Small\n");
    let folder = Folder::small().with("bad.nn", "model M { input [2] dense(0) }");
    let ran = folder.fails(&["check", "bad.nn", "small.nn"], "E0205");
    assert_eq!(ran.out, "small.nn: Small\n", "a fault in one file does not hide the others");
}

#[test]
fn check_tells_programs_what_it_tells_people() {
    let folder = Folder::small().with("bad.nn", MODEL.replace("relu", "rellu"));
    let ran = folder.run(&["check", "bad.nn", "small.nn", "none.nn", "--message-format", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    let events = ran.events();
    assert_eq!(events[0]["event"], "diagnostic");
    assert_eq!(events[0]["code"], "E0201");
    assert_eq!(events[1]["event"], "checked");
    assert_eq!((&events[1]["file"], &events[1]["errors"]), (&"bad.nn".into(), &1.into()));
    assert_eq!((&events[2]["file"], &events[2]["errors"]), (&"small.nn".into(), &0.into()));
    assert_eq!(events[2]["models"][0], "Small");
    assert_eq!((&events[3]["event"], &events[3]["code"]), (&"error".into(), &"E0414".into()));
}

#[test]
fn parameters_of_a_model_are_set_from_outside() {
    let text = "model M(units) { input [2] dense(units) }\n";
    let folder = Folder::new().with("m.nn", text);
    folder.fails(&["check", "m.nn"], "E0203");
    folder.run(&["check", "m.nn", "--set", "units=3"]).ok();
    folder.run(&["summary", "m.nn", "--set", "units=3"]).ok().shows("[3]");
    folder.run(&["summary", "m.nn", "--set", "units=5"]).ok().shows("[5]");
    folder.run(&["summary", "m.nn", "--memory", "--set", "units=5"]).ok().shows("optimizer").shows("in all");
    folder.fails(&["summary", "m.nn", "--set", "units=0"], "E0205");
    folder.fails(&["summary", "m.nn", "--set", "unit=3", "--set", "units=1"], "E0218").says("`units`");
}

#[test]
fn fmt_writes_what_it_would_not_change_again() {
    let folder = Folder::new()
        .with("a.nn", "model M{input[2]dense(3)->relu}// end")
        .with("b.nn", "model  N { input [1] relu }");
    let before = folder.text("a.nn");
    let ran = folder.run(&["fmt", "--check", "a.nn", "b.nn"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    ran.says("a.nn:1: ").says("b.nn:1: ");
    assert_eq!(folder.text("a.nn"), before, "`--check` changes nothing");
    folder.run(&["fmt", "a.nn", "b.nn"]).ok();
    assert_ne!(folder.text("a.nn"), before);
    assert!(folder.text("a.nn").contains("dense(3) -> relu") && folder.text("a.nn").contains("// end"));
    folder.run(&["fmt", "--check", "a.nn", "b.nn"]).ok();
    let formatted = folder.text("a.nn");
    folder.run(&["fmt", "a.nn"]).ok();
    assert_eq!(folder.text("a.nn"), formatted);
    assert_eq!(folder.files(), ["a.nn", "b.nn"]);
}

#[test]
fn fmt_leaves_what_it_cannot_read() {
    let text = "model M { input [2] dense(3 -> relu }";
    let folder = Folder::new().with("a.nn", text);
    folder.fails(&["fmt", "a.nn"], "E0105");
    assert_eq!(folder.text("a.nn"), text);
}

#[test]
fn fmt_reads_the_standard_input() {
    let folder = Folder::new().with("in.nn", "model M{input[2]relu}");
    let mut command = folder.nnc(&["fmt", "-"]);
    command.stdin(std::fs::File::open(folder.path("in.nn")).expect("a file"));
    assert_eq!(Ran::of(&mut command).ok().out, "model M {\n    input [2]\n    relu\n}\n");
}

#[test]
fn summary_counts_layers_parameters_arithmetic_and_bytes() {
    let ran = Folder::small().run(&["summary", "small.nn"]).ok();
    let row = |name: &str| -> Vec<String> {
        let line =
            ran.out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}\n{ran}"));
        line.split_whitespace().map(str::to_owned).collect()
    };
    // 2 x 4 weights and 4 biases: 16 operations for the products, 4 for the biases.
    assert_eq!(
        row("hidden"),
        ["hidden", "dense(4)", "[4]", "he,", "gain", "1.414", "for", "relu", "12", "20"]
    );
    assert_eq!(row("head"), ["head", "dense(2)", "[2]", "he,", "gain", "1", "10", "18"]);
    assert_eq!(row("parameters"), ["parameters", "22"]);
    assert!(row("inference").contains(&"bytes".to_owned()));
    assert!(row("training").join(" ").ends_with("for a batch of 4"));
}

#[test]
fn expand_shows_every_stage() {
    let folder = Folder::small();
    let stage = |name: &str| folder.run(&["expand", "small.nn", "--stage", name]).ok().out;
    assert!(stage("ast").contains("Model"));
    assert!(stage("program").contains("hidden"));
    assert!(stage("graph").contains("@hidden.weight"));
    assert!(stage("gradients").contains("// backward: hidden: dense(4)"));
    assert!(stage("plan").contains("hidden_forward"));
    let rust = stage("rust");
    assert!(rust.contains("pub struct Small") && rust.contains("fn hidden_update"));
    assert_eq!(folder.run(&["expand", "small.nn"]).ok().out, rust, "Rust is what is shown unasked");
    assert!(!rust.contains('\u{1b}'), "no colours where nobody sees them");
    assert_eq!(stage("rust"), rust, "the same input, the same bytes");
}

#[test]
fn explain_has_a_page_for_each_code() {
    let folder = Folder::new();
    folder.run(&["explain", "E0304"]).ok().shows("E0304");
    folder.run(&["explain", "e0304"]).ok().shows("E0304");
    folder.run(&["explain", "error[E0304]"]).ok().shows("E0304");
    for code in nnc_grammar::diagnostic::all_codes() {
        folder.run(&["explain", code.as_str()]).ok().shows(code.title());
    }
    let ran = folder.run(&["explain", "E9999"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    ran.says("no code `E9999`");
}

#[test]
fn new_writes_a_model_that_checks() {
    let folder = Folder::new();
    folder.run(&["new", "my-flowers"]).ok().shows("nnc train my-flowers/my-flowers.nn");
    folder.run(&["check", "my-flowers/my-flowers.nn"]).ok().shows("MyFlowers");
    folder.run(&["fmt", "--check", "my-flowers/my-flowers.nn"]).ok();
    let before = folder.text("my-flowers/my-flowers.nn");
    folder.fails(&["new", "my-flowers"], "E0417").says("is there already");
    assert_eq!(folder.text("my-flowers/my-flowers.nn"), before);
    folder.fails(&["new", "../escaped"], "E0417");
    folder.fails(&["new", "1st"], "E0417");
    assert_eq!(folder.files(), ["my-flowers"]);
}

#[test]
fn wrong_usage_is_2() {
    let folder = Folder::small();
    for arguments in [
        &["nonsense"][..],
        &[],
        &["train"],
        &["train", "small.nn", "--nonsense"],
        &["train", "small.nn", "--set", "a"],
        &["train", "small.nn", "--seed", "-1"],
        &["train", "small.nn", "--epochs", "0"],
        &["train", "small.nn", "--threads", "0"],
        &["bench", "small.nn", "--threads", "two"],
        &["train", "small.nn", "--engine", "fast"],
        &["train", "small.nn", "--resume", "--weights", "a.safetensors"],
        &["expand", "small.nn", "--stage", "none"],
        &["bench", "small.nn", "--batch", "0"],
        &["check", "small.nn", "--message-format", "xml"],
    ] {
        let ran = folder.run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?} {ran}");
        assert_eq!(ran.out, "", "{arguments:?}");
    }
    let ran = Ran::of(folder.nnc(&["check", "small.nn"]).env("NNC_SIMD", "sse9"));
    assert_eq!(ran.code, Some(2), "{ran}");
    ran.says("`NNC_SIMD` is `sse9`").says("`avx2`");
    for threads in ["0", "-1", "many"] {
        let ran = Ran::of(folder.nnc(&["check", "small.nn"]).env("NNC_THREADS", threads));
        assert_eq!(ran.code, Some(2), "{ran}");
        ran.says(&format!("`NNC_THREADS` is `{threads}`")).says("from 1 on");
    }
    Ran::of(folder.nnc(&["check", "small.nn"]).env("NNC_THREADS", "")).ok();
    folder.run(&["--help"]).ok().shows("Usage: nnc");
    folder.run(&["--version"]).ok().shows("nnc ");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_not_success() {
    let folder = Folder::small();
    let mut command = folder.nnc(&["expand", "small.nn"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").expect("the device is there"));
    Ran::of(&mut command).is_error("E0417");
}

#[test]
fn the_examples_are_good_and_formatted() {
    let folder = Folder::new();
    for name in ["breast_cancer", "custom", "diabetes", "digits", "iris", "mnist", "wine"] {
        let path = repository(&format!("examples/{name}/{name}.nn"));
        folder.run(&["check", &path]).ok();
        folder.run(&["fmt", "--check", &path]).ok();
    }
}

#[test]
fn the_networks_of_the_zoo_are_good_and_formatted() {
    let folder = Folder::new();
    for network in std::fs::read_dir(repository("examples/zoo")).expect("the folder is there") {
        let network = network.expect("an entry").path();
        let Some(name) = network.file_name().filter(|_| network.is_dir()) else { continue };
        let path = network.join(name).with_extension("nn").to_string_lossy().into_owned();
        folder.run(&["check", &path]).ok();
        folder.run(&["fmt", "--check", &path]).ok();
    }
}

#[test]
fn every_stage_is_the_same_bytes_twice() {
    let folder = Folder::new();
    let iris = repository("examples/iris/iris.nn");
    for stage in ["ast", "program", "graph", "gradients", "plan", "rust"] {
        let expand = || folder.run(&["expand", &iris, "--stage", stage]).ok();
        let first = expand();
        assert!(!first.out.is_empty() && !first.out.contains('\u{1b}'), "{stage}");
        assert_eq!(first.out, expand().out, "{stage}");
    }
}

#[test]
fn a_reader_that_has_read_enough_is_no_fault() {
    let folder = Folder::small();
    for arguments in [
        &["expand", "small.nn"][..],
        &["summary", "small.nn"],
        &["explain", "E0304"],
        &["check", "small.nn", "--message-format", "json"],
        &["train", "small.nn", "--engine", "reference"],
    ] {
        // Closed before the first byte, as `head` closes it after the last that it wants.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = folder.nnc(arguments);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn().expect("the command runs");
        let ran = Ran::from(child.wait_with_output().expect("it ends")).ok();
        assert_eq!(ran.err, "", "{arguments:?}");
    }
    // Nobody reads the lines, but the weights are wanted.
    assert!(folder.path("small.safetensors").is_file());
}

#[test]
fn what_new_writes_is_trained_as_it_says() {
    let folder = Folder::new();
    folder.run(&["new", "flowers"]).ok().shows("nnc train flowers/flowers.nn");
    let ran = folder
        .run(&["train", "flowers/flowers.nn", "--engine", "reference", "--message-format", "json"])
        .ok();
    let accuracy = ran.event("finished")["test_accuracy"].as_f64().expect("a number");
    assert!(accuracy >= 0.9, "{accuracy}");
}
