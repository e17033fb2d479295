use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::deep_saturation::saturates;
use crate::compile::{Options, compile};
use crate::program::{ActivationBody, Kind};

fn warnings(body: &str) -> Vec<Diagnostic> {
    let text = format!("model M {{\n    input [6]\n    {body}\n}}");
    let compilation = compile("m.nn", &text, &Options::default());
    assert!(!compilation.has_errors(), "{text}\n{:#?}", compilation.diagnostics);
    compilation.diagnostics.into_iter().filter(|warning| warning.code != Code::W0101).collect()
}

fn codes(body: &str) -> Vec<Code> {
    warnings(body).iter().map(|warning| warning.code).collect()
}

#[test]
fn which_activations_saturate() {
    let is_saturating = |name: &str| {
        let text = format!("model M {{ input [2] {name} }}");
        let compilation = compile("m.nn", &text, &Options::default());
        let program = compilation.models.first().map(|model| &model.program).expect("it compiles");
        match program.applications.first().map(|application| &application.kind) {
            Some(Kind::Activation { body: ActivationBody::Scalar(scalar), .. }) => saturates(scalar),
            other => panic!("{name} is {other:?}"),
        }
    };
    for name in ["sigmoid", "tanh", "relu6", "hard_tanh", "hard_sigmoid"] {
        assert!(is_saturating(name), "{name}");
    }
    // Flat to one side, hardly anywhere, or everywhere.
    for name in ["relu", "softplus", "gelu", "leaky_relu", "softsign", "identity", "step"] {
        assert!(!is_saturating(name), "{name}");
    }
}

#[test]
fn saturating_activations_stacked_deep() {
    let stack = |what: &str| format!("repeat 4 {{ {what} }} dense(2)");
    assert_eq!(codes(&stack("dense(6) -> sigmoid")), [Code::W0104]);
    assert_eq!(codes(&stack("dense(6) -> dropout(0.1) -> tanh")), [Code::W0104]);
    for fine in [
        "dense(6) -> relu",
        "dense(6, bias = false) -> batch_norm -> tanh",
        "residual { dense(6) -> tanh }",
        "dense(6) -> tanh -> dense(6) -> relu",
    ] {
        assert_eq!(codes(&stack(fine)), [], "{fine}");
    }
    assert_eq!(codes("repeat 3 { dense(6) -> tanh } dense(2)"), []);
    let found = warnings(&stack("dense(6) -> sigmoid"));
    assert!(found[0].message.starts_with("4 saturating") && found[0].secondary.len() == 1, "{found:?}");
}

#[test]
fn initializers_that_do_not_fit() {
    for wrong in ["normal(std = 3)", "normal(std = 0.01)", "uniform(low = -0.001, high = 0.001)"] {
        assert_eq!(codes(&format!("dense(6, init = {wrong}) -> relu -> dense(2)")), [Code::W0105], "{wrong}");
    }
    for fine in ["he", "xavier", "lecun", "fan_in", "zeros", "orthogonal", "normal(std = 0.5)"] {
        assert_eq!(codes(&format!("dense(6, init = {fine}) -> relu -> dense(2)")), [], "{fine}");
    }
}

#[test]
fn softmax_of_a_softmax() {
    assert_eq!(codes("dense(3) -> softmax -> softmax"), [Code::W0106]);
    assert_eq!(codes("dense(3) -> softmax -> dense(3) -> softmax"), []);
    // A loss that takes a softmax, where nothing fuses the two.
    let text = "loss spread(output, target) = sum((softmax(output) - target)^2)\n\
        model M { input [6] dense(3) -> softmax loss spread optimizer adam }";
    let found = compile("m.nn", text, &Options::default()).diagnostics;
    let twice: Vec<&Diagnostic> = found.iter().filter(|warning| warning.code == Code::W0106).collect();
    assert_eq!(twice.len(), 1, "{found:#?}");
    assert_eq!(twice[0].primary.text, "the loss takes one of its own");
    let at = twice[0].primary.span;
    assert_eq!(text.get(at.start as usize..at.end as usize), Some("spread"));
    let plain = compile("m.nn", &text.replace("-> softmax ", ""), &Options::default()).diagnostics;
    assert!(plain.iter().all(|warning| warning.code != Code::W0106), "{plain:#?}");
    // Fused, with a note of its own.
    assert_eq!(codes("dense(3) -> softmax loss cross_entropy optimizer adam"), []);
}

#[test]
fn values_behind_a_softmax() {
    assert_eq!(codes("dense(3) -> softmax loss mse optimizer adam"), [Code::W0107]);
    assert_eq!(codes("dense(3) -> softmax loss cross_entropy(target = values) optimizer adam"), []);
    assert_eq!(codes("dense(3) loss mse optimizer adam"), []);
}

#[test]
fn a_bias_before_batch_norm() {
    assert_eq!(codes("dense(3) -> batch_norm -> relu"), [Code::W0108]);
    assert_eq!(codes("dense(3, bias = false) -> batch_norm -> relu"), []);
    assert_eq!(codes("dense(3) -> layer_norm -> relu"), []);
    assert_eq!(codes("let a = dense(3) a -> batch_norm -> relu let b = a -> relu add(a, b)"), []);
}

#[test]
fn a_storage_that_holds_for_nothing() {
    let codes = |units: usize, section: &str| -> Vec<Code> {
        let text = format!("model M {{ input [64] dense({units}) -> relu dense(2) }} train {{ {section} }}");
        compile("m.nn", &text, &Options::default()).diagnostics.iter().map(|fault| fault.code).collect()
    };
    assert_eq!(codes(63, "storage bf16"), [Code::W0111]);
    assert_eq!(codes(64, "storage bf16"), []);
    assert_eq!(codes(63, "storage full"), []);
}

#[test]
fn a_file_allows_warnings() {
    let model = "model M { input [6] wide: dense(6, init = normal(std = 3)) -> relu dense(2) }";
    let codes = |head: &str| -> Vec<Code> {
        let compilation = compile("m.nn", &format!("{head} {model}"), &Options::default());
        compilation.diagnostics.into_iter().map(|fault| fault.code).collect()
    };
    assert_eq!(codes(""), [Code::W0105]);
    assert_eq!(codes("allow W0108"), [Code::W0105]);
    assert_eq!(codes("allow W0105"), []);
    assert_eq!(codes("allow W0108, W0105"), []);
    assert_eq!(codes("allow W0108 allow W0105"), []);
    for wrong in ["E0201", "W9999", "w0105", "all"] {
        assert_eq!(codes(&format!("allow {wrong}")), [Code::E0224, Code::W0105], "{wrong}");
    }
}
