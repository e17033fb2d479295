//! # layer_norm
//!
//! `layer_norm`: (x - mean) / sqrt(variance + eps) over the last axis of each sample, times a weight and plus a bias for
//! each place of that axis.
//!
//! The variance is divided by n. Training and prediction compute the same.
//!
//! Formula: y = weight (x - mean) / sqrt(variance + eps) + bias
//!
//! Shapes: any, unchanged; `weight` and `bias` have the size of the last axis.
//!
//! Arguments: `eps = 1e-5`, above 0, in units of x squared; `affine = true`: whether there are weight and bias.
//!
//! Example: `dense(32) -> layer_norm -> relu`. Source: Ba, Kiros, Hinton 2016; PyTorch `torch.nn.LayerNorm` over the last
//! axis.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::block_norm::{Affine, BlockNormalize, affine};
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct LayerNorm;

impl Layer for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn summary(&self) -> &'static str {
        "(x - mean) / sqrt(variance + eps) over the last axis of a sample"
    }

    fn page(&self) -> &'static str {
        include_str!("layer_norm.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[
            super::batch_norm::EPS,
            Argument {
                name: "affine",
                kind: ArgumentKind::Bool,
                default: Some(Default::Bool(true)),
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
            return Err(cx.error(Code::E0302, "`layer_norm` takes one value", found));
        };
        let eps = arguments.number("eps");
        let shape = cx.shape(*x).to_vec();
        let last = shape.last().copied().unwrap_or(1).max(1);
        let blocks = shape.iter().product::<usize>() / last;
        let y = cx.operator(BlockNormalize { blocks, eps, centered: true }, vec![*x], shape);
        Ok(if arguments.flag("affine") { affine(cx, y, Affine::Last, true) } else { y })
    }
}
