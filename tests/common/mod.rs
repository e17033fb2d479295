//! What the differential tests share: figures from files, models by the traits, and comparisons.
#![allow(dead_code)]

pub mod bits;
pub mod differential;
pub mod layers;
pub mod training;

use std::collections::BTreeMap;
use std::path::Path;

use nnc::__private::random;
use nnc::{Element, Target, Train};
use nnc_compiler::graph::Graph;
use nnc_compiler::reference::{Interpreter, Targets};
use nnc_compiler::{CompiledModel, Options, compile};
use serde_json::Value;

/// A file of figures. The package whose tests these are may lie below the repository's root.
pub fn figures(path: &str) -> Value {
    let roots = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut folders = roots.map(|root| root.join("tests/data/pytorch")).filter(|folder| folder.is_dir());
    let path = folders.next().expect("the figures are in the repository").join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All numbers of nested lists, in order.
pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Number(number) => vec![number.as_f64().expect("a number")],
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => panic!("expected numbers, found {other}"),
    }
}

/// Tensors by name.
pub fn tensors(value: &Value) -> BTreeMap<String, Vec<f64>> {
    let object = value.as_object().expect("an object of tensors");
    object.iter().map(|(name, value)| (name.clone(), numbers(value))).collect()
}

/// The one model of a text.
pub fn compiled(text: &str) -> CompiledModel {
    let compilation = compile("test.nn", text, &Options::default());
    assert!(!compilation.has_errors(), "{text}\n{:#?}", compilation.diagnostics);
    compilation.models.into_iter().next().unwrap_or_else(|| panic!("no model in {text}"))
}

/// Fails unless the numbers agree to `tolerance` of the largest.
#[track_caller]
pub fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    let largest = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(
            error <= tolerance * largest.max(1e-30),
            "{what}[{at}]: {found:e}, expected {expected:e}; {:e} of the largest",
            error / largest
        );
    }
}

/// Targets of a batch, whatever they are.
#[derive(Clone, Debug)]
pub enum Expected {
    Classes(Vec<u32>),
    Values(Vec<f64>),
}

impl Expected {
    pub fn new(kind: &str, numbers: Vec<f64>) -> Self {
        if kind == "class" {
            Self::Classes(numbers.into_iter().map(|class| class as u32).collect())
        } else {
            Self::Values(numbers)
        }
    }

    /// The first `samples` of `all`.
    pub fn first(&self, samples: usize, all: usize) -> Self {
        match self {
            Self::Classes(classes) => Self::Classes(classes[..classes.len() / all * samples].to_vec()),
            Self::Values(values) => Self::Values(values[..values.len() / all * samples].to_vec()),
        }
    }

    pub fn reference(&self) -> Targets<'_> {
        match self {
            Self::Classes(classes) => Targets::Classes(classes),
            Self::Values(values) => Targets::Values(values),
        }
    }
}

/// A model behind its traits, in f64 whatever it computes with.
pub struct Emitted<M>(pub M);

impl<M: Train> Emitted<M> {
    fn narrow(values: &[f64]) -> Vec<M::Elem> {
        values.iter().map(|value| M::Elem::from_f64(*value)).collect()
    }

    fn wide(values: &[M::Elem]) -> Vec<f64> {
        values.iter().map(|value| value.to_f64()).collect()
    }

    pub fn set(&mut self, tensors: &BTreeMap<String, Vec<f64>>) {
        for (name, values) in tensors {
            let at = self.0.info().tensors.iter().position(|tensor| tensor.name == name);
            let at = at.unwrap_or_else(|| panic!("the model has no tensor {name}"));
            self.0.write_tensor(at, &Self::narrow(values));
        }
    }

    pub fn get(&self) -> BTreeMap<String, Vec<f64>> {
        let tensors = self.0.info().tensors;
        let read = |at: usize| {
            let mut values = vec![M::Elem::ZERO; tensors[at].len()];
            self.0.read_tensor(at, &mut values);
            Self::wide(&values)
        };
        tensors.iter().enumerate().map(|(at, tensor)| (tensor.name.to_owned(), read(at))).collect()
    }

    pub fn predict(&self, x: &[f64]) -> Vec<f64> {
        let info = self.0.info();
        let mut out = vec![M::Elem::ZERO; x.len() / info.input_len() * info.output_len()];
        self.0.predict_rows(&Self::narrow(x), &mut out).expect("the rows fit");
        Self::wide(&out)
    }

    pub fn loss(&mut self, x: &[f64], target: &Expected) -> f64 {
        self.with_target(target, |model, target| {
            model.loss_rows(&Self::narrow(x), target).expect("the rows fit")
        })
    }

    pub fn step(&mut self, x: &[f64], target: &Expected) -> f64 {
        self.with_target(target, |model, target| {
            model.step_rows(&Self::narrow(x), target).expect("the rows fit")
        })
    }

    fn with_target(&mut self, target: &Expected, f: impl FnOnce(&mut M, Target<'_, M::Elem>) -> f32) -> f64 {
        match target {
            Expected::Classes(classes) => f64::from(f(&mut self.0, Target::Classes(classes))),
            Expected::Values(values) => f64::from(f(&mut self.0, Target::Values(&Self::narrow(values)))),
        }
    }
}

/// The interpreter, with tensors by name.
pub struct Reference {
    pub interpreter: Interpreter,
}

impl Reference {
    pub fn new(graph: &Graph) -> Self {
        let mut interpreter = Interpreter::new(graph).expect("the graph has gradients");
        // As a model that was made with seed 0.
        interpreter.set_draws(|step, draw, sample, feature| {
            random::draw(random::Draws { seed: 0, step }, draw.stream, draw.is_normal, sample, feature)
        });
        Self { interpreter }
    }

    fn names(&self) -> Vec<String> {
        self.interpreter.graph().parameters.iter().map(|parameter| parameter.name.clone()).collect()
    }

    pub fn set(&mut self, tensors: &BTreeMap<String, Vec<f64>>) {
        for (at, name) in self.names().iter().enumerate() {
            if let Some(values) = tensors.get(name) {
                let parameter = self.interpreter.parameter_mut(at).expect("it is there");
                assert_eq!(parameter.len(), values.len(), "{name}");
                parameter.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
            }
        }
    }

    pub fn get(&self) -> BTreeMap<String, Vec<f64>> {
        let read = |at| self.interpreter.parameter(at).expect("it is there").iter().copied().collect();
        self.names().into_iter().enumerate().map(|(at, name)| (name, read(at))).collect()
    }

    pub fn predict(&self, x: &[f64]) -> Vec<f64> {
        self.interpreter.predict(x).iter().copied().collect()
    }

    pub fn gradients(&self, x: &[f64], target: &Expected) -> (f64, BTreeMap<String, Vec<f64>>) {
        let outcome = self.interpreter.gradients(x, target.reference()).expect("the model is trained");
        let names = self.names();
        let gradients = outcome.gradients.iter();
        let gradients =
            gradients.map(|(id, value)| (names[id.0 as usize].clone(), value.iter().copied().collect()));
        (outcome.loss, gradients.collect())
    }
}

/// Numbers between -1 and 1.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    pub fn take(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.next()).collect()
    }
}

/// Random tensors of a model's shapes; deviations are positive.
pub fn random_tensors(model: &CompiledModel, numbers: &mut Numbers) -> BTreeMap<String, Vec<f64>> {
    let tensors = model.info.tensors.iter();
    let random = |tensor: &nnc_compiler::emit::TensorInfo| {
        let values = numbers.take(tensor.shape.iter().product());
        let is_deviation = tensor.name.ends_with(".std") || tensor.name.ends_with(".running_var");
        let values = values.into_iter().map(|value| if is_deviation { 1.5 + value } else { value });
        (tensor.name.clone(), values.collect())
    };
    tensors.map(random).collect()
}
