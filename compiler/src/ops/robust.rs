//! # robust
//!
//! `robust`: (x - median) / iqr, with the median and the interquartile range of the training data: a few values far
//! out move neither.
//!
//! The range is the third quartile less the first. Quantiles between two values are interpolated linearly, as NumPy's
//! `quantile` and scikit-learn's `RobustScaler` do. They are fitted before the first step, kept with the weights as the
//! buffers `median` and `iqr`, and never trained. A feature whose quartiles are equal has a range of 1: one that never
//! varies becomes 0 rather than NaN, and one that hardly ever does (a pixel at the edge) is only shifted.
//!
//! Formula: y = (x - median) / iqr
//!
//! Shapes: any, unchanged. It stands directly behind an input.
//!
//! Arguments: `per = feature`: each feature has its own; `per = all`: one median and range for all.
//!
//! Example: `input [4]  robust -> dense(16)`. Source: scikit-learn `sklearn.preprocessing.RobustScaler`.

use nnc_grammar::diagnostic::Diagnostic;

use super::fitted::{Fitted, PER};
use super::{Argument, Arguments, Layer};
use crate::graph::{Builder, NodeId, NormalizationKind};
use crate::scalar::{Binary, Scalar};

/// The layer.
#[derive(Debug)]
pub struct Robust;

const FITTED: Fitted =
    Fitted { name: "robust", kind: NormalizationKind::Robust, buffers: [("median", 0.0), ("iqr", 1.0)] };

impl Layer for Robust {
    fn name(&self) -> &'static str {
        FITTED.name
    }

    fn summary(&self) -> &'static str {
        "(x - median) / interquartile range of the training data, kept with the weights"
    }

    fn page(&self) -> &'static str {
        include_str!("robust.rs")
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
        let [x, median, iqr] = [0, 1, 2].map(Scalar::input);
        let centered = Scalar::binary(Binary::Sub, x, median);
        FITTED.apply(cx, arguments, inputs, Scalar::binary(Binary::Div, centered, iqr))
    }
}
