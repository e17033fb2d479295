//! What every emitted model offers to the rest of the world: the traits [`Model`] and [`Train`], and the tables that
//! describe it.
//!
//! Numbers cross this border as plain rows, sample after sample (`[n][features]`, row-major), and parameters in
//! PyTorch's shapes (`[out, in]`), whatever layout the emitted code keeps them in. Nothing here allocates but
//! [`Model::tensor`].

mod forward;
pub(crate) mod info;

pub use info::{
    Compared, InputInfo, LayerInfo, Layout, ModelInfo, NormalizeInfo, NormalizeKind, OutputInfo, OutputScale,
    Role, TargetInfo, TargetLimits, TensorInfo,
};

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::element::Element;

/// Rows whose length does not fit the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShapeError {
    /// What was of the wrong length: `input` or `output`, or the name of one of several inputs.
    pub what: &'static str,
    /// Values that the model takes: of a sample where there may be any number of samples, else of all.
    pub expected: usize,
    /// Whether a multiple of it would do: the number of samples is not known otherwise.
    pub is_of_sample: bool,
    /// Values that were given.
    pub found: usize,
}

impl core::fmt::Display for ShapeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let of = if self.is_of_sample { "a multiple of " } else { "" };
        write!(f, "{}: expected {of}{} values, found {}", self.what, self.expected, self.found)
    }
}

impl core::error::Error for ShapeError {}

/// Why a tensor was not set; the model is unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TensorError {
    /// The model has no tensor of this name.
    Unknown(String),
    /// It has another number of values.
    Len {
        /// Values of the tensor.
        expected: usize,
        /// Values that were given.
        found: usize,
    },
}

impl core::fmt::Display for TensorError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "the model has no tensor `{name}`"),
            Self::Len { expected, found } => {
                write!(f, "expected {expected} values of the tensor, found {found}")
            }
        }
    }
}

impl core::error::Error for TensorError {}

/// Why a batch was not trained on; the model is unchanged.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum StepError {
    /// The rows do not fit the model.
    Shape(ShapeError),
    /// No samples, or more than a batch holds.
    Samples {
        /// The most a batch holds.
        batch: usize,
        /// Samples given.
        found: usize,
    },
    /// Targets of the other kind than the loss compares with.
    Kind {
        /// Whether it compares with classes, rather than with values.
        takes_classes: bool,
    },
    /// Inputs and targets differ in number.
    Target {
        /// Target values expected for the samples given.
        expected: usize,
        /// Target values found.
        found: usize,
    },
    /// A class index outside the model's classes.
    Class {
        /// The sample in the batch.
        sample: usize,
        /// The index found.
        class: u32,
        /// Number of classes.
        classes: usize,
    },
    /// A target that the loss does not take.
    Value {
        /// The sample in the batch.
        sample: usize,
        /// The target found.
        value: f64,
        /// What the loss takes.
        limits: TargetLimits,
    },
    /// An input value that is not the index of a token that the model knows.
    Token {
        /// The sample in the batch.
        sample: usize,
        /// Its place in the sample.
        position: usize,
        /// The value found.
        token: f64,
        /// Number of tokens.
        tokens: usize,
    },
}

impl core::fmt::Display for TargetLimits {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self { low, high, only_ends: true, .. } => write!(f, "{low} or {high}"),
            Self { low, high: f64::INFINITY, .. } => write!(f, "at least {low}"),
            Self { low, high, .. } => write!(f, "from {low} to {high}"),
        }
    }
}

impl core::fmt::Display for StepError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Shape(error) => error.fmt(f),
            Self::Samples { batch, found } => write!(f, "expected 1 to {batch} samples, found {found}"),
            Self::Kind { takes_classes: true } => write!(f, "expected classes as targets, found values"),
            Self::Kind { takes_classes: false } => write!(f, "expected values as targets, found classes"),
            Self::Target { expected, found } => write!(f, "expected {expected} target values, found {found}"),
            Self::Class { sample, class, classes } => {
                write!(f, "sample {sample}: class {class} is outside the {classes} classes")
            }
            Self::Value { sample, value, limits } => {
                write!(f, "sample {sample}: target {value} is not {limits}, as the loss needs it")
            }
            Self::Token { sample, position, token, tokens } => {
                write!(
                    f,
                    "sample {sample}, position {position}: {token} is not the index of one of the {tokens} tokens"
                )
            }
        }
    }
}

impl core::error::Error for StepError {}

impl From<ShapeError> for StepError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

/// The targets of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target<'a, E> {
    /// One class index a sample, or one for each of its positions.
    Classes(&'a [u32]),
    /// Rows of values, sample after sample.
    Values(&'a [E]),
}

impl<E> Target<'_, E> {
    /// Number of classes or values given.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(classes) => classes.len(),
            Self::Values(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A model that can be asked for predictions, saved and loaded.
pub trait Model: core::fmt::Debug {
    /// `f32`, or `f64` where a model was compiled with `precision f64`.
    type Elem: Element;

    /// What it is.
    fn info(&self) -> &'static ModelInfo;

    /// Predicts `x.len() / input_len` samples into `out`, sample after sample.
    ///
    /// # Errors
    /// When `x` is not whole samples, or `out` is not one output for each of them.
    fn predict_rows(&self, x: &[Self::Elem], out: &mut [Self::Elem]) -> Result<(), ShapeError>;

    /// Copies tensor number `tensor` of [`ModelInfo::tensors`] into `out`, in the shape it is saved in.
    /// Does nothing when there is no such tensor or `out` is of another length.
    fn read_tensor(&self, tensor: usize, out: &mut [Self::Elem]);

    /// Replaces tensor number `tensor` by `values`, in the shape it is saved in.
    /// Does nothing when there is no such tensor or `values` is of another length.
    fn write_tensor(&mut self, tensor: usize, values: &[Self::Elem]);

    /// The values of the tensor that is saved as `name`, `hidden.weight`, in the shape it is saved in; `None` where there
    /// is none. [`ModelInfo::tensors`] has names and shapes.
    fn tensor(&self, name: &str) -> Option<Vec<Self::Elem>> {
        let (tensor, len) = self.info().tensor(name)?;
        let mut values = vec![Self::Elem::ZERO; len];
        self.read_tensor(tensor, &mut values);
        Some(values)
    }

    /// Replaces the values of the tensor that is saved as `name`.
    ///
    /// # Errors
    /// When there is none, or `values` are not as many as it has.
    fn set_tensor(&mut self, name: &str, values: &[Self::Elem]) -> Result<(), TensorError> {
        let (tensor, expected) =
            self.info().tensor(name).ok_or_else(|| TensorError::Unknown(name.to_owned()))?;
        if values.len() != expected {
            return Err(TensorError::Len { expected, found: values.len() });
        }
        self.write_tensor(tensor, values);
        Ok(())
    }
}

/// A model that can be trained.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be trained",
    note = "a model is trained whose text has a `loss` and an `optimizer`"
)]
pub trait Train: Model {
    /// One optimizer step on up to [`ModelInfo::batch`] samples: forward, loss, backward, update. Returns the loss.
    ///
    /// When the loss is not finite the parameters and the step count are left as they were.
    ///
    /// # Errors
    /// When the rows do not fit the model; the model is unchanged.
    fn step_rows(&mut self, x: &[Self::Elem], target: Target<'_, Self::Elem>) -> Result<f32, StepError>;

    /// The loss on up to [`ModelInfo::batch`] samples, as in evaluation: nothing is trained.
    ///
    /// # Errors
    /// When the rows do not fit the model.
    fn loss_rows(&mut self, x: &[Self::Elem], target: Target<'_, Self::Elem>) -> Result<f32, StepError>;

    /// The first layer, in forward order, whose output in the last step holds a value that is not finite.
    fn first_non_finite(&self) -> Option<LayerInfo>;

    /// Optimizer steps done.
    fn steps(&self) -> u64;

    /// Sets the number of steps done, when a checkpoint is resumed.
    fn set_steps(&mut self, steps: u64);

    /// The learning rate, if the optimizer has a parameter `lr`.
    fn learning_rate(&self) -> Option<f64>;

    /// Sets the learning rate for the steps to come. One that is not finite or less than 0 is passed over, and so is any
    /// where the optimizer has no parameter `lr`: [`Train::learning_rate`] says which it is.
    fn set_learning_rate(&mut self, lr: f64);

    /// Says how long training is, for schedules: steps of an epoch, and epochs in all, each at least 1. Without it
    /// schedules take an epoch for one step, and the number of epochs from the model's `train` section.
    fn set_horizon(&mut self, steps_per_epoch: u64, epochs: u64) {
        let _ = (steps_per_epoch, epochs);
    }

    /// Ends an epoch, for schedules that look at the loss: that of the validation data, or without some that of the
    /// training data.
    fn end_epoch(&mut self, loss: f64) {
        let _ = loss;
    }

    /// The learning rate of the next step, as a schedule makes it of [`Train::learning_rate`].
    fn scheduled_rate(&self) -> Option<f64> {
        self.learning_rate()
    }

    /// What schedules remember from epoch to epoch.
    fn schedule(&self) -> &[f64] {
        &[]
    }

    /// The seed of the random numbers that steps draw, if they draw any: of `dropout` and its like.
    fn seed(&self) -> Option<u64> {
        None
    }

    /// Sets the seed of the random numbers that steps draw, when a checkpoint is resumed.
    fn set_seed(&mut self, seed: u64) {
        let _ = seed;
    }

    /// Sets what schedules remember, when a checkpoint is resumed.
    fn set_schedule(&mut self, values: &[f64]) {
        let _ = values;
    }

    /// How many numbers the states of cells have that a step hands on to the next one; 0 where none does.
    fn carried(&self) -> usize {
        0
    }

    /// Lets the states of cells begin anew: with an epoch, or with another text.
    fn reset_state(&mut self) {}

    /// Copies the states that the next step begins with into `out`, of [`Train::carried`] numbers.
    fn read_carried(&self, out: &mut [Self::Elem]) {
        let _ = out;
    }

    /// Sets the states that the next step begins with, when a checkpoint is resumed.
    fn write_carried(&mut self, values: &[Self::Elem]) {
        let _ = values;
    }

    /// Like [`Model::read_tensor`], for state number `state` of [`ModelInfo::states`].
    fn read_state(&self, state: usize, tensor: usize, out: &mut [Self::Elem]);

    /// Like [`Model::write_tensor`], for state number `state` of [`ModelInfo::states`].
    fn write_state(&mut self, state: usize, tensor: usize, values: &[Self::Elem]);
}

/// How long training is, for schedules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Horizon {
    /// Updates in an epoch.
    pub steps_per_epoch: f64,
    /// Epochs in all.
    pub epochs: f64,
}

/// What gradients are multiplied by so that their norm is at most `largest`: `share` of gradients whose squares add up
/// to `squares`. As `torch.nn.utils.clip_grad_norm_`.
#[must_use]
pub fn clip_scale(squares: f64, share: f64, largest: f64) -> f64 {
    let norm = crate::math64::sqrt(squares) * share;
    (largest / (norm + 1e-6)).min(1.0)
}
