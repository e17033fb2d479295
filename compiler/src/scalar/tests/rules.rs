//! What each rule of `simplify` makes of the formulas it is for.

use super::{parse, show};
use crate::scalar::{Binary, DEPTH_LIMIT, Scalar, Unary, simplify};

/// Asserts the simplified formula, and that it stays as it is.
fn to(text: &str, expected: &str) {
    let simplified = simplify(&parse(text));
    assert_eq!(show(&simplified), expected, "from {text}");
    assert_eq!(show(&simplify(&simplified)), expected, "again, from {text}");
}

#[test]
fn constants_fold_as_ieee_says() {
    to("1 + 2 * 3", "7");
    to("sqrt(2) / 2", "0.7071067811865476");
    assert!(simplify(&parse("0.1 + 0.2")).is(0.1 + 0.2));
    to("if 1 < 2 { x } else { y }", "x");
    to("max(1, 2) + min(1, 2)", "3");
    to("tanh(0)", "0");
}

#[test]
fn constants_without_a_finite_value_stay() {
    to("log(0)", "log(0)");
    to("1 / 0", "1 / 0");
    to("x * log(0)", "x * log(0)");
    to("0 * log(0)", "0 * log(0)");
    to("1e300 * 1e300", "1e300 * 1e300");
    to("x * 1e300 * 1e300", "1e300 * x * 1e300");
}

#[test]
fn neutral_and_absorbing_numbers_vanish() {
    to("x + 0", "x");
    to("0 - x", "-x");
    to("x * 1", "x");
    to("x / 1", "x");
    to("x * 0", "0");
    to("0 / x", "0");
    to("x^1", "x");
    to("x^0", "1");
    to("x - x", "0");
    to("x / x", "1");
}

#[test]
fn signs_are_pushed_to_where_they_cost_nothing() {
    to("--x", "x");
    to("x - -y", "x + y");
    to("-(x - y)", "y - x");
    to("-x * -y", "x * y");
    to("-(2 * x)", "-2 * x");
    to("x + -2 * y", "x - 2 * y");
    to("-x + y", "y - x");
    to("-(x * y)", "-x * y");
    to("-(x + 1)", "-1 - x");
    to("(-x)^2", "x^2");
    to("(-x)^3", "-x^3");
}

#[test]
fn terms_and_factors_are_collected() {
    to("x + x", "2 * x");
    to("2 * x + 3 * x - x", "4 * x");
    to("x + 1 + y + 2", "x + y + 3");
    to("x * x", "x^2");
    to("x^2 * x^3", "x^5");
    to("x^3 / x", "x^2");
    to("x / x^3", "x^-2");
    to("2 * x * 3", "6 * x");
    to("x / 4", "0.25 * x");
    to("2 * x + 2 * y", "2 * (x + y)");
    to("x * y + x * z", "x * (y + z)");
    to("x / z + y / z", "(x + y) / z");
    to("(x^2)^3", "x^6");
    to("(x * y)^2", "(x * y)^2");
    to("x * y * x * y", "(x * y)^2");
    to("sqrt(x) * sqrt(x)", "x");
    to("x / sqrt(x)", "sqrt(x)");
    to("1 / (1 / x)", "x");
    to("1 - x / (x + 1)", "1 / (x + 1)");
    to("2 - 2 * x / (x + y)", "2 * y / (x + y)");
    to("2 - 2 * x / (x + 3)", "6 / (x + 3)");
    to("1 + x / (x + 1)", "x / (x + 1) + 1");
    to("(2 * x)^2", "4 * x^2");
}

#[test]
fn order_of_terms_does_not_matter() {
    for (one, other) in [
        ("exp(x) + sin(x)", "sin(x) + exp(x)"),
        ("x * sigmoid(y)", "sigmoid(y) * x"),
        ("y * exp(x) - x * exp(y)", "-(exp(y) * x) + exp(x) * y"),
        ("max(x, y)", "max(y, x)"),
        ("if 0 < x { x } else { y }", "if x > 0 { x } else { y }"),
    ] {
        assert_eq!(show(&simplify(&parse(one))), show(&simplify(&parse(other))));
    }
}

#[test]
fn inverse_functions_cancel() {
    to("log(exp(x))", "x");
    to("exp(log(x))", "x");
    to("sqrt(x^2)", "abs(x)");
    to("abs(-x)", "abs(x)");
    to("abs(3 * x)", "3 * abs(x)");
    to("abs(exp(x))", "exp(x)");
    to("abs(x^2)", "x^2");
    to("abs(x^3)", "abs(x^3)");
    to("x * sign(x)", "abs(x)");
    to("sign(-2 * x)", "-sign(x)");
    to("tanh(-x)", "-tanh(x)");
    to("cos(-x)", "cos(x)");
    to("exp(x) * exp(y)", "exp(x + y)");
    to("1 / exp(x)", "exp(-x)");
    to("max(max(x, 1), 2)", "max(x, 2)");
}

#[test]
fn stable_forms_are_found() {
    to("log(1 + exp(x))", "softplus(x)");
    to("log1p(exp(x))", "softplus(x)");
    to("log(sigmoid(x))", "-softplus(-x)");
    to("log(1 - sigmoid(x))", "-softplus(x)");
    to("log1p(-sigmoid(x))", "-softplus(x)");
    to("log(1 + x)", "log1p(x)");
    to("exp(x) - 1", "expm1(x)");
    to("2 * (exp(x) - 1)", "2 * expm1(x)");
    to("expm1(x) + 1", "exp(x)");
    to("1 / (1 + exp(-x))", "sigmoid(x)");
    to("1 / (1 + exp(x))", "sigmoid(-x)");
    to("exp(x) / (1 + exp(x))", "sigmoid(x)");
    to("1 - sigmoid(x)", "1 - sigmoid(x)");
    to("1 - sigmoid(-x)", "sigmoid(x)");
    to("1 - 2 * sigmoid(-2 * x)", "tanh(x)");
    to("sigmoid(x) * sigmoid(-x)", "sigmoid(x) * (1 - sigmoid(x))");
}

#[test]
fn selects_become_smaller() {
    to("if x > 0 { y } else { y }", "y");
    to("if !(x > 0) { y } else { z }", "if x > 0 { z } else { y }");
    to("y * if x > 0 { 1 } else { 0 }", "if x > 0 { y } else { 0 }");
    to("y * if x > 0 { 0 } else { 1 }", "if x > 0 { 0 } else { y }");
    to("y * if x > 0 { 2 } else { 0 }", "if x > 0 { 2 * y } else { 0 }");
    to("if x > 0 { y * exp(x) } else { z * exp(x) }", "exp(x) * if x > 0 { y } else { z }");
    to("if x > 0 { exp(y) } else { exp(z) }", "exp(if x > 0 { y } else { z })");
    to("if x > 0 { if x > 0 { y } else { z } } else { 1 }", "if x > 0 { y } else { 1 }");
    to("(if x > 0 { y } else { 0 }) + if x > 0 { 0 } else { z }", "if x > 0 { y } else { z }");
    to("if x > 0 && 1 > 0 { y } else { z }", "if x > 0 { y } else { z }");
    to("if x > 0 || 1 > 0 { y } else { z }", "y");
}

#[test]
fn relu_stays_a_select() {
    to("if x > 0 { x } else { 0 }", "if x > 0 { x } else { 0 }");
    // Rewritten to abs(x) it would have another derivative at 0.
    to("if x > 0 { x } else { -x }", "if x > 0 { x } else { -x }");
}

#[test]
fn cross_entropy_of_a_sigmoid_has_the_short_gradient() {
    // As one formula of the logit, differentiated: t is y, z is x.
    to("y * -sigmoid(-x) + (1 - y) * sigmoid(x)", "sigmoid(x) - y");
    // As the derivative by the probability times that of the sigmoid.
    to("(-y / x + (1 - y) / (1 - x)) * (x * (1 - x))", "x - y");
    to("(-y / sigmoid(x) + (1 - y) / (1 - sigmoid(x))) * (sigmoid(x) * (1 - sigmoid(x)))", "sigmoid(x) - y");
    // Forward, it is computed from the logit.
    to("-(y * log(sigmoid(x)) + (1 - y) * log(1 - sigmoid(x)))", "y * softplus(-x) + softplus(x) * (1 - y)");
}

#[test]
fn nothing_is_multiplied_out_for_little() {
    to("(1 - x) * (1 + x)", "(x + 1) * (1 - x)");
    to("x * (1 - x)", "x * (1 - x)");
    to("(x - y)^2", "(x - y)^2");
    to("2 * (x - y)", "2 * (x - y)");
}

#[test]
fn powers_of_numbers_wait_for_their_exponent() {
    to("y / (1 - 0.9^step)", "y / (1 - 0.9^step)");
    to("1^step", "1");
}

/// Runs on a stack of the size that threads have by default, with the deepest formula.
#[test]
fn deep_and_long_formulas_end_soon() {
    let started = std::time::Instant::now();
    let function = |op: Unary| move |x: Scalar| Scalar::unary(op, x);
    let add = |n: u32| move |x: Scalar| Scalar::binary(Binary::Add, x, Scalar::input(n));
    let deep: [Box<dyn Fn(Scalar, u32) -> Scalar>; 5] = [
        Box::new(move |x, n| add(n)(x)),
        Box::new(move |x, _| add(0)(x)),
        Box::new(move |x, _| function(Unary::Sin)(x)),
        Box::new(|x, n| Scalar::binary(Binary::Mul, x, Scalar::unary(Unary::Sin, Scalar::input(n)))),
        Box::new(|x, n| Scalar::binary(Binary::Max, x, Scalar::input(n))),
    ];
    for grow in &deep {
        let scalar = (0..DEPTH_LIMIT as u32 - 2).fold(Scalar::input(0), grow);
        let simplified = simplify(&scalar);
        assert!(simplified.size() <= scalar.size());
        assert!(simplified.depth() <= scalar.depth());
    }
    // 10^5 nodes, not deep.
    let mut row: Vec<Scalar> = (0..1 << 16).map(|n| Scalar::unary(Unary::Exp, Scalar::input(n))).collect();
    while row.len() > 1 {
        let mut pairs = row.into_iter();
        row =
            std::iter::from_fn(|| Some(Scalar::binary(Binary::Add, pairs.next()?, pairs.next()?))).collect();
    }
    let scalar = row.remove(0);
    let simplified = simplify(&scalar);
    assert_eq!(simplified.size(), scalar.size());
    assert!(simplified.depth() < 300);
    assert!(started.elapsed().as_secs() < 20, "took {:?}", started.elapsed());
}

#[test]
fn nested_extremes_do_not_double_with_each_level() {
    let scalar = (1..64).fold(Scalar::input(0), |x, n| {
        Scalar::binary(Binary::Max, Scalar::unary(Unary::Sin, x), Scalar::input(n))
    });
    let derivative = crate::scalar::differentiate(&scalar, crate::scalar::Variable::Input(0));
    assert!(derivative.size() < 64 * 64 * 16, "{}", derivative.size());
}
