//! A model written by hand, and tables of models, for the tests of data, training and files.
#![allow(dead_code, reason = "each test uses its part")]

use std::path::PathBuf;

use nnc_runtime::Error;
use nnc_runtime::data::{DataSet, Targets};
use nnc_runtime::model::{
    InputInfo, LayerInfo, Layout, Model, ModelInfo, NormalizeInfo, NormalizeKind, OutputInfo, Role,
    ShapeError, StepError, Target, TargetInfo, TargetLimits, TensorInfo, Train,
};

const MEAN: usize = 0;
const STD: usize = 1;
const WEIGHT: usize = 2;
const BIAS: usize = 3;

const fn tensor(name: &'static str, shape: &'static [usize], role: Role, layer: &'static str) -> TensorInfo {
    let len = match shape {
        [len] | [1, len] => *len,
        _ => 0,
    };
    TensorInfo { name, shape, layout: Layout::Vector { len }, role, layer }
}

static TENSORS: [TensorInfo; 4] = [
    tensor("normalize.mean", &[2], Role::Buffer, "normalize"),
    tensor("normalize.std", &[2], Role::Buffer, "normalize"),
    tensor("line.weight", &[1, 2], Role::Parameter, "line"),
    tensor("line.bias", &[1], Role::Parameter, "line"),
];

static LAYERS: [LayerInfo; 2] =
    [LayerInfo { name: "normalize", place: "line.nn:3:5" }, LayerInfo { name: "line", place: "line.nn:4:5" }];

/// `normalize; line: dense(1)`, `loss mse`, `optimizer momentum`, in plain `f32`.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    info: &'static ModelInfo,
    pub tensors: [Vec<f32>; 4],
    pub velocity: [Vec<f32>; 4],
    pub lr: f64,
    steps: u64,
    first_bad: Option<LayerInfo>,
}

impl Linear {
    /// A model of two inputs and one output, for batches of up to 8 samples.
    pub fn new() -> Self {
        const INFO: ModelInfo = ModelInfo {
            name: "Line",
            source: "line.nn",
            spec_hash: "00000000000000000000000000000001",
            training: "mse, sgd(lr = 0.1)",
            input: &[2],
            output: &[1],
            outputs: &[OutputInfo {
                name: "output",
                shape: &[1],
                target: Some(TargetInfo::Values { len: 1 }),
                limits: TargetLimits::ANY,
            }],
            batch: 8,
            tensors: &TENSORS,
            states: &["velocity"],
            inputs: &[],
            average: None,
            warmup: 0.0,
            normalize: &[NormalizeInfo {
                input: 0,
                kind: NormalizeKind::Standard,
                tensors: [MEAN, STD],
                over_all: false,
            }],
            layers: &LAYERS,
        };
        let zeros = || [vec![0.0; 2], vec![0.0; 2], vec![0.0; 2], vec![0.0]];
        let tensors = [vec![0.0; 2], vec![1.0; 2], vec![0.25, -0.5], vec![0.125]];
        Self { info: &INFO, tensors, velocity: zeros(), lr: 0.05, steps: 0, first_bad: None }
    }

    /// The same model with tables changed by a test.
    pub fn with_info(change: impl FnOnce(&mut ModelInfo)) -> Self {
        let mut model = Self::new();
        let mut info = *model.info;
        change(&mut info);
        model.info = Box::leak(Box::new(info));
        model
    }

    fn normalized(&self, sample: &[f32]) -> [f32; 2] {
        std::array::from_fn(|i| (sample[i] - self.tensors[MEAN][i]) / self.tensors[STD][i])
    }

    fn output(&self, sample: &[f32]) -> f32 {
        let [a, b] = self.normalized(sample);
        a * self.tensors[WEIGHT][0] + b * self.tensors[WEIGHT][1] + self.tensors[BIAS][0]
    }

    /// The bits of everything that the next step depends on.
    pub fn bits(&self) -> Vec<u32> {
        let all = self.tensors.iter().chain(&self.velocity);
        all.flatten().map(|value| value.to_bits()).chain([self.steps as u32]).collect()
    }
}

impl Model for Linear {
    type Elem = f32;

    fn info(&self) -> &'static ModelInfo {
        self.info
    }

    fn predict_rows(&self, x: &[f32], out: &mut [f32]) -> Result<(), ShapeError> {
        self.info.check_rows(x.len(), out.len())?;
        x.chunks(2).zip(out).for_each(|(sample, out)| *out = self.output(sample));
        Ok(())
    }

    fn read_tensor(&self, tensor: usize, out: &mut [f32]) {
        out.copy_from_slice(&self.tensors[tensor]);
    }

    fn write_tensor(&mut self, tensor: usize, values: &[f32]) {
        self.tensors[tensor].copy_from_slice(values);
    }
}

impl Train for Linear {
    fn step_rows(&mut self, x: &[f32], target: Target<'_, f32>) -> Result<f32, StepError> {
        let loss = self.loss_rows(x, target)?;
        let Target::Values(targets) = target else { unreachable!("checked with the loss") };
        if !loss.is_finite() {
            let is_bad = |idx: usize| self.tensors[idx].iter().any(|value| !value.is_finite());
            self.first_bad = Some(LAYERS[usize::from(!is_bad(MEAN) && !is_bad(STD))]);
            return Ok(loss);
        }
        let mut gradient = [0.0; 3];
        for (sample, target) in x.chunks(2).zip(targets) {
            let error = 2.0 * (self.output(sample) - target) / targets.len() as f32;
            let [a, b] = self.normalized(sample);
            for (sum, input) in gradient.iter_mut().zip([a, b, 1.0]) {
                *sum += error * input;
            }
        }
        for (value, gradient) in [(WEIGHT, 0), (WEIGHT, 1), (BIAS, 0)].into_iter().zip(gradient) {
            let (tensor, at) = value;
            let velocity = &mut self.velocity[tensor][at];
            *velocity = 0.9 * *velocity - self.lr as f32 * gradient;
            self.tensors[tensor][at] += *velocity;
        }
        self.steps += 1;
        Ok(loss)
    }

    fn loss_rows(&mut self, x: &[f32], target: Target<'_, f32>) -> Result<f32, StepError> {
        let samples = self.info.check_batch(x, &target)?;
        let Target::Values(targets) = target else { unreachable!("checked with the batch") };
        let errors = x.chunks(2).zip(targets).map(|(sample, target)| self.output(sample) - target);
        Ok(errors.map(|error| error * error).sum::<f32>() / samples as f32)
    }

    fn first_non_finite(&self) -> Option<LayerInfo> {
        self.first_bad
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    fn learning_rate(&self) -> Option<f64> {
        Some(self.lr)
    }

    fn set_learning_rate(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn read_state(&self, state: usize, tensor: usize, out: &mut [f32]) {
        assert_eq!(state, 0);
        out.copy_from_slice(&self.velocity[tensor]);
    }

    fn write_state(&mut self, state: usize, tensor: usize, values: &[f32]) {
        assert_eq!(state, 0);
        self.velocity[tensor].copy_from_slice(values);
    }
}

/// `rows` samples of `y = 3 a - 2 b + 1`, where `a` and `b` are of very different scale.
pub fn line(rows: usize) -> DataSet {
    let sample = |row: usize| [(row % 7) as f32 / 4.0, ((row * 5) % 11) as f32 * 100.0];
    let inputs: Vec<f32> = (0..rows).flat_map(sample).collect();
    let targets = inputs.chunks(2).map(|x| 3.0 * x[0] - 0.02 * x[1] + 1.0).collect();
    DataSet::from_rows(inputs, 2, Targets::Values(targets, 1)).unwrap()
}

/// The tables of a model that classifies.
pub fn classifier(input: usize, classes: usize) -> ModelInfo {
    info(input, classes, Some(TargetInfo::Class { classes }))
}

/// The tables of a model that is compared with values.
pub fn regressor(input: usize, len: usize) -> ModelInfo {
    info(input, len, Some(TargetInfo::Values { len }))
}

/// The only input of a model, perhaps of tokens.
pub fn inputs(len: usize, tokens: Option<usize>) -> &'static [InputInfo] {
    Box::leak(Box::new([InputInfo { name: "input", shape: Box::leak(Box::new([len])), tokens }]))
}

/// The tables of a model without parameters.
pub fn info(input: usize, output: usize, target: Option<TargetInfo>) -> ModelInfo {
    let shape: &'static [usize] = Box::leak(Box::new([output]));
    let only = OutputInfo { name: "output", shape, target, limits: TargetLimits::ANY };
    ModelInfo {
        name: "Net",
        source: "net.nn",
        spec_hash: "00000000000000000000000000000002",
        training: "",
        input: Box::leak(Box::new([input])),
        output: shape,
        outputs: Box::leak(Box::new([only])),
        batch: 16,
        tensors: &[],
        states: &[],
        inputs: inputs(input, None),
        average: None,
        warmup: 0.0,
        normalize: &[],
        layers: &[],
    }
}

/// The tables of a model with several outputs: name, length and target of each.
pub fn several(input: usize, outputs: &[(&'static str, usize, Option<TargetInfo>)]) -> ModelInfo {
    let all: Vec<OutputInfo> = outputs
        .iter()
        .map(|&(name, len, target)| OutputInfo {
            name,
            shape: Box::leak(Box::new([len])),
            target,
            limits: TargetLimits::ANY,
        })
        .collect();
    let width = all.iter().map(OutputInfo::len).sum();
    ModelInfo { outputs: Box::leak(all.into_boxed_slice()), ..info(input, width, None) }
}

/// The tables of a model that says where (two values), gives a feature, and says what (three classes).
pub fn where_and_what() -> ModelInfo {
    let outputs = [
        ("place", 2, Some(TargetInfo::Values { len: 2 })),
        ("feature", 1, None),
        ("kind", 3, Some(TargetInfo::Class { classes: 3 })),
    ];
    several(1, &outputs)
}

/// A file of the repository's test data.
pub fn data_file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "tests", "data", name].iter().collect()
}

/// That an error has a code, and tells of each of some things.
#[track_caller]
pub fn assert_tells(error: &Error, code: &str, words: &[&str]) {
    assert_eq!(error.code, code, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "`{word}` is not in: {error}");
    }
}
