//! Models of sequences against figures that PyTorch computed (`tests/data/pytorch/sequences.json`): emitted f32 code by
//! outputs and by losses of steps, the f64 reference by gradients too.

mod common;

use nnc::Train;
use serde_json::Value;

use common::{Emitted, Expected, Reference, assert_close, compiled, figures, numbers, tensors};

/// Of the largest value, in f32.
const SINGLE: f64 = 1e-5;
/// Of the loss, after steps in f32: AdamW divides by gradients, those near 0 by what rounding made of them.
const TRAINED: f64 = 1e-4;
/// Of the largest value, in f64: figures are printed in full.
const DOUBLE: f64 = 1e-10;

struct Case {
    entry: Value,
    input: Vec<f64>,
    target: Expected,
}

impl Case {
    fn new(name: &str) -> Self {
        let figures = figures("sequences.json");
        let mut entries = figures["models"].as_array().expect("entries").iter();
        let entry =
            entries.find(|entry| entry["model"] == format!("{name}.nn")).expect("the model's figures");
        let target = Expected::new("class", numbers(&entry["target"]));
        Self { input: numbers(&entry["input"]), target, entry: entry.clone() }
    }
}

fn check<M: Train>(name: &str, new: impl Fn() -> M) {
    let case = Case::new(name);
    let figures = &case.entry["f32"];
    let mut model = Emitted(new());
    model.set(&tensors(&case.entry["weights"]));
    let output = numbers(&figures["output"]);
    assert_close(&format!("{name}: output"), &model.predict(&case.input), &output, SINGLE);
    // One sample goes another way.
    let (inputs, outputs) = (model.0.info().input_len(), model.0.info().output_len());
    let first = model.predict(&case.input[..inputs]);
    assert_close(&format!("{name}: first output"), &first, &output[..outputs], SINGLE);
    let loss = model.loss(&case.input, &case.target);
    assert_close(&format!("{name}: loss"), &[loss], &numbers(&figures["loss"]), SINGLE);
    for (n, expected) in numbers(&figures["losses"]).into_iter().enumerate() {
        let loss = model.step(&case.input, &case.target);
        assert_close(&format!("{name}: loss of step {}", n + 1), &[loss], &[expected], TRAINED);
    }
}

fn check_reference(name: &str, text: &str) {
    let case = Case::new(name);
    let figures = &case.entry["f64"];
    let model = compiled(text);
    let mut reference = Reference::new(&model.graph);
    reference.set(&tensors(&case.entry["weights"]));
    let output = reference.predict(&case.input);
    assert_close(&format!("{name}: output"), &output, &numbers(&figures["output"]), DOUBLE);
    let (loss, gradients) = reference.gradients(&case.input, &case.target);
    assert_close(&format!("{name}: loss"), &[loss], &numbers(&figures["loss"]), DOUBLE);
    let expected = tensors(&figures["gradient"]);
    assert_eq!(expected.len(), gradients.len(), "{name}: gradients");
    for (tensor, expected) in expected {
        assert_close(&format!("{name}: d_{tensor}"), &gradients[&tensor], &expected, DOUBLE);
    }
    for (n, expected) in numbers(&figures["losses"]).into_iter().enumerate() {
        let loss = reference.interpreter.step(&case.input, case.target.reference());
        // Gradients that are 0 but for rounding have a part in steps.
        assert_close(&format!("{name}: loss of step {}", n + 1), &[loss], &[expected], 1e-8);
    }
}

macro_rules! models {
    ($($name:ident: $model:ident = $path:literal;)*) => {
        $(
            mod $name {
                nnc::network!($path);

                #[test]
                fn emitted() {
                    super::check(stringify!($name), || $model::new(0));
                }

                #[test]
                fn reference() {
                    super::check_reference(stringify!($name), include_str!(concat!("../", $path)));
                }
            }
        )*
    };
}

models! {
    gpt: Gpt = "tests/data/pytorch/models/gpt.nn";
    reader: Reader = "tests/data/pytorch/models/reader.nn";
}
