//! Derivatives: their form, kinks as PyTorch has them, and central differences.

use super::{at, parse, show};
use crate::scalar::{Scalar, Variable, differentiate};

fn derivative(text: &str) -> Scalar {
    differentiate(&parse(text), Variable::Input(0))
}

#[test]
fn rules_of_the_textbook() {
    for (text, expected) in [
        ("x^3", "3 * x^2"),
        ("y * x", "y"),
        ("exp(2 * x)", "2 * exp(2 * x)"),
        ("log(x)", "1 / x"),
        ("sqrt(x)", "0.5 / sqrt(x)"),
        ("sin(x)", "cos(x)"),
        ("cos(x)", "-sin(x)"),
        ("sigmoid(x)", "sigmoid(x) * (1 - sigmoid(x))"),
        ("softplus(x)", "sigmoid(x)"),
        ("if x > 0 { x } else { 0.1 * x }", "if x > 0 { 1 } else { 0.1 }"),
        ("sign(x)", "0"),
        ("floor(x)", "0"),
        ("y", "0"),
    ] {
        assert_eq!(show(&derivative(text)), expected, "the derivative of {text}");
    }
}

/// Losses of the library, as functions of the output x and the target y.
#[test]
fn losses_have_short_gradients() {
    for (text, expected) in [
        ("(x - y)^2", "2 * (x - y)"),
        ("abs(x - y)", "sign(x - y)"),
        (
            "if abs(x - y) < 1 { 0.5 * (x - y)^2 } else { abs(x - y) - 0.5 }",
            "if abs(x - y) < 1 { x - y } else { sign(x - y) }",
        ),
        ("x - y + log(1 + exp(-2 * (x - y))) - log(2)", "tanh(x - y)"),
        ("max(1 - y * x, 0)", "if 1 - x * y > 0 { -y } else { 0 }"),
        ("-(y * log(sigmoid(x)) + (1 - y) * log(1 - sigmoid(x)))", "sigmoid(x) - y"),
        (
            "-0.25 * (y * log(1 / (1 + exp(-x))) + (1 - y) * log(1 - 1 / (1 + exp(-x))))",
            "0.25 * (sigmoid(x) - y)",
        ),
        ("softplus(x) - y * x", "sigmoid(x) - y"),
        ("x / (1 + abs(x))", "(abs(x) + 1)^-2"),
    ] {
        assert_eq!(show(&derivative(text)), expected, "the derivative of {text}");
    }
}

#[test]
fn kinks_are_those_of_pytorch() {
    for (text, x, expected) in [
        ("if x > 0 { x } else { 0 }", 0.0, 0.0),
        ("if x > 0 { x } else { 0.2 * x }", 0.0, 0.2),
        ("abs(x)", 0.0, 0.0),
        ("max(x, 0)", 0.0, 0.0),
        ("min(x, 0)", 0.0, 0.0),
        ("max(x, -x)", 0.0, 0.0),
        ("x^1", 0.0, 1.0),
    ] {
        assert_eq!(at(&derivative(text), [x, 1.0, 1.0]), expected, "the derivative of {text} at {x}");
    }
}

#[test]
fn central_differences_agree() {
    let texts = [
        "x * y + z / x",
        "exp(x) * log(y + x^2)",
        "tanh(x * y) - erf(x) * z",
        "sigmoid(x)^2 * softplus(y * x)",
        "sqrt(x^2 + y^2)",
        "sin(x * z) / (1 + cos(y)^2)",
        "x^y",
        "expm1(x) * log1p(x^2)",
        "if x > y { x^2 } else { y * x }",
        "abs(x - z) * max(x, y)",
        "log(sigmoid(x * y))",
    ];
    for text in texts {
        let (function, derivative) = (parse(text), derivative(text));
        for inputs in [[0.7, 1.3, -0.4], [1.9, 0.2, 2.5], [0.31, 2.2, 0.9], [3.3, 1.1, -2.0]] {
            let h = 1e-5;
            let moved = |by: f64| at(&function, [inputs[0] + by, inputs[1], inputs[2]]);
            let difference = (moved(h) - moved(-h)) / (2.0 * h);
            let found = at(&derivative, inputs);
            assert!(
                (found - difference).abs() <= 1e-8 * (1.0 + found.abs()),
                "{text} at {inputs:?}: {found}, by differences {difference}"
            );
        }
    }
}
