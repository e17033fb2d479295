//! A model of several inputs through the command: columns for each, training, and predictions from rows.

mod common;

use common::{Folder, repository};

const PARTS: &str = "model Parts {
    input a: [1]
    input b: [2]
    let one = a -> normalize -> dense(4) -> tanh
    let other = b -> normalize -> dense(4) -> tanh
    concat(one, other) -> dense(1)
    loss mse
    optimizer adam(lr = 0.02)
}

data {
    csv \"rows.csv\"
    target sum
    features [[z], [x, y]]
}

train {
    epochs 30
    batch 8
}
";

/// sum = 2 z + x, in columns of another order.
fn rows() -> String {
    let row = |n: usize| {
        let (x, y, z) = (n % 5, n % 3, n % 4);
        format!("{x},{y},{z},{}\n", 2 * z + x)
    };
    std::iter::once("x,y,z,sum\n".to_owned()).chain((0..60).map(row)).collect()
}

#[test]
fn each_input_has_its_columns() {
    let folder = Folder::new().with("parts.nn", PARTS).with("rows.csv", rows());
    folder.run(&["train", "parts.nn", "--engine", "reference"]).ok();
    // By their names, in whatever order they come.
    let folder = folder.with("in.csv", "y,x,z\n1,4,2\n").with("again.csv", "z,y,x\n2,1,4\n");
    let predict =
        |file: &str| folder.run(&["predict", "parts.nn", "--input", file, "--engine", "reference"]).ok().out;
    let found = predict("in.csv");
    assert_eq!(found, predict("again.csv"));
    let value: f64 = found.lines().nth(1).and_then(|line| line.parse().ok()).expect("a number");
    assert!((value - 8.0).abs() < 1.5, "{found}");
}

#[test]
fn summary_shows_all_inputs() {
    let folder = Folder::new().with("parts.nn", PARTS);
    folder.run(&["summary", "parts.nn"]).ok().shows("input a: [1]").shows("input b: [2]");
}

#[test]
fn lists_of_columns_fit_the_inputs() {
    let check = |features: &str, code: &str| {
        let text = PARTS.replace("[[z], [x, y]]", features);
        let folder = Folder::new().with("parts.nn", text).with("rows.csv", rows());
        folder.fails(&["train", "parts.nn", "--engine", "reference"], code)
    };
    check("[[z], [x], [y]]", "E0204").says("expected 2, found 3").says("inputs are `a`, `b`");
    check("[[z, x], [y]]", "E0416").says("the columns of input `a` make 2 values a sample, it takes 1");
    check("[[z], x, y]", "E0204");
    check("[[z], [x, z]]", "E0206");
    check("[[z], []]", "E0204");
}

#[test]
fn the_example_trains() {
    let folder = Folder::new()
        .with("two_inputs.nn", std::fs::read(repository("examples/iris/two_inputs.nn")).expect("it is there"))
        .with("iris.csv", std::fs::read(repository("examples/iris/iris.csv")).expect("it is there"));
    folder.run(&["train", "two_inputs.nn", "--engine", "reference", "--epochs", "20"]).ok().shows("accuracy");
}
