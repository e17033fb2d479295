//! What `nnc train` says of model and data before the first step.

mod common;

use common::{Folder, Ran};

/// Trains a model of this body on these rows for one epoch.
fn train(body: &str, rows: &str) -> Ran {
    let text = format!(
        "model Small {{\n    input [2]\n    {body}\n    optimizer sgd(lr = 1e-9)\n}}\n\
         data {{ csv \"rows.csv\" target z split 1 }}\ntrain {{ epochs 1 batch 4 }}\n"
    );
    let folder = Folder::new().with("small.nn", text).with("rows.csv", rows);
    folder.run(&["train", "small.nn", "--engine", "reference", "--no-diagnose"]).ok()
}

/// Forty rows of two columns and a target.
fn rows(row: impl Fn(u32) -> (f64, f64, String)) -> String {
    let line = |n| {
        let (x, y, z) = row(n);
        format!("{x},{y},{z}\n")
    };
    std::iter::once("x,y,z\n".to_owned()).chain((0..40).map(line)).collect()
}

fn measured(n: u32) -> String {
    format!("{}", f64::from(n) / 7.0 + 0.1)
}

#[test]
fn inputs_of_very_different_scale_are_told() {
    let apart = rows(|n| (f64::from(n % 5) / 5.0, f64::from(n % 7) * 1000.0, measured(n)));
    train("dense(1)\n    loss mse", &apart)
        .says("warning[W0109]: inputs are of very different scale")
        .says("small.nn:2:5")
        .says("`y` varies by")
        .says("put `normalize` behind the input");
    for layer in ["normalize", "min_max", "robust", "batch_norm"] {
        let ran = train(&format!("{layer}\n    dense(1)\n    loss mse"), &apart);
        assert!(!ran.err.contains("W0109"), "{layer}\n{ran}");
    }
}

#[test]
fn inputs_far_from_1_are_told() {
    let far = rows(|n| (200.0 + f64::from(n % 5), 200.0 + f64::from(n % 7), measured(n)));
    train("dense(1)\n    loss mse", &far)
        .says("warning[W0109]: inputs are far from 1")
        .says("`y` is as large as 206.0");
    // A column that never varies has no scale, and near 1 there is nothing to say.
    let near = rows(|n| (f64::from(n % 5), 100_000.0, measured(n)));
    let ran = train("dense(1)\n    loss mse", &near);
    assert!(!ran.err.contains("W0109"), "{ran}");
}

#[test]
fn kinds_of_things_as_numbers_are_told() {
    let of = |kinds: u32| rows(|n| (f64::from(n % 5), f64::from(n % 7), format!("{}", n % kinds)));
    train("dense(1)\n    loss mse", &of(3))
        .says("warning[W0110]: `mse` compares kinds of things as if they were numbers")
        .says("small.nn:4:10")
        .says("`z` has 3 different whole numbers in 40 rows")
        .says("`dense(3)` and `loss cross_entropy`");
    // Two may be a yes or no, many are a count; and with classes there is nothing to say.
    for (body, rows) in [
        ("dense(1)\n    loss mse", of(2)),
        ("dense(1)\n    loss mse", of(30)),
        ("dense(1)\n    loss poisson", of(3)),
        ("dense(3)\n    loss cross_entropy", of(3)),
        ("dense(1)\n    loss mse", rows(|n| (f64::from(n % 5), 1.0, measured(n % 3)))),
    ] {
        let ran = train(body, &rows);
        assert!(!ran.err.contains("W0110"), "{body}\n{ran}");
    }
}

#[test]
fn a_file_that_knows_better_is_told_nothing() {
    let text = "allow W0109, W0110\nmodel Small { input [2] dense(1) loss mse optimizer sgd(lr = 1e-9) }\n\
        data { csv \"rows.csv\" target z }\ntrain { epochs 1 batch 4 }\n";
    let rows = rows(|n| (f64::from(n % 5) / 5.0, f64::from(n % 7) * 1000.0, format!("{}", n % 3)));
    let folder = Folder::new().with("small.nn", text).with("rows.csv", rows);
    let ran = folder.run(&["train", "small.nn", "--engine", "reference", "--no-diagnose"]).ok();
    assert!(!ran.err.contains("warning"), "{ran}");
}
