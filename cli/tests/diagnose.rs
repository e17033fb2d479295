//! What `nnc train` notices while it trains.

mod common;

use common::{Folder, ROWS, Ran, nnc, repository};

/// A model of the rows with this body.
fn folder(body: &str) -> Folder {
    let text = format!(
        "model Small {{\n    input [2]\n    {body}\n    loss cross_entropy\n}}\n\
         data {{ csv \"rows.csv\" target kind split 1 }}\ntrain {{ epochs 4 batch 16 seed 3 }}\n"
    );
    Folder::new().with("small.nn", text).with("rows.csv", ROWS)
}

#[track_caller]
fn train(folder: &Folder, more: &[&str]) -> Ran {
    folder.run(&[&["train", "small.nn", "--engine", "reference"], more].concat()).ok()
}

/// The warning comes once, and at the text.
#[track_caller]
fn assert_warns(body: &str, code: &str, place: &str) {
    let folder = folder(body);
    let ran = train(&folder, &["--message-format", "json"]);
    let found: Vec<_> = ran.events().into_iter().filter(|event| event["code"] == code).collect();
    assert_eq!(found.len(), 1, "{code} once\n{ran}");
    let text = folder.text("small.nn");
    let number = |key: &str| found[0][key].as_u64().unwrap_or_else(|| panic!("{key}")) as usize;
    assert_eq!(number("line"), number("end_line"), "{ran}");
    let line = text.lines().nth(number("line") - 1).expect("a line of the model");
    assert_eq!(&line[number("column") - 1..number("end_column") - 1], place, "{ran}");
    let quiet = train(&folder, &["--no-diagnose"]);
    assert!(!quiet.err.contains(code), "{quiet}");
    let ran = train(&folder, &[]);
    ran.says(&format!("warning[{code}]"));
}

#[test]
fn dead_units_are_told() {
    let body = "dense(8, bias_init = constant(value = -100)) -> relu\n    head: dense(2)\n    optimizer sgd(lr = 0.01)";
    assert_warns(body, "W0201", "relu");
}

#[test]
fn a_vanishing_gradient_is_told() {
    let body = "first: dense(8) -> tanh\n    dense(8, init = normal(std = 1e-9), bias_init = ones) -> tanh
    head: dense(2)\n    optimizer sgd(lr = 1e-12)";
    assert_warns(body, "W0202", "first: dense(8)");
}

#[test]
fn a_gradient_that_vanishes_everywhere_is_told() {
    let layers = "    dense(8, init = normal(std = 1e-5)) -> tanh\n".repeat(4);
    let folder = folder(&format!("{layers}    head: dense(2)\n    optimizer sgd(lr = 0.01)"));
    train(&folder, &[]).says("warning[W0202]").says("everywhere else");
}

#[test]
fn an_exploding_gradient_is_told() {
    let body = "first: dense(8)\n    wide: dense(8, init = normal(std = 1e5))
    head: dense(2, init = normal(std = 1e-4))\n    optimizer sgd(lr = 1e-30)";
    assert_warns(body, "W0203", "first: dense(8)");
}

#[test]
fn saturated_units_are_told() {
    let body = "dense(8, init = normal(std = 50)) -> tanh\n    head: dense(2)\n    optimizer sgd(lr = 0.01)";
    assert_warns(body, "W0204", "tanh");
}

#[test]
fn own_activations_are_looked_at_like_those_of_the_library() {
    let text = "activation bend(x) = x / (1 + x^4)\n\
        model Small { input [2] dense(8, init = normal(std = 50)) -> bend head: dense(2) loss cross_entropy \
        optimizer sgd(lr = 0.01) }\n\
        data { csv \"rows.csv\" target kind split 1 }\ntrain { epochs 1 batch 16 seed 3 }\n";
    let folder = Folder::new().with("small.nn", text).with("rows.csv", ROWS);
    train(&folder, &[]).says("warning[W0204]");
}

#[test]
fn healthy_models_get_no_warning() {
    let folder = Folder::new();
    for name in ["iris", "digits", "wine", "diabetes", "breast_cancer"] {
        let file = repository(&format!("examples/{name}/{name}.nn"));
        for seed in ["1", "2"] {
            let mut command = nnc(&folder.path(""));
            command.args(["train", &file, "--seed", seed, "--out", "out.safetensors"]);
            let ran = Ran::of(&mut command).ok();
            assert!(!ran.err.contains("warning[W02"), "{name}, seed {seed}\n{ran}");
        }
    }
}

#[test]
fn a_file_allows_what_is_noticed() {
    let body = "dense(8, bias_init = constant(value = -100)) -> relu\n    head: dense(2)\n    optimizer sgd(lr = 0.01)";
    let loud = folder(body);
    train(&loud, &[]).says("warning[W0201]");
    let quiet = folder(body).with("small.nn", format!("allow W0201\n{}", loud.text("small.nn")));
    let quiet = train(&quiet, &[]);
    assert!(!quiet.err.contains("W0201"), "{quiet}");
}
