//! # normalize
//!
//! `normalize`: (x - mean) / std, with mean and standard deviation of the training data.
//!
//! They are fitted before the first step (in f64, dividing by n as NumPy's `std` and scikit-learn's `StandardScaler`
//! do), kept with the weights as the buffers `mean` and `std`, and never trained. A feature that never varies has a
//! standard deviation of 1, so that it becomes 0 rather than NaN.
//!
//! Shapes: any, unchanged. It stands directly behind an input.
//!
//! Arguments: `per = feature`: each feature has its own; `per = all`: one mean and deviation for all, as is usual for
//! the pixels of an image.
//!
//! Example: `input [4]  normalize -> dense(16)`. Source: LeCun, Bottou, Orr, Müller 1998, section 4.3.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::graph::{Builder, NodeId, Normalization, Op};
use crate::scalar::{Binary, Scalar};

/// The layer.
#[derive(Debug)]
pub struct Normalize;

impl Layer for Normalize {
    fn name(&self) -> &'static str {
        "normalize"
    }

    fn summary(&self) -> &'static str {
        "(x - mean) / std of the training data, kept with the weights"
    }

    fn arguments(&self) -> &'static [Argument] {
        &[Argument {
            name: "per",
            kind: ArgumentKind::Choice(&["feature", "all"]),
            default: Some(Default::Choice("feature")),
            docs: "whether each feature has its own mean and deviation",
        }]
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
        let [x] = inputs else {
            return Err(cx.error(
                Code::E0302,
                "`normalize` takes one value",
                format!("found {}", inputs.len()),
            ));
        };
        let mut source = cx.graph.node(*x);
        while let (Op::Reshape, Some(from)) = (&source.op, source.inputs.first()) {
            source = cx.graph.node(*from);
        }
        if !matches!(source.op, Op::Input) {
            let before = cx.graph.layer(source.layer);
            let label = format!("`{}` comes before it", before.name);
            let span = before.span;
            let mut error = cx.error(
                Code::E0307,
                "`normalize` is not at an input",
                "expected the input, whose mean and deviation are known before training",
            );
            error.secondary.push(nnc_grammar::diagnostic::Label { span, text: label });
            error.help.push("put `normalize` directly behind `input`".to_owned());
            return Err(error);
        }
        let shape = cx.shape(*x).to_vec();
        let over_all = arguments.choice("per") == "all";
        let fitted = if over_all { vec![1] } else { shape.clone() };
        let (mean, mean_node) = cx.buffer("mean", fitted.clone(), 0.0);
        let (std, std_node) = cx.buffer("std", fitted, 1.0);
        cx.normalization(Normalization { mean, std, over_all });
        let centered = Scalar::binary(Binary::Sub, Scalar::input(0), Scalar::input(1));
        let scaled = Scalar::binary(Binary::Div, centered, Scalar::input(2));
        Ok(cx.pointwise(scaled, vec![*x, mean_node, std_node], shape))
    }
}
