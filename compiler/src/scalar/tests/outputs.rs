//! Derivatives in terms of the saved result.

use super::{at, parse, show};
use crate::scalar::{Scalar, Variable, differentiate, evaluate, in_terms_of_output};

fn of_output(text: &str) -> Scalar {
    let function = parse(text);
    in_terms_of_output(&differentiate(&function, Variable::Input(0)), &function)
}

fn needs_operand(scalar: &Scalar) -> bool {
    scalar.depends_on(Variable::Input(0))
}

#[test]
fn classics_need_no_operand() {
    for (text, expected) in [
        ("tanh(x)", "1 - out^2"),
        ("sigmoid(x)", "out * (1 - out)"),
        ("exp(x)", "out"),
        ("if x > 0 { x } else { 0 }", "if out > 0 { 1 } else { 0 }"),
        ("if x > 0 { x } else { 0.01 * x }", "if out > 0 { 1 } else { 0.01 }"),
    ] {
        assert_eq!(show(&of_output(text)), expected, "for {text}");
    }
}

#[test]
fn what_cannot_be_told_from_the_result_keeps_its_operand() {
    for text in ["x^2", "sin(x)", "x * sigmoid(x)", "abs(x)"] {
        assert!(needs_operand(&of_output(text)), "{text}: {}", show(&of_output(text)));
    }
}

/// A product with a small number may vanish, and then it is on neither side of the bound.
#[test]
fn a_result_that_may_vanish_does_not_tell_the_side() {
    assert!(!needs_operand(&of_output("if x < 0 { 2 * x } else { x }")));
    for text in ["if x < 0 { 0.01 * x } else { x }", "if x >= 0 { x } else { 0.01 * x }"] {
        assert!(needs_operand(&of_output(text)), "{text}: {}", show(&of_output(text)));
    }
}

#[test]
fn the_value_stays() {
    for text in [
        "tanh(x)",
        "2 * sigmoid(x) - 1",
        "softplus(x)",
        "expm1(x)",
        "if x > 0 { x } else { expm1(x) }",
        "if x > 0 { x } else { -0.5 * x }",
        "if x > 0 { if x < 6 { x } else { 6 } } else { 0 }",
        "x * tanh(softplus(x))",
    ] {
        let function = parse(text);
        let derivative = differentiate(&function, Variable::Input(0));
        let rewritten = in_terms_of_output(&derivative, &function);
        for x in [-7.5, -2.0, -0.3, 0.0, 0.2, 1.0, 5.9, 6.0, 9.0] {
            let out = at(&function, [x, 0.0, 0.0]);
            let expected = at(&derivative, [x, 0.0, 0.0]);
            let found =
                evaluate(&rewritten, &mut |variable| if variable == Variable::Output { out } else { x });
            assert!((found - expected).abs() <= 1e-12, "{text} at {x}: {found}, expected {expected}");
        }
    }
}
