//! Activations of the standard library: their derivatives against central differences.

use crate::compile::{Options, compile};
use crate::program::Kind;
use crate::scalar::{Scalar, Variable, differentiate, evaluate, in_terms_of_output};

/// Names of the activations, from the library's own text.
fn names() -> Vec<String> {
    include_str!("../../../std/activations.nn")
        .lines()
        .filter_map(|line| line.strip_prefix("activation "))
        .filter_map(|rest| rest.split('(').next())
        .map(str::to_owned)
        .collect()
}

/// The formula of an activation with its defaults.
fn formula_of(name: &str) -> Scalar {
    let text = format!("model M {{ input [1]\n{name} }}");
    let compilation = compile("m.nn", &text, &Options::default());
    let program = compilation.models.first().map(|model| &model.program);
    let program = program.unwrap_or_else(|| panic!("{name}: {:?}", compilation.diagnostics));
    match program.applications.first().map(|application| &application.kind) {
        Some(Kind::Activation { scalar, .. }) => scalar.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn derivatives_are_slopes() {
    let names = names();
    assert!(names.len() >= 15, "found {names:?}");
    for name in names {
        let function = formula_of(&name);
        let derivative = differentiate(&function, Variable::Input(0));
        let rewritten = in_terms_of_output(&derivative, &function);
        for n in -40..40 {
            // No kink of any of them lies here.
            let x = f64::from(n) * 0.2 + 0.0317;
            let value = |x: f64| evaluate(&function, &mut |_| x);
            let slope = (value(x + 1e-5) - value(x - 1e-5)) / 2e-5;
            let found = evaluate(&derivative, &mut |_| x);
            assert!((found - slope).abs() < 1e-8, "{name}'({x}) = {found}, by differences {slope}");
            let out = value(x);
            let saved = evaluate(&rewritten, &mut |v| if v == Variable::Output { out } else { x });
            assert!((saved - found).abs() < 1e-12, "{name}'({x}) from the result: {saved}, expected {found}");
        }
    }
}
