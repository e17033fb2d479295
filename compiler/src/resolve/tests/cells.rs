//! Cells: what is at fault in their bodies and in their uses, and where that is said.

use nnc_grammar::diagnostic::Code;

use crate::compile::{Compilation, Options, compile};

fn compiled(text: &str) -> Compilation {
    compile("test.nn", text, &Options::default())
}

/// Code and text at the place of all faults, and the texts of their further places.
fn faults(text: &str) -> Vec<(Code, String, Vec<String>)> {
    let compilation = compiled(text);
    let at = |span| compilation.sources.text(span).to_owned();
    let errors = compilation.diagnostics.iter().filter(|fault| fault.is_error());
    errors
        .map(|fault| {
            let others = fault.secondary.iter().map(|label| at(label.span)).collect();
            (fault.code, at(fault.primary.span), others)
        })
        .collect()
}

/// The one fault of a cell with this body, used on a sequence.
fn fault_of_cell(body: &str) -> (Code, String, Vec<String>) {
    let text = format!("cell own(n) {{ {body} }} model M {{ input [4, 3] own(2) }}");
    let mut found = faults(&text);
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    found.remove(0)
}

fn assert_fault(body: &str, code: Code, place: &str) {
    let (found, at, _) = fault_of_cell(body);
    assert_eq!((found, at.as_str()), (code, place), "{body}");
}

const GOOD: &str = "state h: [n] = 0 let x = input -> dense(n) h = tanh(x + h) output h";

#[test]
fn a_cell_says_what_goes_from_step_to_step_and_what_it_gives() {
    assert_eq!(faults(&format!("cell own(n) {{ {GOOD} }} model M {{ input [4, 3] own(2) }}")), []);
    assert_fault("let x = input -> dense(n) output x", Code::E0217, "own");
    assert_fault("state h: [n] = 0 h = tanh(h)", Code::E0217, "own");
    assert_fault("state h: [n] = 0 output h", Code::E0217, "h: [n] = 0");
    assert_fault("state h = 0 h = tanh(h) output h", Code::E0217, "h = 0");
    assert_fault("state h: [n, 2] = 0 h = tanh(h) output h", Code::E0301, "[n, 2]");
    assert_fault("state h: [n] = 0, h: [n] = 0 h = tanh(h) output h", Code::E0206, "h");
    assert_fault("state h: [n] = 0 h = tanh(h) output h output h", Code::E0206, "h");
}

#[test]
fn statements_of_models_have_no_place_in_cells() {
    assert_fault(&format!("{GOOD} dense(3)"), Code::E0216, "dense(3)");
    assert_fault(&format!("{GOOD} loss mse"), Code::E0216, "mse");
    assert_fault(&format!("input [3] {GOOD}"), Code::E0216, "input [3]");
}

#[test]
fn values_of_a_step_are_known_by_name() {
    assert_fault("state h: [n] = 0 h = tanh(x) output h", Code::E0207, "x");
    assert_fault("state h: [n] = 0 h = tanh(h) c = h * 2 output h", Code::E0207, "c");
    assert_fault("state h: [n] = 0 h = tanh(h) output c", Code::E0207, "c");
    assert_fault("state h: [n] = 0 h = n / 2 output h", Code::E0217, "n / 2");
    assert_fault("state h: [n] = 0 h = softmax(h) output h", Code::E0217, "softmax(h)");
    let split = "state h: [n] = 0 let [a, b] = input -> dense(4) -> split(3) h = a + b output h";
    assert_fault(split, Code::E0302, "split(3)");
}

#[test]
fn sizes_must_meet() {
    let (code, at, others) =
        fault_of_cell("state h: [n] = 0 let x = input -> dense(n + 1) h = tanh(x) output h");
    assert_eq!((code, at.as_str()), (Code::E0310, "h = tanh(x)"));
    assert_eq!(others, ["h: [n] = 0", "own(2)"]);
    assert_fault("state h: [n] = 0 h = tanh(h + input) output h", Code::E0304, "h = tanh(h + input)");
}

#[test]
fn a_cell_takes_a_sequence() {
    let text = format!("cell own(n) {{ {GOOD} }} model M {{ input [4] own(2) }}");
    assert_eq!(faults(&text), [(Code::E0303, "own(2)".to_owned(), vec!["input [4]".to_owned()])]);
}

#[test]
fn a_cell_does_not_call_itself() {
    let text = "cell a(n) { state h: [n] = 0 let x = input -> b(n) h = x + h output h }
        cell b(n) { state h: [n] = 0 let x = input -> a(n) h = x + h output h }
        model M { input [4, 3] a(2) }";
    let codes: Vec<Code> = faults(text).into_iter().map(|(code, ..)| code).collect();
    assert_eq!(codes, [Code::E0208]);
}

#[test]
fn what_a_step_cannot_hold_is_refused() {
    assert_fault(
        "state h: [n] = 0 let x = input -> dense(n) -> dropout(0.5) h = x + h output h",
        Code::E0501,
        "dropout(0.5)",
    );
    assert_fault("state h: [n] = 0 let x = input -> rnn(n) h = x + h output h", Code::E0501, "rnn(n)");
    assert_fault(
        "state h: [n] = 0 let x = input -> recompute { dense(n) } h = x + h output h",
        Code::E0501,
        "dense(n)",
    );
}

#[test]
fn a_state_that_goes_on_is_not_computed_again() {
    let found = |call: &str| faults(&format!("model M {{ input [4, 3] recompute {{ {call} }} }}"));
    assert_eq!(found("rnn(2)"), []);
    assert_eq!(found("rnn(2, carry = true)"), [(Code::E0501, "carry = true".to_owned(), vec![])]);
}

#[test]
fn a_use_says_how_the_step_is_run() {
    let found = |call: &str| {
        let found = faults(&format!("model M {{ input [4, 3] {call} }}"));
        found.into_iter().map(|(code, at, _)| (code, at)).collect::<Vec<_>>()
    };
    assert_eq!(found("rnn(2, output = last, reverse = true)"), []);
    assert_eq!(found("rnn(2, output = first)"), [(Code::E0204, "first".to_owned())]);
    assert_eq!(found("rnn(2, reverse = 1)"), [(Code::E0204, "1".to_owned())]);
    assert_eq!(found("rnn(2, revers = true)"), [(Code::E0202, "revers".to_owned())]);
    assert_eq!(found("rnn"), [(Code::E0203, "rnn".to_owned())]);
    assert_eq!(found("rnn(2, output = last, output = last)"), [(Code::E0206, "output = last".to_owned())]);
    assert_eq!(
        found("rnn(2, reverse = true, bidirectional = true)"),
        [(Code::E0205, "bidirectional = true".to_owned())]
    );
}

#[test]
fn parameters_are_named_by_the_use_and_the_labels_inside() {
    let names = |text: &str| -> Vec<String> {
        let compilation = compiled(text);
        assert!(!compilation.has_errors(), "{:?}", compilation.diagnostics);
        let model = compilation.models.first().expect("a model");
        model
            .graph
            .parameters
            .iter()
            .map(|parameter| format!("{} {:?}", parameter.name, parameter.shape))
            .collect()
    };
    assert_eq!(
        names("model M { input [4, 3] lstm(2, bidirectional = true) }"),
        [
            "lstm.ih.weight [8, 3]",
            "lstm.ih.bias [8]",
            "lstm.hh.weight [8, 2]",
            "lstm.hh.bias [8]",
            "lstm.reverse.ih.weight [8, 3]",
            "lstm.reverse.ih.bias [8]",
            "lstm.reverse.hh.weight [8, 2]",
            "lstm.reverse.hh.bias [8]",
        ]
    );
    assert_eq!(
        names("model M { input [4, 2] a: rnn(2) -> a: rnn(2) }"),
        ["a.ih.weight [2, 2]", "a.ih.bias [2]", "a.hh.weight [2, 2]", "a.hh.bias [2]"]
    );
}

#[test]
fn what_does_not_wait_for_a_state_is_done_before_the_scan() {
    let compilation = compiled("model M { input [4, 3] rnn(2) }");
    let graph = &compilation.models.first().expect("a model").graph;
    let text = graph.to_string();
    assert!(text.contains("%3 = dense %0, %1, %2 : [4, 2]\n"), "{text}");
    assert!(text.contains("%6 = scan %3, %4, %5 : [4, 2]\n"), "{text}");
}
