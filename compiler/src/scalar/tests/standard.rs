//! Activations of the standard library: their derivatives against central differences.

use super::show;
use crate::catalogue::{self, catalogue};
use crate::compile::{Options, compile};
use crate::program::{ActivationBody, Kind};
use crate::scalar::{Scalar, Variable, differentiate, evaluate, in_terms_of_output, simplify};

/// The activations that are functions of one element, from the catalogue.
fn activations() -> Vec<(String, Scalar)> {
    let entries = catalogue().into_iter().filter(|entry| entry.kind == catalogue::Kind::Activation);
    let formulas = entries.filter_map(|entry| Some((scalar(&entry.name)?, entry.name)));
    let found: Vec<_> = formulas.map(|(formula, name)| (name, formula)).collect();
    assert!(found.len() >= 15, "found {} activations", found.len());
    found
}

/// The element, and what trained parameters start as.
fn element(variable: Variable, x: f64) -> f64 {
    if variable == Variable::Input(0) { x } else { 0.25 }
}

/// The formula of an activation with its defaults; nothing of one that looks at more than one element.
fn scalar(name: &str) -> Option<Scalar> {
    let text = format!("model M {{ input [2]\n{name} }}");
    let compilation = compile("m.nn", &text, &Options::default());
    let program = compilation.models.first().map(|model| &model.program);
    let program = program.unwrap_or_else(|| panic!("{name}: {:?}", compilation.diagnostics));
    match program.applications.first().map(|application| &application.kind) {
        Some(Kind::Activation { body: ActivationBody::Scalar(scalar), .. }) => Some(scalar.clone()),
        Some(Kind::Activation { .. }) => None,
        other => panic!("{name} is {other:?}"),
    }
}

fn formula_of(name: &str) -> Scalar {
    scalar(name).unwrap_or_else(|| panic!("{name} is no function of one element"))
}

#[test]
fn derivatives_are_slopes() {
    for (name, function) in activations() {
        let derivative = differentiate(&function, Variable::Input(0));
        let rewritten = in_terms_of_output(&derivative, &function);
        for n in -40..40 {
            // No kink of any of them lies here.
            let x = f64::from(n) * 0.2 + 0.0317;
            let value = |x: f64| evaluate(&function, &mut |v| element(v, x));
            let slope = (value(x + 1e-5) - value(x - 1e-5)) / 2e-5;
            let found = evaluate(&derivative, &mut |v| element(v, x));
            assert!((found - slope).abs() < 1e-8, "{name}'({x}) = {found}, by differences {slope}");
            let out = value(x);
            let saved =
                evaluate(&rewritten, &mut |v| if v == Variable::Output { out } else { element(v, x) });
            assert!((saved - found).abs() < 1e-12, "{name}'({x}) from the result: {saved}, expected {found}");
        }
    }
}

/// At kinks and ends of pieces, what `torch.autograd` gives.
#[test]
fn kinks_are_those_of_pytorch() {
    for (name, x, expected) in [
        ("step", 0.0, 0.0),
        ("sign", 0.0, 0.0),
        ("relu", 0.0, 0.0),
        ("leaky_relu", 0.0, 0.01),
        ("elu", 0.0, 1.0),
        ("selu", 0.0, 1.758_099_340_847_376_6),
        ("celu", 0.0, 1.0),
        ("softsign", 0.0, 1.0),
        ("relu6", 0.0, 0.0),
        ("relu6", 6.0, 0.0),
        ("hard_tanh", -1.0, 0.0),
        ("hard_tanh", 1.0, 0.0),
        ("hard_sigmoid", -3.0, 0.0),
        ("hard_sigmoid", 3.0, 0.0),
        ("hard_swish", -3.0, 0.0),
        ("hard_swish", 3.0, 1.0),
    ] {
        let function = formula_of(name);
        let derivative = differentiate(&function, Variable::Input(0));
        let rewritten = in_terms_of_output(&derivative, &function);
        let out = evaluate(&function, &mut |v| element(v, x));
        for derivative in [derivative, rewritten] {
            let found =
                evaluate(&derivative, &mut |v| if v == Variable::Output { out } else { element(v, x) });
            assert!((found - expected).abs() < 1e-15, "{name}'({x}) = {found}, expected {expected}");
        }
    }
}

/// Far from 0 no activation and no derivative overflows or loses its way.
#[test]
fn large_operands_give_numbers() {
    for (name, function) in activations() {
        let derivative = differentiate(&function, Variable::Input(0));
        let rewritten = in_terms_of_output(&derivative, &function);
        let simple = simplify(&function);
        for x in [-1e4, -800.0, 800.0, 1e4] {
            let value = |x: f64| evaluate(&simple, &mut |v| element(v, x));
            let out = value(x);
            assert!(out.is_finite(), "{name}({x}) = {out}");
            let slope = evaluate(&derivative, &mut |v| element(v, x));
            let difference = (value(x + 1e-3) - value(x - 1e-3)) / 2e-3;
            let room = 1e-6 * slope.abs().max(1.0);
            assert!((slope - difference).abs() < room, "{name}'({x}) = {slope}, by differences {difference}");
            let saved =
                evaluate(&rewritten, &mut |v| if v == Variable::Output { out } else { element(v, x) });
            let room = 1e-12 * slope.abs().max(1.0);
            assert!((saved - slope).abs() < room, "{name}'({x}) from the result: {saved}, expected {slope}");
        }
    }
}

#[test]
fn saved_results_are_enough_for_most() {
    let of_output = |name: &str| {
        let function = formula_of(name);
        let derivative = differentiate(&function, Variable::Input(0));
        show(&in_terms_of_output(&derivative, &function))
    };
    for (name, expected) in [
        ("identity", "1"),
        ("sigmoid", "out * (1 - out)"),
        ("tanh", "1 - out^2"),
        ("relu", "if out > 0 { 1 } else { 0 }"),
        ("leaky_relu", "if out > 0 { 1 } else { 0.01 }"),
        ("softplus", "-expm1(-out)"),
        ("elu", "if out > 0 { 1 } else { out + 1 }"),
        ("selu", "if out > 0 { 1.0507009873554805 } else { out + 1.7580993408473766 }"),
        ("relu6", "if out < 6 { if out > 0 { 1 } else { 0 } } else { 0 }"),
        ("hard_tanh", "if out < 1 { if out > -1 { 1 } else { 0 } } else { 0 }"),
    ] {
        assert_eq!(of_output(name), expected, "for {name}");
    }
}
