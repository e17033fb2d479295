//! Values that layers, cells and blocks take by name: masks.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use crate::compile::{Compilation, Options, compile};

fn compiled(body: &str) -> Compilation {
    let text = format!(
        "model M {{ input words: [5, 4] input mask: [5] let x = words -> dense(4) {body} }} {DEFINITIONS}"
    );
    compile("test.nn", &text, &Options::default())
}

const DEFINITIONS: &str =
    "block inner(mask: value = none) { attention(2, mask = mask) -> lstm(3, mask = mask) }
    block outer(n, mask: value = none) { inner(mask = mask) -> dense(n) }
    block needs(mask: value) { inner(mask = mask) }
    allow W0102";

/// Code, label and text at the place of all faults, and the texts of their further places.
fn faults(body: &str) -> Vec<(Code, String, String, Vec<String>)> {
    let compilation = compiled(body);
    let at = |span| compilation.sources.text(span).to_owned();
    let tell = |fault: &Diagnostic| {
        let others = fault.secondary.iter().map(|label| at(label.span)).collect();
        (fault.code, fault.primary.text.clone(), at(fault.primary.span), others)
    };
    compilation.diagnostics.iter().filter(|fault| fault.is_error()).map(tell).collect()
}

/// The one fault of a body: code, label and text at its place.
fn fault(body: &str) -> (Code, String, String) {
    let mut found = faults(body);
    assert_eq!(found.len(), 1, "{body}: {found:?}");
    let (code, label, at, _) = found.remove(0);
    (code, label, at)
}

#[test]
fn masks_are_given_by_name() {
    for body in [
        "x -> attention(2, mask = mask)",
        "cross_attention(x, words, heads = 2, mask = mask)",
        "x -> lstm(3, mask = mask)",
        "x -> gru(3, output = last, bidirectional = true, mask = mask)",
        "x -> transpose -> global_avg_pool(mask = mask)",
        "x -> transformer_block(4, 2, mask = mask) -> outer(3, mask = mask)",
        "let some = mask -> relu x -> post_norm_transformer_block(4, heads = 2, mask = some)",
        "let some = mask -> slice(0, 0, 1) -> sequence_mask(5) x -> needs(mask = some)",
        "x -> a: attention(2, mask = mask) let y = mask -> relu x -> a: attention(2, mask = y)",
        "x -> attention(2, mask = none) -> outer(3, mask = none) -> rnn(2, mask = none)",
    ] {
        assert_eq!(faults(body), [], "{body}");
    }
}

#[test]
fn a_mask_that_is_none_is_no_mask() {
    let graph = |body: &str| {
        let compilation = compiled(body);
        compilation.models.first().map(|model| model.graph.to_string())
    };
    let without = graph("x -> outer(3)");
    assert!(without.is_some());
    assert_eq!(without, graph("x -> outer(3, mask = none)"));
    assert_ne!(without, graph("x -> outer(3, mask = mask)"));
}

#[test]
fn a_mask_has_a_number_for_each_position() {
    let long = "let long = x -> slice(0, 0, 3)";
    for (stage, at) in [
        ("long -> attention(2, mask = mask)", "mask = mask"),
        ("cross_attention(x, long, heads = 2, mask = mask)", "mask = mask"),
        ("long -> transpose -> global_avg_pool(mask = mask)", "mask = mask"),
        ("long -> lstm(3, mask = mask)", "mask = mask"),
    ] {
        let found = faults(&format!("{long} {stage}"));
        let [(Code::E0304, label, place, others)] = found.as_slice() else { panic!("{stage}: {found:?}") };
        assert_eq!((label.as_str(), place.as_str()), ("expected [3], found [5]", at), "{stage}");
        assert_eq!(others.first().map(String::as_str), Some("input mask: [5]"), "{stage}");
        assert_eq!(others.len(), 2, "{stage}: {others:?}");
    }
    let (code, label, _) = fault("x -> attention(2, mask = words)");
    assert_eq!((code, label.as_str()), (Code::E0304, "expected [5], found [5, 4]"));
    assert_eq!(fault("words -> sequence_mask(5)").0, Code::E0303);
}

#[test]
fn what_is_no_value_is_no_mask() {
    assert_eq!(fault("x -> attention(2, mask = masc)").0, Code::E0207);
    assert_eq!(fault("x -> lstm(2, mask = masc)").0, Code::E0207);
    assert_eq!(fault("x -> outer(2, mask = masc)").0, Code::E0207);
    assert_eq!(fault("x -> attention(2, mask = 3)").0, Code::E0204);
    assert_eq!(fault("x -> lstm(2, mask = true)").0, Code::E0204);
    assert_eq!(fault("x -> outer(2, mask = [1, 1])").0, Code::E0204);
    assert_eq!(fault("x -> outer(mask, mask = mask)").0, Code::E0207);
    assert_eq!(fault("x -> needs").0, Code::E0203);
    assert_eq!(fault("x -> dense(3, mask = mask)").0, Code::E0202);
    assert_eq!(fault("x -> lstm(3, mask = mask, mask = mask)").0, Code::E0206);
}

#[test]
fn blocks_alone_take_values_and_those_have_no_other_default() {
    let faults = |definition: &str| {
        let text = format!("{definition} model M {{ input [5, 4] dense(2) }}");
        let compilation = compile("test.nn", &text, &Options::default());
        let errors = compilation.diagnostics.iter().filter(|fault| fault.is_error());
        errors
            .map(|fault| (fault.code, compilation.sources.text(fault.primary.span).to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(faults("block b(m: value) { attention(2, mask = m) }"), []);
    assert_eq!(faults("block b(m: value = 1) { attention(2, mask = m) }"), [(Code::E0204, "1".to_owned())]);
    let of_cell = "cell c(n, m: value = none) { state h: [n] = 0 h = tanh(h + input) output h }";
    assert_eq!(faults(of_cell).first().map(|fault| fault.0), Some(Code::E0217));
    let of_activation = "activation a(x, m: value = none) = x";
    assert_eq!(faults(of_activation).first().map(|fault| fault.0), Some(Code::E0217));
    let of_mask = "cell c(mask) { state h: [mask] = 0 h = tanh(h + input) output h }";
    assert_eq!(faults(of_mask).first().map(|fault| fault.0), Some(Code::E0206));
}
