//! Gains against integrals that are known, and where they are taken from.

use crate::compile::{Options, compile};
use crate::program::Initializer;

/// The initializers of all parameters called `weight` or `shortcut`, in order.
fn initializers(body: &str) -> Vec<Initializer> {
    let text = format!("model M {{ input [4] {body} }}");
    let compilation = compile("m.nn", &text, &Options::default());
    assert!(!compilation.has_errors(), "{text}: {:?}", compilation.diagnostics);
    let graph = compilation.models.into_iter().next().map(|model| model.graph);
    let parameters = graph.map(|graph| graph.parameters).unwrap_or_default();
    let is_matrix = |name: &str| name.ends_with(".weight") || name.ends_with(".shortcut");
    parameters
        .into_iter()
        .filter(|parameter| is_matrix(&parameter.name) && parameter.is_matrix)
        .map(|parameter| parameter.initializer)
        .collect()
}

fn texts(body: &str) -> Vec<String> {
    initializers(body).into_iter().map(|initializer| initializer.text).collect()
}

/// The gain of an activation, as an initializer sees it.
#[track_caller]
fn gain(activation: &str) -> f64 {
    let text = format!(
        "init seen = constant(value = gain) model M {{ input [4] dense(3, init = seen) -> {activation} }}"
    );
    let compilation = compile("m.nn", &text, &Options::default());
    assert!(!compilation.has_errors(), "{:?}", compilation.diagnostics);
    let models = compilation.models.first().map(|model| &model.graph.parameters);
    match models.and_then(|parameters| parameters.first()).map(|parameter| &parameter.initializer.scalar) {
        Some(crate::scalar::Scalar::Number(gain)) => *gain,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_gain(activation: &str, expected: f64) {
    let found = gain(activation);
    assert!((found / expected - 1.0).abs() < 2e-9, "{activation}: {found}, expected {expected}");
}

#[test]
fn gains_of_piecewise_linear_functions_are_exact() {
    assert_eq!(gain("relu"), 2f64.sqrt());
    assert_eq!(gain("identity"), 1.0);
    for slope in [0.01f64, 0.2, 1.5] {
        assert_gain(&format!("leaky_relu(slope = {slope})"), (2.0 / (1.0 + slope * slope)).sqrt());
    }
    assert_eq!(gain("selu"), 1.0);
    assert_gain("sign", 1.0);
    // The mean of min(|z|, 1)^2: the middle by parts, and the tails.
    let (inside, density) = (0.682_689_492_137_085_9, 0.241_970_724_519_143_37);
    assert_gain("hard_tanh", 1.0 / f64::sqrt(inside - 2.0 * density + (1.0 - inside)));
}

/// From `mpmath.quad` with 30 digits, over the half lines.
#[test]
fn gains_of_smooth_functions_agree_with_an_independent_integral() {
    for (activation, mean_square) in SMOOTH {
        assert_gain(activation, (1.0 / mean_square).sqrt());
    }
}

const SMOOTH: &[(&str, f64)] = &[
    ("tanh", 0.394_294_490_397_841_17),
    ("sigmoid", 0.293_379_035_858_092_96),
    ("softplus", 0.921_245_908_859_300_3),
    ("elu", 0.644_945_417_492_923_9),
    ("silu", 0.355_775_519_817_352_16),
    ("gelu", 0.425_221_482_570_298_7),
    ("softsign", 0.183_014_021_266_547_5),
    ("mish", 0.452_342_192_375_882_77),
    ("relu6", 0.499_999_998_075_270_48),
    ("hard_sigmoid", 0.277_639_091_056_512_6),
    ("hard_swish", 0.331_567_375_137_907_7),
];

#[test]
fn gains_stay_within_bounds() {
    assert_eq!(gain("leaky_relu(slope = 1000)"), 0.2);
    let with = |body: &str| {
        let text = format!("activation own(x) = {body} model M {{ input [4] dense(3) -> own }}");
        let compilation = compile("m.nn", &text, &Options::default());
        let model = compilation.models.into_iter().next();
        model.and_then(|model| model.graph.parameters.into_iter().next()).map(|first| first.initializer.text)
    };
    assert_eq!(with("0.001 * x").as_deref(), Some("he, gain 5 for own"));
    assert_eq!(with("0 * x").as_deref(), Some("he, gain 5 for own"));
    assert_eq!(with("exp(x^2)").as_deref(), Some("he, gain 0.2 for own"));
    assert_eq!(with("log(x)").as_deref(), Some("he, gain 1 for own"));
}

#[test]
fn the_default_follows_what_comes_next() {
    let all = |body: &str| texts(body).join("; ");
    assert_eq!(
        all("dense(8) -> relu dense(8) -> tanh dense(2)"),
        "he, gain 1.414 for relu; he, gain 1.593 for tanh; he, gain 1"
    );
    assert_eq!(all("dense(8) dense(2) -> relu"), "he, gain 1; he, gain 1.414 for relu");
    assert_eq!(all("dense(8) -> softmax"), "he, gain 1");
    assert_eq!(all("dense(8, init = xavier) -> relu"), "xavier");
    assert_eq!(all("dense(8, init = he_uniform) -> silu"), "he_uniform, gain 1.677 for silu");
    assert_eq!(
        all("repeat 2 { dense(8) -> leaky_relu(slope = 0.2) }")
            .matches("gain 1.387 for leaky_relu(slope = 0.2)")
            .count(),
        2
    );
}

#[test]
fn layers_that_move_values_are_passed_over() {
    let all = |body: &str| texts(body).join("; ");
    assert_eq!(
        all("let a = dense(8) let b = dense(8) add(a, b) -> relu"),
        ["he, gain 1.414 for relu"; 2].join("; ")
    );
    assert_eq!(all("let a = dense(8) concat(a, a) -> flatten -> tanh"), "he, gain 1.593 for tanh");
    assert_eq!(
        all("residual { dense(8) -> relu -> dense(6) } -> relu"),
        ["he, gain 1.414 for relu"; 3].join("; "),
        "the shortcut too"
    );
    for layer in ["batch_norm", "layer_norm", "dropout(0.2)", "batch_norm -> dropout(0.2)"] {
        let body = format!("dense(8) -> {layer} -> relu dense(2)");
        assert_eq!(all(&body), "he, gain 1.414 for relu; he, gain 1", "{layer}");
    }
    // The first in the program, where several use the value.
    assert_eq!(all("let a = dense(8) a -> tanh a -> relu"), "he, gain 1.593 for tanh");
}

#[test]
fn a_parameter_called_gain_is_no_given_name() {
    let text = "init mine(gain = 3) = constant(value = gain) init through = orthogonal(gain = gain)
        model M { input [4] dense(4, init = mine) -> relu dense(4, init = mine(gain = 2)) -> relu
            dense(2, init = through) -> relu }";
    let compilation = compile("m.nn", text, &Options::default());
    assert_eq!(compilation.diagnostics, []);
    let parameters =
        compilation.models.first().map(|model| model.graph.parameters.as_slice()).unwrap_or_default();
    let texts: Vec<&str> = parameters
        .iter()
        .filter(|parameter| parameter.is_matrix)
        .map(|parameter| parameter.initializer.text.as_str())
        .collect();
    assert_eq!(texts, ["mine", "mine(gain = 2)", "through, gain 1.414 for relu"]);
}

#[test]
fn orthogonal_is_for_matrices() {
    let text = "model M { input [4] dense(4, bias_init = orthogonal) }";
    let compilation = compile("m.nn", text, &Options::default());
    let [fault] = compilation.diagnostics.as_slice() else { panic!("{:?}", compilation.diagnostics) };
    assert_eq!(fault.code, nnc_grammar::diagnostic::Code::E0303);
    assert_eq!(fault.primary.text, "expected a matrix, found `dense.bias` [4]");
}
