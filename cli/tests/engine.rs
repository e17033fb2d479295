//! Compiled code and its cache, and machines without a Rust compiler.

mod common;

use std::process::Stdio;

use common::{Folder, MODEL, ROWS, Ran};

/// The small model under a name that no other test uses, so that no other test compiles it.
fn named(name: &str) -> Folder {
    Folder::new()
        .with("small.nn", MODEL.replace("model Small", &format!("model {name}")))
        .with("rows.csv", ROWS)
}

#[test]
fn without_rustc_the_reference_runs_and_says_so() {
    let folder = Folder::small();
    let without = |arguments: &[&str]| Ran::of(folder.nnc(arguments).env("RUSTC", "no-such-rustc"));
    without(&["train", "small.nn"]).ok().says("warning: there is no `rustc`").says("reference interpreter");
    without(&["eval", "small.nn"]).ok();
    let ran = without(&["train", "small.nn", "--message-format", "json"]).ok();
    assert!(ran.event("warning")["message"].as_str().is_some_and(|text| text.contains("rustc")));
    let ran = without(&["train", "small.nn", "--engine", "compiled"]);
    ran.is_error("E0504");
    ran.says("--engine reference");
    let ran = without(&["train", "small.nn", "--engine", "reference"]).ok();
    assert_eq!(ran.err, "", "what was asked for needs no warning");
}

#[cfg(unix)]
#[test]
fn without_a_linker_the_reference_runs_and_says_so() {
    let folder = named("Unlinked");
    let sysroot =
        std::process::Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc runs");
    let rustc = format!("{}/bin/rustc", String::from_utf8_lossy(&sysroot.stdout).trim());
    let without = |arguments: &[&str]| {
        Ran::of(folder.nnc(arguments).env("RUSTC", &rustc).env("PATH", "/no-such-folder"))
    };
    without(&["train", "small.nn"]).ok().says("no linker `cc`").says("reference interpreter");
    without(&["train", "small.nn", "--engine", "compiled"]).is_error("E0504");
}

#[cfg(unix)]
#[test]
fn code_that_rustc_rejects_is_our_fault_and_kept() {
    use std::os::unix::fs::PermissionsExt;

    let script = "#!/bin/sh\nif [ \"$1\" = -vV ]; then echo 'rustc 1.0.0 (fake)'; exit 0; fi\n\
        echo 'error[E0000]: it does not please me' >&2\nexit 1\n";
    let folder = named("Rejected").with("fake", script);
    std::fs::set_permissions(folder.path("fake"), PermissionsExt::from_mode(0o755)).expect("it is ours");
    let cache = Folder::new();
    let mut command = folder.nnc(&["train", "small.nn"]);
    command.env("RUSTC", folder.path("fake")).env("NNC_CACHE_DIR", cache.path("cache"));
    let ran = Ran::of(&mut command);
    ran.is_error("E0504");
    let ran = ran.says("it does not please me").says("please report it").says("--engine reference");
    let kept = ran.err.split("--> ").nth(1).and_then(|rest| rest.lines().next()).expect("a place");
    assert!(std::path::Path::new(kept).is_dir(), "{ran}");
    assert_eq!(folder.files(), ["fake", "rows.csv", "small.nn"]);
}

#[test]
fn what_was_compiled_once_starts_at_once() {
    let folder = named("Again");
    let first = folder.run(&["train", "small.nn"]).ok();
    let second = folder.run(&["train", "small.nn"]).ok();
    assert!(!second.err.contains("compiled"), "{second}");
    assert_eq!(first.out.lines().next(), second.out.lines().next(), "and learns the same");
    // The rows and the number of epochs are not part of the code.
    let other = folder.run(&["train", "small.nn", "--epochs", "3", "--seed", "8"]).ok();
    assert!(!other.err.contains("compiled"), "{other}");
}

#[test]
fn two_commands_at_once_fill_one_cache() {
    let folder = named("Both");
    // A relative folder, from where the command runs.
    let start = |out: &str| {
        folder
            .nnc(&["train", "small.nn", "--out", out])
            .env("NNC_CACHE_DIR", "cache")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command runs")
    };
    let both = [start("a.safetensors"), start("b.safetensors")];
    for child in both {
        Ran::from(child.wait_with_output().expect("it ends")).ok();
    }
    assert_eq!(folder.bytes("a.safetensors"), folder.bytes("b.safetensors"));
    let entries: Vec<String> = std::fs::read_dir(folder.path("cache"))
        .expect("the cache is there")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(entries.len(), 2, "the core and the model, nothing half-made: {entries:?}");
}

#[test]
fn what_was_not_used_for_longest_leaves_the_cache() {
    let folder = named("Old");
    let train = |epochs: &str| {
        let mut command = folder.nnc(&["train", "small.nn", "--engine", "compiled", "--epochs", epochs]);
        Ran::of(command.env("NNC_CACHE_DIR", folder.path("cache"))).ok()
    };
    train("1");
    let entries = || -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(folder.path("cache")).expect("the cache is there");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    };
    let is_model = |place: &std::path::PathBuf| place.display().to_string().contains("model-");
    let model = entries().into_iter().find(is_model).expect("the model");
    let library = std::fs::read_dir(&model).expect("its folder").flatten();
    let name = library.map(|file| file.file_name()).find(|name| name != "model.rs").expect("its library");
    for n in 0..300 {
        let place = folder.path("cache").join(format!("old-{n}"));
        std::fs::create_dir(&place).expect("a folder");
        let file = std::fs::File::create(place.join(&name)).expect("a file");
        let used = std::time::UNIX_EPOCH + std::time::Duration::from_secs(n);
        file.set_modified(used).expect("a time");
    }
    // What is there already makes no room; what is new does.
    train("2");
    assert_eq!(entries().len(), 302);
    let other = folder.text("small.nn").replace("model Old", "model Older");
    std::fs::write(folder.path("small.nn"), other).expect("it can be written");
    train("1");
    let left = entries();
    assert!(left.len() <= 258 && left.contains(&model), "{} entries", left.len());
    assert!(left.contains(&folder.path("cache").join("old-299")));
    assert!(!left.contains(&folder.path("cache").join("old-3")));
}

#[test]
fn a_cache_that_cannot_be_written() {
    let folder = named("Nowhere").with("file", "");
    let mut command = folder.nnc(&["train", "small.nn"]);
    command.env("NNC_CACHE_DIR", folder.path("file").join("cache"));
    Ran::of(&mut command).is_error("E0417");
    assert_eq!(folder.files(), ["file", "rows.csv", "small.nn"]);
}
