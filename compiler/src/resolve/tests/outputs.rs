//! Several outputs and several losses: what names what, and what does not fit.

use nnc_grammar::diagnostic::Code;

use super::{assert_fault, body};
use crate::compile::{Options, compile};
use crate::program::TargetKind;

/// The one fault of a body with two heads, and the text it is at.
#[track_caller]
fn check(rest: &str, code: Code, place: &str) {
    let text =
        format!("model M {{ input [4] let a = dense(3) let b = dense(2) {rest} optimizer sgd(lr = 0.1) }}");
    let compilation = compile("m.nn", &text, &Options::default());
    let faults: Vec<(Code, &str)> = compilation
        .diagnostics
        .iter()
        .filter(|fault| fault.is_error())
        .map(|fault| (fault.code, compilation.sources.text(fault.primary.span)))
        .collect();
    assert_eq!(faults, [(code, place)], "{text}\n{:#?}", compilation.diagnostics);
}

#[test]
fn outputs_are_named_values() {
    let program =
        body("let a = dense(3) let b = dense(2) output b, a loss mse(output = a) loss mae(output = b)");
    let names: Vec<&str> = program.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(program.outputs[0].value.0, 2);
    let places: Vec<usize> = program.losses.iter().map(|loss| loss.output).collect();
    assert_eq!(places, [1, 0]);
    // A named value is the output, whatever chain comes last.
    let program = body("let a = dense(3) output a");
    assert_eq!((program.outputs[0].value.0, program.outputs.len()), (1, 1));
}

#[test]
fn losses_have_weights() {
    let program = body("dense(2) loss mse(weight = 3) loss mae(weight = 1 / 4)");
    let weights: Vec<f64> = program.losses.iter().map(|loss| loss.weight).collect();
    assert_eq!(weights, [3.0, 0.25]);
    assert_eq!(program.losses[1].text, "mae(weight = 0.25)");
    // A constant of the definition comes before what every loss has.
    let own = super::program(
        "loss l(output, target, weight = 1) = weight * mean((output - target)^2)
        model M { input [4] dense(2) loss l(weight = -3) }",
    );
    assert_eq!(own.losses[0].weight, 1.0);
}

#[test]
fn outputs_that_are_none() {
    assert_fault("let a = dense(3) output a, a", Code::E0206, "a");
    assert_fault("let a = dense(3) output a output a", Code::E0206, "output a");
    assert_fault("let a = dense(3) output a, c", Code::E0207, "c");
    assert_fault("hidden: dense(3) output hidden", Code::E0207, "hidden");
    assert_fault("dense(3) output x", Code::E0217, "x");
}

#[test]
fn losses_that_do_not_fit() {
    check("output a, b loss mse(output = a) loss mae", Code::E0203, "mae");
    check("output a, b loss mse(output = a) loss mae(output = c)", Code::E0207, "c");
    check("output a, b loss mse(output = a, weight = 0) loss mae(output = b)", Code::E0205, "0");
    check("output a, b loss mse(output = a, weight = -1) loss mae(output = b)", Code::E0205, "-1");
    check("output a, b loss mse(output = a) loss mse(output = a)", Code::E0206, "mse(output = a)");
    check(
        "output a, b loss mse(output = a) loss mae(output = b, reduction = sum)",
        Code::E0204,
        "mae(output = b, reduction = sum)",
    );
    check(
        "output a, b loss mse(output = a) loss mae(output = b) loss cross_entropy(output = a)",
        Code::E0305,
        "cross_entropy(output = a)",
    );
    check(
        "output a, b loss gaussian_nll(output = b) loss mse(output = b, weight = 2) loss mae(output = a)",
        Code::E0305,
        "mse(output = b, weight = 2)",
    );
    let two = "output a, b loss mse(output = a) loss cross_entropy(output = b) metrics";
    check(&format!("{two} mae, accuracy, perplexity"), Code::E0214, "perplexity");
    check("output a, b loss mse(output = a) loss mae(output = b) metrics mae, top_5", Code::E0214, "top_5");
    // Nothing learns from an output without a loss.
    check("output a, b loss mse(output = a)", Code::E0404, "dense(2)");
}

#[test]
fn targets_stand_in_a_row() {
    let text = "model M { input [4] let a = dense(3) let b = dense(4) let c = dense(2) output a, b, c
        loss cross_entropy(output = a) loss gaussian_nll(output = b) optimizer sgd(lr = 0.1) }";
    let text = text.replace("let c = dense(2)", "let c = a -> softmax");
    let compilation = compile("m.nn", &text, &Options::default());
    assert!(!compilation.has_errors(), "{:#?}", compilation.diagnostics);
    let info = &compilation.models[0].info;
    assert_eq!(info.output, [10]);
    assert_eq!(info.target(), Some((TargetKind::Values, 3)));
    let targets: Vec<_> =
        info.outputs.iter().map(|output| output.target.map(|target| (target.kind, target.len))).collect();
    assert_eq!(targets, [Some((TargetKind::Class, 3)), Some((TargetKind::Values, 2)), None]);
    // With one target it is as if there were one output.
    let text =
        text.replace("loss gaussian_nll(output = b)", "").replace("let b = dense(4)", "let b = a -> relu");
    let compilation = compile("m.nn", &text, &Options::default());
    assert_eq!(compilation.models[0].info.target(), Some((TargetKind::Class, 3)));
}
