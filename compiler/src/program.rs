//! What `resolve` makes of a syntax tree: names bound, arguments checked, blocks inlined, repeats expanded.
//!
//! A program is a list of [`Application`]s in the order in which values flow; value `n` is input `n`, or the result
//! of application `n - inputs`. No shape is known yet.

use std::sync::Arc;

use nnc_grammar::ast::Pattern;
use nnc_grammar::span::{FileId, Span};

use crate::ops::Arguments;
use crate::scalar::{Binary, Relation, Scalar, Unary};

/// One model, resolved.
#[derive(Debug, Clone)]
pub struct Program {
    /// The model's name.
    pub name: String,
    /// Its doc comment.
    pub docs: Vec<String>,
    /// Where the visibility stood, in `network!`.
    pub visibility: Option<Span>,
    /// Where the name stood.
    pub name_span: Span,
    /// The file that defines it.
    pub file: FileId,
    /// Inputs, in source order.
    pub inputs: Vec<Input>,
    /// Layers and activations, in order.
    pub applications: Vec<Application>,
    /// Models that others define and this one is made of.
    pub imports: Vec<ImportUse>,
    /// What the model gives: the values that `output` names, or else the last running value.
    pub outputs: Vec<Output>,
    /// Losses, in source order; their weighted sum is made small.
    pub losses: Vec<LossUse>,
    /// The optimizer.
    pub optimizer: Option<OptimizerUse>,
    /// Metrics to report, by name.
    pub metrics: Vec<(String, Span)>,
    /// Where the data comes from.
    pub data: Option<DataSpec>,
    /// How to train.
    pub train: TrainSpec,
}

impl Program {
    /// The value that a loss compares.
    pub fn compared(&self, loss: &LossUse) -> Option<ValueId> {
        self.outputs.get(loss.output).map(|output| output.value)
    }
}

/// A value of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// An input of the model.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name; `input` when it has none.
    pub name: String,
    /// Shape of one sample.
    pub shape: Vec<usize>,
    /// Where its shape stands.
    pub span: Span,
}

/// A model of another file, or a part of it, as a stage.
#[derive(Debug, Clone)]
pub struct ImportUse {
    /// What the names of its layers begin with: `Base.`.
    pub prefix: String,
    /// The value that it is given, with the shape of its input and the place of that; nothing where one layer is taken.
    pub input: Option<(ValueId, Vec<usize>, Span)>,
    /// The file with its weights. Nothing where they come with those of a model that is imported around it.
    pub weights: Option<ImportedWeights>,
    /// The use.
    pub span: Span,
}

/// Weights that an imported model starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedWeights {
    /// As written, relative to the file in which it stands.
    pub path: String,
    /// That file, as it is called in messages.
    pub file: String,
    /// Where it is written.
    pub span: Span,
}

/// An output of the model.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its name; `output` when it has none.
    pub name: String,
    /// The value.
    pub value: ValueId,
    /// Where `output` names it; the model's name without that.
    pub span: Span,
}

/// A layer or activation applied to values.
#[derive(Debug, Clone)]
pub struct Application {
    /// The layer's name: its label, or kind and count (`dense`, `dense_2`). Layers that have
    /// parameters and one name share them; inside a block or repeat it is a path (`basic_2.conv`).
    pub layer: String,
    /// Whether the user gave the label.
    pub labelled: bool,
    /// What is applied.
    pub kind: Kind,
    /// To what.
    pub inputs: Vec<ValueId>,
    /// The stage as written, at its outermost place in the model (for a layer of a block, the use of the block).
    pub span: Span,
    /// The call itself, in whatever file it stands.
    pub call_span: Span,
    /// Whether parameters of the layer are trained.
    pub trainable: bool,
    /// The number of the `recompute { … }` in which it stands.
    pub recompute: Option<u32>,
}

/// What is applied.
#[derive(Debug, Clone)]
pub enum Kind {
    /// An operator of the compiler, by its place in [`crate::ops::layers`], with all arguments (defaults included).
    Layer(&'static dyn crate::ops::Layer, Arguments),
    /// An activation: its name as written with arguments, and what it computes.
    Activation {
        /// As the user wrote it: `leaky_relu(slope = 0.1)`.
        text: String,
        /// The name alone.
        name: String,
        /// The formula, arguments put in.
        body: ActivationBody,
        /// Its trained parameters: name and initial value, one for each feature or channel.
        parameters: Vec<(String, Initializer)>,
    },
    /// A cell, at each position of a sequence.
    Cell(Arc<Cell>),
}

/// One step of a recurrent network, with how a use runs it.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Its name.
    pub name: String,
    /// As written, without how it is run: `lstm(hidden = 128)`.
    pub text: String,
    /// What goes from step to step.
    pub states: Vec<CellState>,
    /// What the step computes: value 0 is what it is given of the sequence, the states before the step come behind it,
    /// and then each application makes one. Formulas are activations of several values.
    pub steps: Vec<Application>,
    /// The value that the step gives.
    pub output: ValueId,
    /// Whether the last step alone counts.
    pub is_last: bool,
    /// Whether the last position is the first.
    pub is_reverse: bool,
    /// Whether it runs both ways, with parameters of their own.
    pub is_bidirectional: bool,
    /// Where it is said that a training step begins with the states that the one before ended with.
    pub carry: Option<Span>,
    /// Where its mask is given, which is the second value that it takes.
    pub mask: Option<Span>,
    /// Where its name is defined.
    pub span: Span,
}

/// What goes from step to step.
#[derive(Debug, Clone)]
pub struct CellState {
    /// Its name.
    pub name: String,
    /// Features.
    pub len: usize,
    /// What they are before the first step.
    pub initial: f64,
    /// The value that the next step is given.
    pub next: ValueId,
    /// The declaration.
    pub span: Span,
}

/// What an activation computes.
#[derive(Debug, Clone, PartialEq)]
pub enum ActivationBody {
    /// A function of each element, `Input(0)`, and of the activation's parameters, `Input(1)` and so on.
    Scalar(Scalar),
    /// Something of the whole value.
    Value(ValueExpr),
}

/// The loss of a model.
#[derive(Debug, Clone)]
pub struct LossUse {
    /// Its name.
    pub name: String,
    /// As written: `cross_entropy`.
    pub text: String,
    /// One number a sample.
    pub body: ValueExpr,
    /// Which output it compares, by its place.
    pub output: usize,
    /// The value of the model that it compares with, instead of a target in the data; and where that is named.
    pub within: Option<(ValueId, Span)>,
    /// What it counts in the sum of all losses.
    pub weight: f64,
    /// What each sample counts in the mean over the batch, where they do not count alike. The target decides it.
    pub sample_weight: Option<ValueExpr>,
    /// A class that the data may hold though no output stands for it.
    pub ignored: Option<u32>,
    /// The smallest and largest number that a target may be.
    pub range: Option<(f64, f64)>,
    /// Whether a target may be these two alone.
    pub only_ends: bool,
    /// What the output is to the target.
    pub scale: OutputScale,
    /// Whether the target is a class.
    pub target: TargetKind,
    /// Whether it is defined for classes, though the targets may be rows of values: each position of
    /// `[positions, classes]` is then compared by itself.
    pub is_of_classes: bool,
    /// How samples are put together.
    pub reduction: Reduction,
    /// The use.
    pub span: Span,
}

/// How many classes or tokens can be told apart: their indices travel as numbers of 32 bits, which are whole up to here.
pub const MOST_CLASSES: usize = 1 << 24;

/// What an output is to its target.
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

/// What a loss compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// A class index.
    Class,
    /// Values of the output's shape.
    Values,
}

/// A reduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reduction {
    /// The sum.
    Sum,
    /// The mean.
    Mean,
    /// The largest.
    Max,
}

impl Reduction {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Max => "max",
        }
    }
}

/// Numbers that a use of a definition lists: `weights = [1, 2, 1]`.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// The argument's name.
    pub name: String,
    /// The numbers.
    pub values: Arc<[f64]>,
    /// Where they stand.
    pub span: Span,
}

/// The body of a loss, or of an activation that looks at more than one element: scalars over whole values, and
/// reductions over the values of a sample.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueExpr {
    /// The model's output in a loss, `x` in an activation.
    Value,
    /// The target.
    Target,
    /// A trained parameter of an activation.
    Parameter(u32),
    /// One number for each element.
    List(List),
    /// How many values the model's output has.
    Count,
    /// Part `n` from 0, of `of` equal ones along the first axis.
    Part(usize, usize, Box<ValueExpr>),
    /// A number.
    Number(f64),
    /// A function of each element.
    Unary(Unary, Box<ValueExpr>),
    /// A function of each pair of elements.
    Binary(Binary, Box<ValueExpr>, Box<ValueExpr>),
    /// `if a relation b { then } else { otherwise }` for each element.
    Select(Relation, Box<ValueExpr>, Box<ValueExpr>, Box<ValueExpr>, Box<ValueExpr>),
    /// Over the values of a sample: one number.
    Reduce(Reduction, Box<ValueExpr>),
    /// Softmax over the last axis.
    Softmax(Box<ValueExpr>),
    /// Its logarithm.
    LogSoftmax(Box<ValueExpr>),
    /// 1 at the target class, 0 elsewhere, of the output's shape.
    OneHot(Box<ValueExpr>),
}

/// The optimizer of a model.
#[derive(Debug, Clone)]
pub struct OptimizerUse {
    /// Its name.
    pub name: String,
    /// As written: `adam(lr = 0.01)`.
    pub text: String,
    /// States, each of the form of all parameters: name and initial value (a constant formula).
    pub states: Vec<(String, Scalar)>,
    /// Names of local values.
    pub locals: Vec<String>,
    /// Its hyper-parameters that are numbers.
    pub hyper: Vec<Hyper>,
    /// Which of them is the learning rate, which can change while training runs.
    pub rate: Option<u32>,
    /// The one that the learning rate is multiplied by, if there is one.
    pub factor: Option<u32>,
    /// The one that says for how many epochs a parameter is left as it is, infinite for ever, if there is one.
    pub freeze: Option<u32>,
    /// What a step does to each element, in order.
    pub assignments: Vec<Assign>,
    /// The largest norm of all gradients together.
    pub clip_norm: Option<f64>,
    /// Steps whose gradients are averaged before an update.
    pub accumulate: usize,
    /// The state that is the moving average of the weights.
    pub average: Option<u32>,
    /// The use.
    pub span: Span,
}

/// A hyper-parameter of an optimizer.
#[derive(Debug, Clone)]
pub struct Hyper {
    /// Its name.
    pub name: String,
    /// What it is for all parameters that nothing else is said of.
    pub value: HyperValue,
    /// The smallest and the largest number that a schedule may make of it.
    pub ends: (f64, f64),
    /// What it is for some, the last that matches.
    pub overrides: Vec<(Pattern, HyperValue)>,
}

/// What a hyper-parameter is: a number, or one that a schedule makes of it.
#[derive(Debug, Clone)]
pub struct HyperValue {
    /// The number.
    pub base: f64,
    /// How it changes.
    pub schedule: Option<ScheduleUse>,
    /// Where it stands.
    pub span: Span,
}

/// A schedule with its arguments put in.
#[derive(Debug, Clone)]
pub struct ScheduleUse {
    /// As written: `cosine(0.1, to = 0.001)`.
    pub text: String,
    /// Over `Hyper(0)`, which is the base, `Step`, `StepsPerEpoch`, `Epochs` and `ScheduleState`.
    pub value: Scalar,
    /// What it remembers from epoch to epoch: name and initial value.
    pub states: Vec<(String, f64)>,
    /// What each state becomes at the end of an epoch, over the same and `EpochLoss`.
    pub updates: Vec<Scalar>,
    /// Epochs of linear warm-up.
    pub warmup: f64,
    /// Where they stand; the schedule's own place where there is none.
    pub warmup_span: Span,
}

/// An assignment of an optimizer. A `Local` is assigned once; a state or the weight may be assigned again and is then
/// read as assigned last.
#[derive(Debug, Clone)]
pub struct Assign {
    /// What is assigned: `Weight`, `State(n)` or `Local(n)`.
    pub target: crate::scalar::Variable,
    /// Over `Weight`, `Gradient`, `Step`, `Hyper`, `State`, `Local`.
    pub value: Scalar,
    /// Whether what is assigned, a `Local`, is the norm of the value over the whole tensor.
    pub is_norm: bool,
    /// The statement.
    pub span: Span,
}

/// An initializer with its arguments put in.
#[derive(Debug, Clone, PartialEq)]
pub struct Initializer {
    /// As written: `normal(std = 0.1)`.
    pub text: String,
    /// Over `FanIn`, `FanOut`, `Gain`, and random draws.
    pub scalar: Scalar,
}

/// Where the data comes from, as written; paths are relative to the file or to `--data`.
#[derive(Debug, Clone)]
pub struct DataSpec {
    /// The files.
    pub source: DataSource,
    /// Target columns, in CSV.
    pub target: Vec<(String, Span)>,
    /// Feature columns, if they are listed.
    pub features: Vec<(String, Span)>,
    /// How many of them make each input, and where they are listed, if they are listed by input.
    pub feature_groups: Vec<(usize, Span)>,
    /// Columns that are left out.
    pub ignore: Vec<(String, Span)>,
    /// The classes that are used, in the order of their indices; none for all.
    pub classes: Vec<(String, Span)>,
    /// How many of the rows to train on are used, if not all.
    pub rows: Option<usize>,
    /// Share of the rows that is trained on, the rest being the test; 1 when nothing is split off.
    pub split: f64,
    /// Share of the training rows that is set aside for validation.
    pub validation: f64,
    /// Whether classes keep their shares in each part.
    pub stratify: bool,
    /// The delimiter of a CSV file.
    pub delimiter: char,
    /// What is done to samples before they are trained on, in this order.
    pub augment: Vec<AugmentUse>,
    /// What the numbers of images and arrays are multiplied by.
    pub scale: f64,
    /// Whether it says something of a target, right or wrong.
    pub has_target_key: bool,
    /// The section.
    pub span: Span,
}

/// An augmentation where it is listed.
#[derive(Debug, Clone, PartialEq)]
pub struct AugmentUse {
    /// Which.
    pub kind: Augmentation,
    /// Where it stands.
    pub span: Span,
}

/// Something that is done to a sample before it is trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Augmentation {
    /// Moved by up to so many pixels, with zeros behind it.
    Shift {
        /// From 1.
        pixels: usize,
    },
    /// Left and right change places, for one sample in two.
    Flip,
    /// A part as large as the image, of the image with a border.
    Crop {
        /// Width of the border in pixels, from 1.
        padding: usize,
        /// What is in the border.
        fill: Fill,
    },
    /// Normal noise is added to each value.
    Noise {
        /// Its standard deviation, above 0.
        std: f64,
    },
}

/// What is in a border around an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// 0.
    Zero,
    /// The image in a mirror.
    Reflect,
    /// The nearest pixel.
    Edge,
}

/// The files of a data section.
#[derive(Debug, Clone, PartialEq)]
pub enum DataSource {
    /// A table.
    Csv {
        /// The rows to train on, or to split.
        path: String,
        /// Rows of the test, if they lie apart.
        test: Option<String>,
    },
    /// MNIST's format, gzipped or not.
    Idx {
        /// Images to train on.
        images: String,
        /// Their labels.
        labels: String,
        /// Images and labels of the test.
        test: Option<(String, String)>,
    },
    /// Pictures in folders, one for each class.
    Images {
        /// The folder of the folders.
        folder: String,
        /// That of the test, if it lies apart.
        test: Option<String>,
    },
    /// Arrays of NumPy, in a file each.
    Npy {
        /// Inputs to train on.
        inputs: String,
        /// Their targets; nothing for a model that is compared with its own values.
        labels: Option<String>,
        /// Inputs and targets of the test.
        test: Option<(String, Option<String>)>,
    },
    /// Arrays of NumPy in an archive.
    Npz {
        /// The archive.
        path: String,
        /// Names of the inputs and targets to train on, and of those of the test if they are there too.
        arrays: Vec<String>,
        /// The archive of the test, if it lies apart; its arrays have the names of the first two.
        test: Option<String>,
    },
    /// Characters.
    Text {
        /// The text to train on, or to split.
        path: String,
        /// The text of the test, if it lies apart.
        test: Option<String>,
        /// Characters from one sample to the next, if that is said.
        stride: Option<usize>,
    },
}

/// How to train.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSpec {
    /// Times through the training rows.
    pub epochs: usize,
    /// Where they stand, if they do: else nobody has said how long training is.
    pub epochs_span: Option<Span>,
    /// Samples a step.
    pub batch: usize,
    /// Seed of initial weights, split and shuffling.
    pub seed: u64,
    /// Whether the order changes each epoch.
    pub shuffle: bool,
    /// When to stop before the last epoch.
    pub stop: Option<EarlyStopping>,
    /// Weights that training starts from.
    pub weights: Option<StartWeights>,
    /// Numbers of the model: `f32`, or `f64` for checks.
    pub precision: Precision,
    /// What large matrices and what the optimizer remembers of them are kept as.
    pub storage: Storage,
    /// Where that stands, if it does.
    pub storage_span: Option<Span>,
    /// The section, if there is one.
    pub span: Option<Span>,
}

/// Weights that training starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct StartWeights {
    /// The file, relative to that of the model.
    pub path: String,
    /// Whether what fits by name and shape is taken, of whatever model it is.
    pub is_partial: bool,
    /// Where it is named.
    pub span: Span,
}

/// Stop when the validation loss has not improved for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    /// Epochs without an improvement.
    pub patience: usize,
    /// What counts as one.
    pub min_delta: f64,
}

/// Numbers of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 64 bits.
    F64,
}

impl Precision {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// What the numbers of a tensor are kept as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Storage {
    /// As they are computed with.
    #[default]
    Full,
    /// The upper sixteen bits of an `f32`.
    Bf16,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            epochs: 10,
            epochs_span: None,
            batch: 32,
            seed: 0,
            shuffle: true,
            stop: None,
            weights: None,
            precision: Precision::F32,
            storage: Storage::Full,
            storage_span: None,
            span: None,
        }
    }
}
