//! A model with several outputs, from the data to predictions.

mod common;

use std::io::Write;
use std::process::Stdio;

use common::{Folder, Ran};

/// A number and a class of the same two columns.
const HEADS: &str = r#"model Heads {
    input [2]
    let trunk = shared: dense(8) -> tanh
    let amount = trunk -> dense(1)
    let kind = trunk -> dense(2)
    output amount, kind
    loss mse(output = amount)
    loss cross_entropy(output = kind, weight = 0.5)
    optimizer adam(lr = 0.05)
}

data {
    csv "rows.csv"
    target [total, side]
    split 0.75
}

train {
    epochs 80
    batch 4
    seed 3
}
"#;

/// The sum of two numbers, and which side of 0 it is on.
fn rows() -> String {
    let mut text = "x,y,total,side\n".to_owned();
    for n in 0..40 {
        let (x, y) = (f64::from(n % 8) / 4.0 - 0.9, f64::from(n % 5) / 2.0 - 0.8);
        let side = if x + y > 0.0 { "up" } else { "down" };
        text.push_str(&format!("{x},{y},{},{side}\n", x + y));
    }
    text
}

#[test]
fn several_outputs_are_trained_evaluated_and_predicted() {
    let folder = Folder::new().with("heads.nn", HEADS).with("rows.csv", rows());
    let trained = folder.run(&["train", "heads.nn", "--message-format", "json"]).ok();
    let finished = trained.event("finished");
    assert!(finished["test_kind.accuracy"].as_f64().is_some_and(|share| share >= 0.8), "{finished}");
    assert!(finished["test_amount.rmse"].as_f64().is_some_and(|error| error < 0.3), "{finished}");

    // The same figures from the weights alone.
    let evaluated = folder.run(&["eval", "heads.nn", "--message-format", "json"]).ok().event("evaluated");
    for name in ["kind.accuracy", "amount.rmse", "amount.r2"] {
        assert_eq!(evaluated[name], finished[format!("test_{name}")], "{name}");
    }
    folder.run(&["eval", "heads.nn"]).ok().shows("amount.rmse ").shows("kind.accuracy ");

    let mut command = folder.nnc(&["predict", "heads.nn"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let stdin = child.stdin.as_mut().expect("it has one");
    stdin.write_all(b"y,x\n0.5,0.5\n-0.5,-0.75\n").expect("it reads");
    let ran = Ran::from(child.wait_with_output().expect("the command ends")).ok();
    let lines: Vec<Vec<&str>> = ran.out.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0], ["total", "side", "p_down", "p_up"]);
    assert_eq!((lines.len(), lines[1][1], lines[2][1]), (3, "up", "down"), "{ran}");
    for (line, total) in lines[1..].iter().zip([1.0, -1.25]) {
        let number = |at: usize| line[at].parse::<f64>().expect("a number");
        assert!((number(0) - total).abs() < 0.6, "{ran}");
        assert!((number(2) + number(3) - 1.0).abs() < 1e-6, "{ran}");
    }
}

#[test]
fn outputs_have_their_columns() {
    let with_target = |columns: &str| {
        let model = HEADS.replace("target [total, side]", &format!("target {columns}"));
        Folder::new().with("rows.csv", rows()).with("heads.nn", model)
    };
    with_target("total").fails(&["train", "heads.nn"], "E0416").says("1 column for `amount`");
    with_target("[total, sides]").fails(&["train", "heads.nn"], "E0406").says("did you mean `side`?");
}
