//! # instance_norm
//!
//! `instance_norm`: (x - mean) / sqrt(variance + eps) over each channel of a sample.
//!
//! The variance is divided by n. Training and prediction compute the same; there are no running figures, as in PyTorch
//! without `track_running_stats`.
//!
//! Formula: y = (x - mean) / sqrt(variance + eps)
//!
//! Shapes: `[channels, …]` with two axes or more, unchanged; `weight` and `bias` are `[channels]`.
//!
//! Arguments: `eps = 1e-5`, above 0, in units of x squared; `affine = false`: whether there are weight and bias.
//!
//! Example: `input [3, 8, 8]  instance_norm -> flatten -> dense(10)`. Source: Ulyanov, Vedaldi, Lempitsky 2016; PyTorch
//! `torch.nn.InstanceNorm2d`.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::block_norm::{Affine, BlockNormalize, affine};
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct InstanceNorm;

impl Layer for InstanceNorm {
    fn name(&self) -> &'static str {
        "instance_norm"
    }

    fn summary(&self) -> &'static str {
        "(x - mean) / sqrt(variance + eps) over each channel of a sample"
    }

    fn page(&self) -> &'static str {
        include_str!("instance_norm.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[
            super::batch_norm::EPS,
            Argument {
                name: "affine",
                kind: ArgumentKind::Bool,
                default: Some(Default::Bool(false)),
                docs: "whether there are weight and bias",
            },
        ]
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
            let found = format!("found {}", inputs.len());
            return Err(cx.error(Code::E0302, "`instance_norm` takes one value", found));
        };
        let eps = arguments.number("eps");
        let shape = cx.shape(*x).to_vec();
        let [blocks, _, ..] = shape.as_slice() else {
            let mut error = cx.error(
                Code::E0303,
                "`instance_norm` takes channels with space",
                format!("expected [channels, …], found {shape:?}"),
            );
            error.help.push("for a vector use `layer_norm` or `batch_norm`".to_owned());
            return Err(error);
        };
        let y = cx.operator(BlockNormalize { blocks: *blocks, eps, centered: true }, vec![*x], shape.clone());
        Ok(if arguments.flag("affine") { affine(cx, y, Affine::Channel, true) } else { y })
    }
}
