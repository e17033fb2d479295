//! # rms_norm
//!
//! `rms_norm`: x / sqrt(mean of x^2 + eps) over the last axis of each sample, times a weight for each place of that axis.
//!
//! Formula: y = weight x / sqrt(mean of x^2 + eps)
//!
//! Shapes: any, unchanged; `weight` has the size of the last axis.
//!
//! Arguments: `eps = 1e-5`, above 0, in units of x squared (PyTorch's own default is the smallest step of its numbers);
//! `affine = true`: whether there is a weight.
//!
//! Example: `dense(32) -> rms_norm -> relu`. Source: Zhang, Sennrich 2019, equation 4; PyTorch `torch.nn.RMSNorm`.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::block_norm::{Affine, BlockNormalize, affine};
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct RmsNorm;

impl Layer for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }

    fn summary(&self) -> &'static str {
        "x / sqrt(mean of x^2 + eps) over the last axis of a sample"
    }

    fn page(&self) -> &'static str {
        include_str!("rms_norm.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[
            super::batch_norm::EPS,
            Argument {
                name: "affine",
                kind: ArgumentKind::Bool,
                default: Some(Default::Bool(true)),
                docs: "whether there is a weight",
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
            return Err(cx.error(Code::E0302, "`rms_norm` takes one value", found));
        };
        let eps = arguments.number("eps");
        let shape = cx.shape(*x).to_vec();
        let last = shape.last().copied().unwrap_or(1).max(1);
        let blocks = shape.iter().product::<usize>() / last;
        let y = cx.operator(BlockNormalize { blocks, eps, centered: false }, vec![*x], shape);
        Ok(if arguments.flag("affine") { affine(cx, y, Affine::Last, false) } else { y })
    }
}
