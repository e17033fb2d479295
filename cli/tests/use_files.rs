//! `use "my.nn"`: the command reads the files that a model uses.

mod common;

use std::fs;

use common::{Folder, MODEL, ROWS, Ran};

const BENT: &str = "activation bent(x) = if x > 0 { x } else { 0.3 * x }\n";

/// The small model with an activation of another file, in a folder `models`.
fn using(name: &str) -> Folder {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("models/lib")).expect("a folder can be made");
    let text = MODEL.replace("relu", "bent").replace("model Small", &format!("model {name}"));
    folder
        .with("models/small.nn", format!("use \"lib/bent.nn\"\n\n{text}"))
        .with("models/rows.csv", ROWS)
        .with("models/lib/bent.nn", BENT)
}

#[test]
fn files_are_found_beside_the_model_wherever_the_command_runs() {
    let folder = using("Beside");
    folder.run(&["check", "models/small.nn"]).ok().shows("models/small.nn: Beside");
    let mut inside = folder.nnc(&["check", "small.nn"]);
    Ran::of(inside.current_dir(folder.path("models"))).ok();
    let absolute = folder.path("models/small.nn").display().to_string();
    folder.run(&["check", &absolute]).ok();
}

#[test]
fn every_stage_shows_what_is_used() {
    let folder = using("Stages");
    for stage in ["ast", "program", "graph", "gradients", "plan", "rust"] {
        folder.run(&["expand", "models/small.nn", "--stage", stage]).ok();
    }
    folder.run(&["expand", "models/small.nn", "--stage", "program"]).ok().shows("bent");
    folder.run(&["summary", "models/small.nn"]).ok();
}

#[test]
fn a_changed_file_is_compiled_again() {
    let folder = using("Changed");
    let cache = Folder::new();
    let train = || {
        let mut command = folder.nnc(&["train", "models/small.nn", "--out", "w.safetensors"]);
        Ran::of(command.env("NNC_CACHE_DIR", cache.path("cache"))).ok()
    };
    train().says("compiled `Changed`");
    assert!(!train().err.contains("compiled `Changed`"), "nothing has changed");
    fs::write(folder.path("models/lib/bent.nn"), BENT.replace("0.3", "0.2")).expect("it is ours");
    train().says("compiled `Changed`");
}

#[test]
fn a_missing_file_is_told_with_its_place_and_the_one_that_is_meant() {
    let folder = using("Missing")
        .with("models/wrong.nn", "use \"lib/bant.nn\"\nmodel A { input [2] dense(1) -> bent }\n");
    folder
        .fails(&["check", "models/wrong.nn"], "E0414")
        .says("cannot read `lib/bant.nn`: no such file")
        .says("models/wrong.nn:1:5")
        .says("tried `models/lib/bant.nn`")
        .says("did you mean `lib/bent.nn`?")
        .says("1 error in models/wrong.nn");
}

#[test]
fn what_cannot_be_text_is_told() {
    let model = |path: &str| format!("use \"{path}\"\nmodel A {{ input [2] dense(1) }}\n");
    let folder = using("Text")
        .with("folder.nn", model("models"))
        .with("binary.nn", model("bytes"))
        .with("large.nn", model("zeros"))
        .with("bytes", [0xff, 0xfe, 0])
        .with("zeros", vec![b' '; (4 << 20) + 1]);
    folder.fails(&["check", "folder.nn"], "E0414").says("it is a folder");
    folder.fails(&["check", "binary.nn"], "E0414").says("it is not UTF-8 text");
    folder.fails(&["check", "large.nn"], "E0414").says("it is larger than 4 MiB");
}

#[test]
fn faults_in_several_files_are_drawn_in_each() {
    let folder = using("Several");
    let twice = fs::read_to_string(folder.path("models/small.nn")).expect("a text") + BENT;
    let folder = folder.with("models/small.nn", twice);
    let ran = folder.fails(&["check", "models/small.nn"], "E0206");
    let ran =
        ran.says("models/small.nn:22:12").says("::: models/lib/bent.nn:1:12").says("first defined here");
    drop(ran);
    let folder = using("Inside").with("models/lib/bent.nn", "activation bent(x) = rleu(x)\n");
    folder
        .fails(&["check", "models/small.nn"], "E0207")
        .says("--> models/lib/bent.nn:1:22")
        .says("1 error in models/lib/bent.nn");
    let ran = folder.run(&["check", "models/small.nn", "--message-format", "json"]);
    let told = ran.event("diagnostic");
    assert_eq!((&told["code"], &told["file"]), (&"E0207".into(), &"models/lib/bent.nn".into()), "{ran}");
}

#[test]
fn one_file_under_two_names_is_one_file() {
    let folder = using("Names");
    let text = fs::read_to_string(folder.path("models/small.nn")).expect("a text");
    let folder =
        folder.with("models/more.nn", "use \"../models/lib/bent.nn\"\nactivation more(x) = bent(x)\n").with(
            "models/small.nn",
            format!("use \"more.nn\"\n{}", text.replacen("bent\n", "bent -> more\n", 1)),
        );
    folder.run(&["check", "models/small.nn"]).ok();
    let folder = folder.with("models/lib/bent.nn", format!("use \"../small.nn\"\n{BENT}"));
    folder
        .fails(&["check", "models/small.nn"], "E0222")
        .says("`models/small.nn` uses itself")
        .says("`models/small.nn` uses `models/more.nn` uses `models/lib/bent.nn` uses `models/small.nn`");
}

#[test]
fn a_file_of_definitions_is_checked_and_formatted_by_itself() {
    let folder = using("Alone");
    folder.run(&["check", "models/lib/bent.nn"]).ok().shows("models/lib/bent.nn: definitions alone");
    folder.run(&["fmt", "--check", "models/lib/bent.nn", "models/small.nn"]).ok();
    let folder = folder.with("loose.nn", "use   \"a.nn\"  use \"b.nn\"\n\n\n\ninit   one=ones\n");
    folder.run(&["fmt", "loose.nn"]).ok();
    assert_eq!(folder.text("loose.nn"), "use \"a.nn\"\nuse \"b.nn\"\n\ninit one = ones\n");
    let folder = folder.with("wrong.nn", "activation bent(x) = rleu(x)\n");
    folder.fails(&["check", "wrong.nn"], "E0207");
}
