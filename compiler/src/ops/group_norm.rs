//! # group_norm
//!
//! `group_norm(4)`: channels in equal groups; (x - mean) / sqrt(variance + eps) over each group of a sample, times a weight
//! and plus a bias for each channel.
//!
//! The variance is divided by n. Training and prediction compute the same.
//!
//! Formula: y = weight (x - mean) / sqrt(variance + eps) + bias
//!
//! Shapes: `[channels, …]`, unchanged; `weight` and `bias` are `[channels]`.
//!
//! Arguments: `groups`, which divides the channels; `eps = 1e-5`, above 0, in units of x squared; `affine = true`: whether
//! there are weight and bias.
//!
//! Example: `dense(32) -> group_norm(4) -> relu`. Source: Wu, He 2018; PyTorch `torch.nn.GroupNorm`.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::block_norm::{Affine, BlockNormalize, affine};
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct GroupNorm;

impl Layer for GroupNorm {
    fn name(&self) -> &'static str {
        "group_norm"
    }

    fn summary(&self) -> &'static str {
        "(x - mean) / sqrt(variance + eps) over groups of channels of a sample"
    }

    fn page(&self) -> &'static str {
        include_str!("group_norm.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[
            Argument { name: "groups", kind: ArgumentKind::Count, default: None, docs: "groups of channels" },
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
            return Err(cx.error(Code::E0302, "`group_norm` takes one value", found));
        };
        let (eps, blocks) = (arguments.number("eps"), arguments.count("groups"));
        let shape = cx.shape(*x).to_vec();
        let channels = shape.first().copied().unwrap_or(1);
        if blocks == 0 || !channels.is_multiple_of(blocks) {
            let mut error = cx.error(
                Code::E0301,
                format!("{channels} channels cannot be divided into {blocks} equal groups"),
                format!("expected a number of groups that divides {channels}, found {blocks}"),
            );
            if let Some(span) = arguments.span("groups") {
                error.primary.span = span;
            }
            return Err(error);
        }
        let y = cx.operator(BlockNormalize { blocks, eps, centered: true }, vec![*x], shape);
        Ok(if arguments.flag("affine") { affine(cx, y, Affine::Channel, true) } else { y })
    }
}
