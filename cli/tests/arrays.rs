//! Arrays of NumPy: trained on, measured, predicted, and refused. The files are those of `tests/data/numpy`.

mod common;

use common::{Folder, repository};

const SMALL: &str = r#"model Small {
    input [2, 3]
    normalize
    flatten
    hidden: dense(24) -> tanh
    head: dense(3)
    loss cross_entropy
    optimizer adam(lr = 0.1)
}

data {
    SOURCE
}

train {
    epochs 150
    batch 2
}
"#;

fn folder(source: &str) -> Folder {
    Folder::new().with("small.nn", SMALL.replace("SOURCE", source))
}

/// Runs the command without rustc, on the stored arrays.
fn run(folder: &Folder, command: &str, more: &[&str]) -> common::Ran {
    let stored = repository("tests/data/numpy");
    let arguments = [command, "small.nn", "--engine", "reference", "--data", &stored];
    folder.run(&[&arguments, more].concat())
}

#[test]
fn arrays_are_trained_on_and_predicted() {
    let json = ["--message-format", "json"];
    let files =
        folder("npy \"f4.npy\"\n labels \"y.npy\"\n test \"i4_fortran.npy\"\n test_labels \"y_float.npy\"");
    let trained = run(&files, "train", &json).ok().event("finished");
    assert_eq!(trained["test_accuracy"], 1.0, "{trained}");
    let archive = folder("npz \"packed.npz\"\n arrays [x_train, y_train, x_test, y_test]");
    let other = run(&archive, "train", &json).ok().event("finished");
    // The same numbers, so the same training.
    assert_eq!(other["loss"], trained["loss"]);
    let evaluated = run(&archive, "eval", &json).ok().event("evaluated");
    assert_eq!((&evaluated["rows"], &evaluated["accuracy"]), (&2.into(), &1.0.into()), "{evaluated}");
    let input = |name: &str| repository(&format!("tests/data/numpy/{name}"));
    let predicted = run(&files, "predict", &["--input", &input("f8.npy")]).ok().out;
    assert!(predicted.starts_with("class,p_0,p_1,p_2\n"), "{predicted}");
    let classes: Vec<&str> = predicted.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(classes, ["0", "2", "1", "2"]);
    // By the name it was trained with, or as the only array.
    for name in ["packed.npz", "one.npz"] {
        assert_eq!(run(&archive, "predict", &["--input", &input(name)]).ok().out, predicted, "{name}");
    }
    run(&files, "predict", &[]).is_error("E0414");
    run(&files, "predict", &["--input", &input("y.npy")]).is_error("E0416");
}

#[test]
fn arrays_that_cannot_be_used_are_told() {
    let fails = |source: &str, code: &str| {
        let ran = run(&folder(source), "train", &[]);
        ran.is_error(code);
        ran
    };
    fails("npy \"none.npy\" labels \"y.npy\"", "E0414").says("none.npy");
    fails("npy \"complex.npy\" labels \"y.npy\"", "E0501").says("<c8");
    fails("npy \"y_values.npy\" labels \"y.npy\"", "E0416").says("takes [2, 3]").says("4 samples of [2]");
    fails("npz \"packed.npz\"", "E0406").says("no array `x`").says("`x_train`");
}
