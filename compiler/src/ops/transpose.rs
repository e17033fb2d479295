//! # transpose
//!
//! `transpose([1, 0])`: the axes in another order. Axis 0 of the output is the axis of the input that stands first.
//!
//! Formula: y[i, j, …] = x at the same places of the axes in their old order
//!
//! Shapes: `[a, b, …]` to the same sizes in that order.
//!
//! Arguments: `axes = reversed`, every axis once, counted from 0 without the batch; `reversed` turns their order round.
//!
//! Gradients: in the order that they came from.
//!
//! Example: `input [3, 28, 28]  transpose([1, 2, 0])`, which puts channels last. Source: PyTorch `torch.permute`.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::view::{ViewAxis, view};
use super::windows::comes_from;
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct Transpose;

impl Layer for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn summary(&self) -> &'static str {
        "the axes in another order"
    }

    fn page(&self) -> &'static str {
        include_str!("transpose.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[Argument {
            name: "axes",
            kind: ArgumentKind::Counts { min: 0, axes: None, words: &["reversed"] },
            default: Some(Default::Choice("reversed")),
            docs: "every axis once",
        }]
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [x] = inputs else {
            let found = format!("found {}", inputs.len());
            return Err(cx.error(Code::E0302, "`transpose` takes one value", found));
        };
        let shape = cx.shape(*x).to_vec();
        let all: Vec<usize> = (0..shape.len()).collect();
        let order = match arguments.listed("axes") {
            [] => all.iter().rev().copied().collect(),
            listed => listed.to_vec(),
        };
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if sorted != all {
            let label = format!("expected each of {all:?} once, found {order:?}");
            let mut error = cx.error(Code::E0205, "`axes` of `transpose` are not those of its input", label);
            error.primary.span = arguments.span("axes").unwrap_or(cx.span);
            error.secondary.push(comes_from(cx, *x));
            error.notes.push("axes are counted from 0, without the batch".to_owned());
            return Err(error);
        }
        let size = |of: usize| shape.get(of).copied().unwrap_or(0);
        let axes = order.into_iter().map(|of| ViewAxis::whole(of, size(of))).collect();
        Ok(view(cx, *x, axes, 0.0))
    }
}
