//! The f64 reference, and emitted f32 code of whole models, against figures that PyTorch computed (`tests/data/pytorch`).
//! (`tests/figures` has emitted code of activations, losses and optimizers.)

mod common;

use nnc::Train;
use serde_json::Value;

use common::{Emitted, Expected, Reference, assert_close, compiled, figures, numbers, tensors};

/// A step of `sgd(lr = 1024)` moves a weight by 1024 gradients.
const RATE: f64 = 1024.0;

/// Of the largest value, in f32.
const SINGLE: f64 = 1e-5;
/// Of the largest value, in f64: figures are printed in full.
const DOUBLE: f64 = 1e-10;

fn text(name: &str) -> String {
    let path = format!("{}/tests/data/pytorch/models/{name}.nn", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("the model is there")
}

struct Case {
    figures: Value,
    input: Vec<f64>,
    target: Expected,
    samples: usize,
}

impl Case {
    fn new(name: &str) -> Self {
        let figures = figures(&format!("models/{name}.json"));
        let target =
            Expected::new(figures["target_kind"].as_str().expect("a kind"), numbers(&figures["target"]));
        let samples = figures["input"].as_array().expect("samples").len();
        Self { input: numbers(&figures["input"]), target, samples, figures }
    }

    fn runs(&self, precision: &'static str) -> impl Iterator<Item = (&Value, Vec<f64>, Expected)> {
        let runs = self.figures["runs"].as_array().expect("runs").iter();
        runs.filter(move |run| run["precision"] == precision).map(|run| {
            let batch = run["batch"].as_u64().expect("a batch") as usize;
            let input = self.input[..self.input.len() / self.samples * batch].to_vec();
            (run, input, self.target.first(batch, self.samples))
        })
    }
}

/// Outputs, loss and gradients of emitted code.
fn check<M: Train>(name: &str, new: impl Fn() -> M) {
    let case = Case::new(name);
    for (run, input, target) in case.runs("f32") {
        let what = |part: &str| format!("{name}, batch {}: {part}", run["batch"]);
        let mut model = Emitted(new());
        model.set(&tensors(&case.figures["weights"]));
        model.set(&tensors(&case.figures["buffers"]));
        let output = numbers(&run["output"]);
        assert_close(&what("output"), &model.predict(&input), &output, SINGLE);
        // One sample goes another way.
        let width = input.len() / (output.len() / model.0.info().output_len());
        assert_close(
            &what("first output"),
            &model.predict(&input[..width]),
            &output[..model.0.info().output_len()],
            SINGLE,
        );
        let loss = numbers(&run["loss"]);
        assert_close(&what("loss"), &[model.loss(&input, &target)], &loss, SINGLE);
        let before = model.get();
        assert_close(&what("loss of the step"), &[model.step(&input, &target)], &loss, SINGLE);
        let after = model.get();
        for (tensor, gradient) in tensors(&run["gradient"]) {
            let moved: Vec<f64> = before[&tensor]
                .iter()
                .zip(&after[&tensor])
                .map(|(before, after)| (before - after) / RATE)
                .collect();
            assert_close(&what(&tensor), &moved, &gradient, SINGLE);
        }
    }
}

/// The same of the reference.
fn check_reference(name: &str) {
    let case = Case::new(name);
    let model = compiled(&text(name));
    for (run, input, target) in case.runs("f64") {
        let what = |part: &str| format!("{name}, batch {}: {part}", run["batch"]);
        let mut reference = Reference::new(&model.graph);
        reference.set(&tensors(&case.figures["weights"]));
        reference.set(&tensors(&case.figures["buffers"]));
        assert_close(&what("output"), &reference.predict(&input), &numbers(&run["output"]), DOUBLE);
        let (loss, gradients) = reference.gradients(&input, &target);
        assert_close(&what("loss"), &[loss], &numbers(&run["loss"]), DOUBLE);
        for (tensor, gradient) in tensors(&run["gradient"]) {
            assert_close(&what(&tensor), &gradients[&tensor], &gradient, DOUBLE);
        }
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
                    super::check_reference(stringify!($name));
                }
            }
        )*
    };
}

models! {
    classifier: Classifier = "tests/data/pytorch/models/classifier.nn";
    xor: Xor = "tests/data/pytorch/models/xor.nn";
    normalized: Normalized = "tests/data/pytorch/models/normalized.nn";
    dag: Dag = "tests/data/pytorch/models/dag.nn";
    softmax: Softmax = "tests/data/pytorch/models/softmax.nn";
    sigmoid: Sigmoid = "tests/data/pytorch/models/sigmoid.nn";
    without_bias: WithoutBias = "tests/data/pytorch/models/without_bias.nn";
    heads: Heads = "tests/data/pytorch/models/heads.nn";
    siamese: Siamese = "tests/data/pytorch/models/siamese.nn";
    rnn: Rnn = "tests/data/pytorch/models/rnn.nn";
    lstm: Lstm = "tests/data/pytorch/models/lstm.nn";
    both_ways: BothWays = "tests/data/pytorch/models/both_ways.nn";
    gru: Gru = "tests/data/pytorch/models/gru.nn";
    linear: Linear = "tests/data/pytorch/models/linear.nn";
}

#[test]
fn ten_steps_of_the_reference() {
    let figures = figures("optimizers.json");
    let (input, target) = (numbers(&figures["input"]), Expected::new("class", numbers(&figures["target"])));
    for entry in figures["optimizers"].as_array().expect("entries") {
        let call = entry["call"].as_str().expect("a text");
        let model = compiled(&format!(
            "model Net {{\n input [4]\n hidden: dense(5) -> tanh\n head: dense(3)\n loss cross_entropy\n optimizer {call}\n}}"
        ));
        let mut reference = Reference::new(&model.graph);
        reference.set(&tensors(&figures["weights"]));
        for (step, loss) in numbers(&entry["f64"]["losses"]).iter().enumerate() {
            let found = reference.interpreter.step(&input, target.reference());
            assert_close(&format!("{call}: loss of step {}", step + 1), &[found], &[*loss], DOUBLE);
            if let Some(weights) = entry["f64"]["weights"].get((step + 1).to_string()) {
                let found = reference.get();
                for (tensor, expected) in tensors(weights) {
                    let what = format!("{call}: {tensor} after step {}", step + 1);
                    assert_close(&what, &found[&tensor], &expected, DOUBLE);
                }
            }
        }
    }
}

/// Values and derivatives of every activation, through the graph that is trained: the gradient of a bias that is added
/// before the activation, with a loss that is the output itself.
#[test]
fn activations() {
    let figures = figures("activations.json");
    let x = numbers(&figures["x"]);
    for entry in figures["activations"].as_array().expect("entries") {
        let call = entry["call"].as_str().expect("a text");
        let (values, gradients) = (numbers(&entry["value"]), numbers(&entry["gradient"]));
        if gradients.iter().all(|gradient| *gradient == 0.0) {
            // Nothing before it can be trained: that is an error of its own.
            let reference = Reference::new(&compiled(&format!("model M {{\n input [1]\n {call}\n}}")).graph);
            for (x, value) in x.iter().zip(values) {
                assert_eq!(reference.predict(&[*x]), [value], "{call}({x})");
            }
            continue;
        }
        let model = compiled(&format!(
            "loss through(output, target) = mean(output * target)\nmodel M {{\n input [1]\n shift: dense(1, init = constant(1))\n {call}\n loss through\n optimizer sgd\n}}"
        ));
        let mut reference = Reference::new(&model.graph);
        reference.set(&[("shift.weight".to_owned(), vec![1.0])].into());
        for ((x, value), gradient) in x.iter().zip(values).zip(gradients) {
            let (_, found) = reference.gradients(&[*x], &Expected::Values(vec![1.0]));
            let close =
                |found: f64, expected: f64| (found - expected).abs() <= 1e-14 + 1e-12 * expected.abs();
            let output = reference.predict(&[*x])[0];
            assert!(close(output, value), "{call}({x}) = {output}, expected {value}");
            let slope = found["shift.bias"][0];
            assert!(close(slope, gradient), "{call}'({x}) = {slope}, expected {gradient}");
        }
    }
}

/// Every loss, and its gradient by the outputs, for both reductions: the outputs are a bias behind a product with 0.
#[test]
fn losses() {
    let figures = figures("losses.json");
    for entry in figures["losses"].as_array().expect("entries") {
        let call = entry["call"].as_str().expect("a text");
        let kind = entry["target_kind"].as_str().expect("a kind");
        let outputs = entry["output"].as_array().expect("samples");
        let width = outputs[0].as_array().expect("values").len();
        let target = Expected::new(kind, numbers(&entry["target"]));
        for reduction in ["mean", "sum"] {
            let with = match call.strip_suffix(')') {
                Some(call) => format!("{call}, reduction = {reduction})"),
                None => format!("{call}(reduction = {reduction})"),
            };
            let model = compiled(&format!(
                "model M {{\n input [{width}]\n out: dense({width}, init = zeros)\n loss {with}\n optimizer sgd\n}}"
            ));
            let mut reference = Reference::new(&model.graph);
            let identity =
                (0..width * width).map(|at| if at % (width + 1) == 0 { 1.0 } else { 0.0 }).collect();
            reference.set(&[("out.weight".to_owned(), identity)].into());
            let x = numbers(&entry["output"]);
            let (loss, gradients) = reference.gradients(&x, &target);
            let expected = &entry[reduction];
            assert_close(&format!("{with}: loss"), &[loss], &numbers(&expected["loss"]), DOUBLE);
            // The gradient of the bias is the sum of that by the outputs over the samples.
            let by_output = numbers(&expected["gradient"]);
            let sums: Vec<f64> = (0..width).map(|k| by_output.iter().skip(k).step_by(width).sum()).collect();
            let found = &gradients["out.bias"];
            let scale = by_output.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
            for (found, expected) in found.iter().zip(&sums) {
                assert!((found - expected).abs() <= 1e-10 * scale, "{with}: {found}, expected {expected}");
            }
        }
    }
}
