//! Cells whose states go from step to step: where that is possible.

use nnc_grammar::diagnostic::Code;

use crate::compile::{Compilation, Options, compile};

fn compiled(cell: &str, data: &str) -> Compilation {
    let text = format!(
        "model M {{ input [8] embedding(9, 4) {cell} dense(9) loss cross_entropy optimizer sgd(lr = 1) }} {data}"
    );
    compile("test.nn", &text, &Options::default())
}

/// Code and text at the place of all faults.
fn faults(cell: &str, data: &str) -> Vec<(Code, String)> {
    let compilation = compiled(cell, data);
    let errors = compilation.diagnostics.iter().filter(|fault| fault.is_error());
    errors.map(|fault| (fault.code, compilation.sources.text(fault.primary.span).to_owned())).collect()
}

fn fault(code: Code) -> Vec<(Code, String)> {
    vec![(code, "carry = true".to_owned())]
}

#[test]
fn a_carried_cell_runs_from_first_to_last() {
    assert_eq!(faults("lstm(3, carry = true)", ""), []);
    assert_eq!(faults("lstm(3, carry = false, reverse = true)", ""), []);
    assert_eq!(faults("lstm(3, carry = true, reverse = true)", ""), fault(Code::E0205));
    assert_eq!(faults("lstm(3, bidirectional = true, carry = true)", ""), fault(Code::E0205));
    assert_eq!(faults("lstm(3, carry = 1)", ""), [(Code::E0204, "1".to_owned())]);
}

#[test]
fn samples_follow_one_another() {
    let of = |data: &str| faults("lstm(3, carry = true)", data);
    assert_eq!(of("data { text \"a.txt\" }"), []);
    assert_eq!(of("data { text \"a.txt\" stride 8 validation 0.1 }"), []);
    assert_eq!(of("data { text \"a.txt\" stride 4 }"), fault(Code::E0421));
    assert_eq!(of("data { text \"a.txt\" rows 20 }"), fault(Code::E0421));
    assert_eq!(of("data { csv \"a.csv\" target [a, b, c, d, e, f, g, h] }"), fault(Code::E0421));
    assert_eq!(faults("lstm(3)", "data { text \"a.txt\" stride 4 }"), []);
}

#[test]
fn states_are_carried_in_training_alone() {
    let compilation = compiled("lstm(3, carry = true) rnn(2, carry = true)", "");
    let graphs = &compilation.models.first().expect("it compiles").graphs;
    let names = |graph: &crate::graph::Graph| -> Vec<String> {
        graph.carried.iter().map(|carried| carried.name.clone()).collect()
    };
    assert_eq!(
        graphs.train.as_ref().map(names),
        Some(["lstm.h", "lstm.c", "rnn.h"].map(str::to_owned).into())
    );
    assert_eq!(graphs.evaluate.as_ref().map(names), Some(Vec::new()));
    assert_eq!(names(&graphs.predict), Vec::<String>::new());
    // What is kept is the cell's, and no value of the loss waits for it.
    let without = compiled("lstm(3) rnn(2)", "");
    let without = &without.models.first().expect("it compiles").graphs;
    let text = |graph: Option<&crate::graph::Graph>| graph.map(ToString::to_string).unwrap_or_default();
    assert!(text(graphs.train.as_ref()).contains("carried 2"));
    assert!(!text(without.train.as_ref()).contains("carried"));
    assert!(!text(graphs.evaluate.as_ref()).contains("carried"));
}
