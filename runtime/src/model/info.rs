//! What an emitted model says about itself, and what fits it.

use super::{ShapeError, StepError, Target};
use crate::element::Element;

/// A parameter, or a buffer that is kept with the weights (such as the mean and deviation of `normalize`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name it is saved under: `hidden.weight`.
    pub name: &'static str,
    /// The shape it is saved in: `[out, in]`.
    pub shape: &'static [usize],
    /// How it lies in memory.
    pub layout: Layout,
    /// Whether it is trained.
    pub role: Role,
    /// The layer it belongs to, as named in the source.
    pub layer: &'static str,
}

impl TensorInfo {
    /// A trained matrix, whose first dimension is that of the outputs; named `layer.name`.
    pub const fn matrix(name: &'static str, shape: &'static [usize]) -> Self {
        let (mut inputs, mut n) = (1, 1);
        while n < shape.len() {
            inputs *= shape[n];
            n += 1;
        }
        let layout = Layout::Panel { outputs: shape[0], inputs };
        Self { name, shape, layout, role: Role::Parameter, layer: before_dot(name) }
    }

    /// A trained tensor that lies in rows; named `layer.name`.
    pub const fn vector(name: &'static str, shape: &'static [usize]) -> Self {
        let (mut len, mut n) = (1, 0);
        while n < shape.len() {
            len *= shape[n];
            n += 1;
        }
        Self { name, shape, layout: Layout::Vector { len }, role: Role::Parameter, layer: before_dot(name) }
    }

    /// The same as a buffer, which no optimizer changes.
    pub const fn buffer(self) -> Self {
        Self { role: Role::Buffer, ..self }
    }

    /// The same, not trained.
    pub const fn frozen(self) -> Self {
        Self { role: Role::Frozen, ..self }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a tensor lies in rows of 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A matrix `[out, in]` as `[out/16][in]` rows, each over 16 outputs; the last panel is padded.
    Panel {
        /// Rows of the saved matrix.
        outputs: usize,
        /// Columns of the saved matrix.
        inputs: usize,
    },
    /// A vector of `len` values as `len/16` rows; the last row is padded.
    Vector {
        /// Number of values.
        len: usize,
    },
}

/// What a tensor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Trained by the optimizer.
    Parameter,
    /// A parameter that is kept as it is.
    Frozen,
    /// State that is kept with the weights but not trained.
    Buffer,
}

/// What a sample is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetInfo {
    /// One class index a sample, below `classes`.
    Class {
        /// Number of classes.
        classes: usize,
    },
    /// One class index, below `classes`, for each position of a sample.
    Positions {
        /// Number of classes.
        classes: usize,
        /// Positions of a sample.
        positions: usize,
    },
    /// `len` values a sample.
    Values {
        /// Number of values.
        len: usize,
    },
}

/// Which targets a loss can take, beyond their kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetLimits {
    /// A class that may occur though no output stands for it: its samples do not count.
    pub ignored: Option<u32>,
    /// The smallest value.
    pub low: f64,
    /// The largest value.
    pub high: f64,
    /// Whether these two are the only values.
    pub only_ends: bool,
    /// What the output is to such a target.
    pub scale: OutputScale,
}

/// What an output is to the target that a loss compares it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputScale {
    /// The same, as far as is known.
    #[default]
    Same,
    /// Its logarithm.
    Log,
    /// The logit of a probability.
    Logit,
}

impl OutputScale {
    /// The output in the target's scale.
    pub fn of_target(self, output: f32) -> f32 {
        let exp = |x: f32| crate::math64::exp(f64::from(x));
        match self {
            Self::Same => output,
            Self::Log => exp(output) as f32,
            Self::Logit => (1.0 / (1.0 + exp(-output))) as f32,
        }
    }
}

impl TargetLimits {
    /// Any value, and the model's classes alone.
    pub const ANY: Self = Self {
        ignored: None,
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
        only_ends: false,
        scale: OutputScale::Same,
    };

    /// Whether a class may occur in the targets of a model of so many classes.
    pub fn class_fits(&self, class: u32, classes: usize) -> bool {
        (class as usize) < classes || self.ignored == Some(class)
    }

    /// 0 or 1 as the loss has it: -1 or 1 for one that takes these two numbers alone, such as `hinge`.
    #[cfg(feature = "data")]
    pub(crate) fn end(&self, value: f32) -> f32 {
        match (self.only_ends, value) {
            (true, 0.0) => self.low as f32,
            (true, 1.0) => self.high as f32,
            _ => value,
        }
    }

    /// Whether a value may occur in the targets.
    pub fn value_fits(&self, value: f64) -> bool {
        let is_inside = (self.low..=self.high).contains(&value);
        is_inside && (!self.only_ends || value == self.low || value == self.high)
    }
}

/// An output of a model: its part of a row of outputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutputInfo {
    /// Its name; `output` when it has none.
    pub name: &'static str,
    /// Its shape.
    pub shape: &'static [usize],
    /// What a loss compares it with; `None` without a loss.
    pub target: Option<TargetInfo>,
    /// Which targets the loss can take.
    pub limits: TargetLimits,
}

impl OutputInfo {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An output that a loss compares, and its places in a row of outputs and in a row of targets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// The output.
    pub output: OutputInfo,
    /// What it is compared with.
    pub target: TargetInfo,
    /// Values of the row of outputs before it.
    pub from: usize,
    /// Numbers of the row of targets before its own.
    pub target_from: usize,
}

impl TargetInfo {
    /// Numbers that it takes in a row of targets.
    pub fn width(self) -> usize {
        match self {
            Self::Class { .. } => 1,
            Self::Positions { positions, .. } => positions,
            Self::Values { len } => len,
        }
    }

    /// Number of classes; `None` for values.
    pub fn classes(self) -> Option<usize> {
        match self {
            Self::Class { classes } | Self::Positions { classes, .. } => Some(classes),
            Self::Values { .. } => None,
        }
    }
}

/// An input of which two figures over the training data are kept with the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NormalizeInfo {
    /// Which input is normalised.
    pub input: usize,
    /// Which figures.
    pub kind: NormalizeKind,
    /// The tensors that hold them, in the order in which the kind names them.
    pub tensors: [usize; 2],
    /// One of each for all features, rather than for each feature.
    pub over_all: bool,
}

/// The figures that are kept of the training data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormalizeKind {
    /// Mean and standard deviation (`normalize`); a feature that never varies gets a deviation of 1.
    Standard,
    /// Least and greatest value (`min_max`).
    MinMax,
    /// Median and interquartile range (`robust`); a feature whose quartiles are equal gets a range of 1.
    Robust,
}

impl NormalizeKind {
    /// The layer that keeps them, as it is written.
    pub fn layer(self) -> &'static str {
        match self {
            Self::Standard => "normalize",
            Self::MinMax => "min_max",
            Self::Robust => "robust",
        }
    }
}

/// An input of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputInfo {
    /// Its name; `input` when it has none.
    pub name: &'static str,
    /// Its shape.
    pub shape: &'static [usize],
    /// How many tokens it may name, where it is indices of tokens; `None` for numbers.
    pub tokens: Option<usize>,
}

impl InputInfo {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What an emitted model says about itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelInfo {
    /// The model's name.
    pub name: &'static str,
    /// The file it was compiled from, as shown in messages.
    pub source: &'static str,
    /// 128 bits in hex over everything that gives the weights their meaning.
    pub spec_hash: &'static str,
    /// Shape of one sample: of the only input, or of several flat and one after the other.
    pub input: &'static [usize],
    /// The inputs, in the order in which they stand in a row, one behind the other.
    pub inputs: &'static [InputInfo],
    /// Shape of a row of outputs: of the only output, or of several flat and one after the other.
    pub output: &'static [usize],
    /// The outputs, in the order of the row.
    pub outputs: &'static [OutputInfo],
    /// What it is trained with, as it was written: losses and optimizer. Empty for a model that is not trained.
    pub training: &'static str,
    /// Samples in a full training batch.
    pub batch: usize,
    /// Parameters and buffers, in source order.
    pub tensors: &'static [TensorInfo],
    /// Names of the optimizer's states, each of the form of all parameters together: `velocity`.
    pub states: &'static [&'static str],
    /// The state that is the moving average of the weights, if the optimizer keeps one.
    pub average: Option<usize>,
    /// Epochs of the longest warm-up of a schedule; 0 without one.
    pub warmup: f64,
    /// Inputs that are normalised.
    pub normalize: &'static [NormalizeInfo],
    /// Layers in forward order, as `first_non_finite` counts them: name and place in the source.
    pub layers: &'static [LayerInfo],
}

impl ModelInfo {
    /// The number of a tensor among those that are trained; beyond them, where it is not.
    pub fn trained(&self, tensor: usize) -> usize {
        let is_trained = |info: &&TensorInfo| info.role == Role::Parameter;
        match self.tensors.get(tensor) {
            Some(info) if is_trained(&info) => self.tensors[..tensor].iter().filter(is_trained).count(),
            _ => self.tensors.len(),
        }
    }

    /// The number of the tensor that is saved as `name`, and how many values it has.
    pub fn tensor(&self, name: &str) -> Option<(usize, usize)> {
        let mut tensors = self.tensors.iter().enumerate();
        tensors.find(|(_, tensor)| tensor.name == name).map(|(idx, tensor)| (idx, tensor.len()))
    }

    /// How a tensor lies in memory; where there is none, as a vector of nothing.
    #[doc(hidden)]
    pub fn layout(&self, tensor: usize) -> Layout {
        self.tensors.get(tensor).map_or(Layout::Vector { len: 0 }, |info| info.layout)
    }

    /// Values in one input sample.
    pub fn input_len(&self) -> usize {
        self.input.iter().product()
    }

    /// Values in one output.
    pub fn output_len(&self) -> usize {
        self.output.iter().product()
    }

    /// The outputs that losses compare with targets of the data.
    pub fn compared(&self) -> impl Iterator<Item = Compared> + use<> {
        let places = self.outputs.iter().scan((0, 0), |(from, target_from), output| {
            let place = (*output, *from, *target_from);
            *from += output.len();
            *target_from += output.target.map_or(0, TargetInfo::width);
            Some(place)
        });
        places.filter_map(|(output, from, target_from)| {
            let target = output.target.filter(|target| target.width() > 0)?;
            Some(Compared { output, target, from, target_from })
        })
    }

    /// What a sample is compared with: the target of the only output that has one, or a row of numbers that holds
    /// the targets of several one after the other, a class as its index. No values where losses compare with other
    /// values of the model alone; `None` without a loss.
    pub fn target(&self) -> Option<TargetInfo> {
        let mut compared = self.compared();
        let Some(first) = compared.next().map(|first| first.target) else {
            return self.outputs.iter().find_map(|output| output.target);
        };
        let others = compared.map(|other| other.target.width()).reduce(|a, b| a + b);
        Some(others.map_or(first, |width| TargetInfo::Values { len: first.width() + width }))
    }

    /// Which targets the only loss can take; any where there are several.
    pub fn limits(&self) -> TargetLimits {
        let mut compared = self.compared();
        match (compared.next(), compared.next()) {
            (Some(only), None) => only.output.limits,
            _ => TargetLimits::ANY,
        }
    }

    /// Checks that `x` values are whole samples, and `out` values an output for each; returns the samples.
    ///
    /// # Errors
    /// Which of the two does not fit.
    pub fn check_rows(&self, x: usize, out: usize) -> Result<usize, ShapeError> {
        let samples = x / self.input_len().max(1);
        if samples * self.input_len() != x {
            return Err(ShapeError {
                what: "input",
                expected: self.input_len(),
                is_of_sample: true,
                found: x,
            });
        }
        if out != samples * self.output_len() {
            let expected = samples * self.output_len();
            return Err(ShapeError { what: "output", expected, is_of_sample: false, found: out });
        }
        Ok(samples)
    }

    /// Checks the values `x` of a training batch and its targets, and returns its samples.
    ///
    /// # Errors
    /// What does not fit: no samples or too many, targets of another kind or number, a class outside the classes, a
    /// value that the loss does not take, a token that the model does not know.
    pub fn check_batch<E: Element>(&self, x: &[E], target: &Target<'_, E>) -> Result<usize, StepError> {
        let samples = x.len() / self.input_len().max(1);
        if samples * self.input_len() != x.len() {
            let (expected, found) = (self.input_len(), x.len());
            return Err(ShapeError { what: "input", expected, is_of_sample: true, found }.into());
        }
        if samples == 0 || samples > self.batch {
            return Err(StepError::Samples { batch: self.batch, found: samples });
        }
        if let Some((at, tokens)) = self.unknown_token(x) {
            let token = x.get(at).map_or(0.0, |token| token.to_f64());
            let place = (at / self.input_len().max(1), at % self.input_len().max(1));
            return Err(StepError::Token { sample: place.0, position: place.1, token, tokens });
        }
        match (self.target(), target) {
            (
                Some(info @ (TargetInfo::Class { classes } | TargetInfo::Positions { classes, .. })),
                Target::Classes(found),
            ) => {
                let expected = samples * info.width();
                if found.len() != expected {
                    return Err(StepError::Target { expected, found: found.len() });
                }
                let limits = self.limits();
                match found.iter().position(|class| !limits.class_fits(*class, classes)) {
                    Some(at) => Err(StepError::Class {
                        sample: at / info.width(),
                        class: found.get(at).copied().unwrap_or(0),
                        classes,
                    }),
                    None => Ok(samples),
                }
            }
            (Some(TargetInfo::Values { len }), Target::Values(found)) if found.len() == samples * len => {
                self.check_targets(found, len)?;
                Ok(samples)
            }
            (Some(TargetInfo::Values { .. }), Target::Classes(_)) => {
                Err(StepError::Kind { takes_classes: false })
            }
            (Some(TargetInfo::Class { .. } | TargetInfo::Positions { .. }), Target::Values(_)) => {
                Err(StepError::Kind { takes_classes: true })
            }
            (Some(TargetInfo::Values { len }), target) => {
                Err(StepError::Target { expected: samples * len, found: target.len() })
            }
            (None, target) => Err(StepError::Target { expected: samples, found: target.len() }),
        }
    }

    /// The place in `x` of the first value that is not the index of a token that its input knows, and how many it
    /// knows.
    pub fn unknown_token<E: Element>(&self, x: &[E]) -> Option<(usize, usize)> {
        let width = self.input_len().max(1);
        let faults = self.places().filter_map(|(input, from)| {
            let tokens = input.tokens?;
            x.chunks(width).enumerate().find_map(|(sample, row)| {
                let mut part = row.iter().skip(from).take(input.len());
                let at = part.position(|token| class_of(token.to_f64()) as usize >= tokens)?;
                Some((sample * width + from + at, tokens))
            })
        });
        faults.min()
    }

    /// How many tokens the only input may name; `None` for numbers, and for several inputs.
    pub fn tokens(&self) -> Option<usize> {
        match self.inputs {
            [only] => only.tokens,
            _ => None,
        }
    }

    /// How many tokens value `at` of a row may name.
    pub fn tokens_at(&self, at: usize) -> Option<usize> {
        self.places().find(|(input, from)| (*from..from + input.len()).contains(&at))?.0.tokens
    }

    /// The inputs with the place in a row at which each begins.
    pub fn places(&self) -> impl Iterator<Item = (InputInfo, usize)> + use<> {
        self.inputs.iter().scan(0, |from, input| {
            let place = (*input, *from);
            *from += input.len();
            Some(place)
        })
    }

    /// Puts the inputs of each sample, whose `parts` are given apart, side by side in `rows`; returns the rows that
    /// are full.
    ///
    /// # Errors
    /// Which input has values of another number of samples than the first, or that there is no room for them.
    pub fn join<'r, E: Element>(&self, parts: &[&[E]], rows: &'r mut [E]) -> Result<&'r [E], StepError> {
        let width = self.input_len().max(1);
        let first = self.inputs.first().map_or(1, InputInfo::len).max(1);
        let samples = parts.first().map_or(0, |part| part.len()) / first;
        if samples * width > rows.len() {
            return Err(StepError::Samples { batch: self.batch, found: samples });
        }
        for ((input, from), part) in self.places().zip(parts) {
            let (len, expected) = (input.len(), samples * input.len());
            if part.len() != expected {
                let found = part.len();
                return Err(ShapeError { what: input.name, expected, is_of_sample: false, found }.into());
            }
            for (row, part) in rows.chunks_exact_mut(width).zip(part.chunks_exact(len.max(1))) {
                row[from..from + len].copy_from_slice(part);
            }
        }
        Ok(&rows[..samples * width])
    }
}

impl ModelInfo {
    /// Checks the values of rows of targets, and the classes that stand among those of several outputs.
    fn check_targets<E: Element>(&self, rows: &[E], width: usize) -> Result<(), StepError> {
        for Compared { output, target, target_from, .. } in self.compared() {
            let limits = output.limits;
            if matches!(target, TargetInfo::Values { .. }) && limits == TargetLimits::ANY {
                continue;
            }
            for (sample, row) in rows.chunks_exact(width.max(1)).enumerate() {
                for number in row.iter().skip(target_from).take(target.width()) {
                    let number = number.to_f64();
                    match target {
                        TargetInfo::Class { classes } | TargetInfo::Positions { classes, .. }
                            if !limits.class_fits(class_of(number), classes) =>
                        {
                            return Err(StepError::Class { sample, class: class_of(number), classes });
                        }
                        // What is not a number makes a loss that is none, which is told by its own name.
                        TargetInfo::Values { .. } if !number.is_nan() && !limits.value_fits(number) => {
                            return Err(StepError::Value { sample, value: number, limits });
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// The class that a number of a row of targets means; what is no whole number from 0 is a class that no model has.
pub(crate) fn class_of(value: f64) -> u32 {
    // The comparison is false for what is not a number.
    if value >= 0.0 && value < f64::from(u32::MAX) && f64::from(value as u32) == value {
        value as u32
    } else {
        u32::MAX
    }
}

/// A layer, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerInfo {
    /// Label, or kind and count: `hidden`, `dense_2`.
    pub name: &'static str,
    /// `iris.nn:6:5`
    pub place: &'static str,
}

impl LayerInfo {
    /// A layer and its place in the source.
    pub const fn new(name: &'static str, place: &'static str) -> Self {
        Self { name, place }
    }
}

/// What stands before the last dot of a name; nothing, where there is none.
const fn before_dot(name: &'static str) -> &'static str {
    let bytes = name.as_bytes();
    let mut end = bytes.len();
    while end > 0 {
        end -= 1;
        if bytes[end] == b'.' {
            return name.split_at(end).0;
        }
    }
    ""
}
