//! E0405: definitions whose derivative cannot be trained with.

use super::*;

fn activation(formula: &str) -> String {
    format!("activation mine(x, k = 2) = {formula} model M {{ input [4] dense(3) -> mine }}")
}

fn loss(formula: &str) -> String {
    format!(
        "loss mine(output, target, k = 2) = {formula} model M {{ input [4] dense(3) loss mine optimizer sgd }}"
    )
}

#[track_caller]
fn undefined(text: &str, place: &str, message: &str) {
    let (resolved, sources) = resolved_with(text, &Options::default());
    let [fault] = resolved.diagnostics.as_slice() else { panic!("{text}\n{:#?}", resolved.diagnostics) };
    assert_eq!((fault.code, sources.text(fault.primary.span)), (Code::E0405, place), "{text}");
    assert_eq!(fault.message, message);
    assert!(!fault.help.is_empty());
}

#[track_caller]
fn defined(text: &str) {
    assert_eq!(faults(text), [], "{text}");
}

#[test]
fn a_derivative_that_is_not_finite_where_the_function_is() {
    let at_0 = "the gradient of activation `mine` is not defined where `x` is 0";
    for formula in ["sqrt(abs(x))", "abs(x)^0.5", "sign(x) * sqrt(abs(x))"] {
        undefined(&activation(formula), formula, at_0);
    }
    // Numbers of the formula are tried as well, and defaults.
    let at_2 = "the gradient of activation `mine` is not defined where `x` is 2";
    undefined(&activation("sqrt(abs(x - k))"), "sqrt(abs(x - k))", at_2);
}

#[test]
fn what_has_a_derivative_is_left_alone() {
    for formula in [
        "sqrt(x)",
        "x^0.5",
        "log(x)",
        "1 / x",
        "x * log(x)",
        "abs(x)",
        "max(x, 0)^2",
        // The compiler knows what these are at 0: abs(x), and a branch that is not taken.
        "sqrt(x^2)",
        "sqrt(max(x, 0))",
        "sqrt(relu(x))",
        "sqrt(x^2 + 1e-12)",
        "sqrt(1 + x^2) - 1",
        "if x == 0 { 0 } else { sqrt(abs(x)) }",
        "abs(x)^1.5",
        "x / (k + abs(x))",
        "floor(x)",
        "if x > k { 1 } else { 0 }",
        "part(x, 1, 1) * sigmoid(part(x, 1, 1))",
        "softmax(x) * x",
        "exp(-x^2)",
        "3",
    ] {
        let text = activation(formula).replace("dense(3) -> mine", "mine");
        defined(&text);
    }
    for formula in [
        "mean(abs(output - target))",
        "mean((output - target)^4)",
        "sqrt(mean((output - target)^2) + 1e-12)",
        "-mean(target * log(output) + (1 - target) * log(1 - output))",
        "mean(if abs(output - target) < 100 { 0 } else { abs(output - target) - 100 })",
        "max(abs(output - target))",
    ] {
        defined(&loss(formula));
    }
    defined(
        "loss mine(output, target: class) = -sum(one_hot(target) * log_softmax(output)) model M { input [4] dense(3) loss mine optimizer sgd }",
    );
}

#[test]
fn a_loss_has_a_slope_by_its_output() {
    let root = "sqrt(mean((output - target)^2))";
    undefined(&loss(root), root, "the gradient of loss `mine` is not defined where `output` is `target`");
    let flat = "the gradient of loss `mine` is 0 everywhere";
    for formula in [
        "mean(if abs(output - target) < k { 0 } else { 1 })",
        "mean(floor(output - target))",
        "mean(sign(output - target)^2)",
    ] {
        undefined(&loss(formula), formula, flat);
    }
}

/// Whether a derivative is defined may depend on the arguments.
#[test]
fn arguments_are_looked_at() {
    let text = "activation power(x, n) = abs(x)^n model M { input [4] dense(3) -> power(n = @) }";
    defined(&text.replace('@', "2"));
    undefined(
        &text.replace('@', "0.5"),
        "abs(x)^n",
        "the gradient of activation `power` is not defined where `x` is 0",
    );
    let (resolved, sources) = resolved_with(&text.replace('@', "0.5"), &Options::default());
    let labels = resolved.diagnostics[0].secondary.iter();
    assert_eq!(labels.map(|label| sources.text(label.span)).collect::<Vec<_>>(), ["power(n = 0.5)"]);
}

/// Trying a formula uses nothing.
#[test]
fn what_only_an_unused_definition_uses_is_unused() {
    let text = "activation a(x) = 2 * x activation b(x) = a(x) model M { input [4] dense(3) }";
    assert_eq!(faults(text), [(Code::W0102, "a".to_owned()), (Code::W0102, "b".to_owned())]);
}

/// The standard library is not checked when a model is compiled; here it is.
#[test]
fn the_standard_library_has_gradients() {
    let of_library = |name: &str| {
        let path = format!("{}/std/{name}.nn", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        format!("{text} model M {{ input [4] dense(3) }}")
    };
    for name in ["activations", "losses"] {
        let faults = faults(&of_library(name));
        let errors: Vec<_> = faults.into_iter().filter(|(code, _)| *code != Code::W0102).collect();
        assert_eq!(errors, [], "{name}");
    }
}
