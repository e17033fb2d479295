//! # normalize
//!
//! `normalize`: (x - mean) / std, with mean and standard deviation of the training data.
//!
//! They are fitted before the first step (in f64, dividing by n as NumPy's `std` and scikit-learn's `StandardScaler`
//! do), kept with the weights as the buffers `mean` and `std`, and never trained. A feature that never varies has a
//! standard deviation of 1, so that it becomes 0 rather than NaN.
//!
//! Formula: y = (x - mean) / std
//!
//! Shapes: any, unchanged. It stands directly behind an input.
//!
//! Arguments: `per = feature`: each feature has its own; `per = all`: one mean and deviation for all, as is usual for
//! the pixels of an image.
//!
//! Example: `input [4]  normalize -> dense(16)`. Source: LeCun, Bottou, Orr, Müller 1998, section 4.3.

use nnc_grammar::diagnostic::Diagnostic;

use super::fitted::{Fitted, PER};
use super::{Argument, Arguments, Layer};
use crate::graph::{Builder, NodeId, NormalizationKind};
use crate::scalar::{Binary, Scalar};

/// The layer.
#[derive(Debug)]
pub struct Normalize;

const FITTED: Fitted =
    Fitted { name: "normalize", kind: NormalizationKind::Standard, buffers: [("mean", 0.0), ("std", 1.0)] };

impl Layer for Normalize {
    fn name(&self) -> &'static str {
        FITTED.name
    }

    fn summary(&self) -> &'static str {
        "(x - mean) / std of the training data, kept with the weights"
    }

    fn page(&self) -> &'static str {
        include_str!("normalize.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[PER]
    }

    fn has_parameters(&self) -> bool {
        true
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [x, mean, std] = [0, 1, 2].map(Scalar::input);
        let centered = Scalar::binary(Binary::Sub, x, mean);
        FITTED.apply(cx, arguments, inputs, Scalar::binary(Binary::Div, centered, std))
    }
}
