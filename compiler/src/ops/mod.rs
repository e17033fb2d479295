//! Layers and operators: one file each, and the one list of them.
//!
//! A [`Layer`] is what users write (`dense(16)`): a name, arguments, and a rule that checks shapes and puts nodes into
//! the graph. An [`crate::graph::Operator`] is what the graph computes; a layer may need one, several or none of its own.

mod adaptive_avg_pool2d;
mod adaptive_max_pool2d;
mod add;
mod arguments;
mod attention;
mod avg_pool1d;
mod avg_pool2d;
mod batch_norm;
pub mod batch_sum;
mod block_norm;
pub mod concat;
mod conv;
mod conv1d;
mod conv2d;
mod conv_layer;
mod conv_padded;
mod conv_transpose2d;
mod dense;
mod dropout;
mod embedding;
mod fitted;
mod flatten;
mod gaussian_noise;
mod global_avg_pool;
mod global_max_pool;
mod group_norm;
mod instance_norm;
mod layer_norm;
pub mod mask;
mod max_pool1d;
mod max_pool2d;
mod min_max;
mod normalize;
mod pad;
mod pool;
mod positional;
mod random;
#[cfg(feature = "reference")]
mod reference;
mod resample;
mod reshape;
mod residual;
mod rms_norm;
mod robust;
mod rotary;
pub mod scan;
mod sequence_mask;
pub mod slice;
pub mod softmax;
mod spatial_dropout;
mod split;
pub mod spread;
mod transpose;
mod upsample;
pub mod view;
pub mod weighted_scale;
mod windows;

pub use arguments::{Argument, ArgumentKind, Arguments, Default, Value};

use nnc_grammar::diagnostic::Diagnostic;

use crate::graph::{Builder, NodeId};

/// A kind of layer.
pub trait Layer: std::fmt::Debug + Sync {
    /// The keyword: `dense`.
    fn name(&self) -> &'static str;

    /// One line for lists: what it computes.
    fn summary(&self) -> &'static str;

    /// The file that it is written in, which begins with its page.
    fn page(&self) -> &'static str;

    /// Its arguments, in positional order.
    fn arguments(&self) -> &'static [Argument];

    /// How many values it takes.
    fn arity(&self) -> Arity {
        Arity::One
    }

    /// Whether the layer may have parameters or buffers, which its label names.
    fn has_parameters(&self) -> bool {
        self.arguments().iter().any(|argument| argument.kind == ArgumentKind::Init)
    }

    /// Whether an activation behind the layer is one for the layer before it, whose weights then start with the gain
    /// that suits the activation: not so behind a product.
    fn keeps_gain(&self) -> bool {
        true
    }

    /// What it may be in a cell.
    fn in_cells(&self) -> InCells {
        InCells::Never
    }

    /// Checks the shapes of `inputs` and adds what the layer computes to the graph.
    ///
    /// # Errors
    /// A diagnostic at the layer, when the shapes do not fit.
    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>>;
}

/// How many values a layer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// The running value.
    One,
    /// Two or more, named in parentheses: `concat(a, b)`.
    Several,
    /// The running value, and one that the compiler gives it.
    Join,
    /// The running value, of which it makes several, as many as its first argument says: `split(2)`.
    Parts,
}

/// What a layer may be in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InCells {
    /// Nothing.
    Never,
    /// A part of a step.
    Step,
    /// The same, and what does not wait for a state is done for all positions at once: it takes
    /// `[positions, features]`, and treats each of them alike.
    Positions,
}

/// All layers, in the order of the documentation.
pub fn layers() -> &'static [&'static dyn Layer] {
    LAYERS
}

/// The layer with this name.
pub fn layer(name: &str) -> Option<&'static dyn Layer> {
    LAYERS.iter().copied().find(|layer| layer.name() == name)
}

static LAYERS: &[&dyn Layer] = &[
    &dense::DenseLayer,
    &conv1d::Conv1d,
    &conv2d::Conv2d,
    &conv_transpose2d::ConvTranspose2d,
    &embedding::EmbeddingLayer,
    &positional::Positional,
    &attention::AttentionLayer,
    &attention::CrossAttention,
    &sequence_mask::SequenceMask,
    &normalize::Normalize,
    &min_max::MinMax,
    &robust::Robust,
    &batch_norm::BatchNorm,
    &layer_norm::LayerNorm,
    &rms_norm::RmsNorm,
    &group_norm::GroupNorm,
    &instance_norm::InstanceNorm,
    &dropout::DropoutLayer,
    &spatial_dropout::SpatialDropout,
    &gaussian_noise::GaussianNoise,
    &max_pool2d::MaxPool2d,
    &avg_pool2d::AvgPool2d,
    &max_pool1d::MaxPool1d,
    &avg_pool1d::AvgPool1d,
    &global_avg_pool::GlobalAvgPool,
    &global_max_pool::GlobalMaxPool,
    &adaptive_avg_pool2d::AdaptiveAvgPool2d,
    &adaptive_max_pool2d::AdaptiveMaxPool2d,
    &flatten::Flatten,
    &reshape::Reshape,
    &transpose::Transpose,
    &slice::Slice,
    &split::Split,
    &pad::Pad,
    &upsample::Upsample,
    &add::Add,
    &concat::ConcatLayer,
    &residual::Residual,
];
