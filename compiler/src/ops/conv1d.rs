//! # conv1d
//!
//! `conv1d(channels, kernel)`: every output channel is the sum over the input channels of a signal seen through a kernel
//! that moves along it: y[o, t] = b[o] + sum over i, u of W[o, i, u] x[i, t s + u d - p].
//!
//! Formula: y = b[o] + sum over i, u of W[o, i, u] x[i, t s + u d - p]
//!
//! Shapes: `[C, L]` to `[channels, L']` with L' = floor((L + 2 p - d (k - 1) - 1) / s) + 1. Parameters: `weight`
//! `[channels, C / groups, kernel]`, `bias` `[channels]`.
//!
//! Arguments: `channels` and `kernel`, from 1; `stride = 1`; `padding = valid`: none, a number of zeros on each side, or
//! `same` for d (k - 1) zeros in all; `dilation = 1`; `groups = 1`, as many as channels for a depthwise convolution;
//! `bias = true`; `init = he`, `bias_init = zeros`.
//!
//! Gradients: as those of `conv2d`.
//!
//! Example: `conv1d(32, kernel = 9, stride = 2) -> relu`. Source: Waibel and others 1989; PyTorch `torch.nn.Conv1d`.

use nnc_grammar::diagnostic::Diagnostic;

use super::conv_layer::{SAME, arguments, conv};
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct Conv1d;

impl Layer for Conv1d {
    fn name(&self) -> &'static str {
        "conv1d"
    }

    fn summary(&self) -> &'static str {
        "W * x + b: a signal seen through a kernel that moves along it"
    }

    fn page(&self) -> &'static str {
        include_str!("conv1d.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        arguments!(
            1,
            Argument {
                name: "padding",
                kind: ArgumentKind::Counts { min: 0, axes: Some(1), words: SAME },
                default: Some(Default::Choice("valid")),
                docs: "zeros before and behind the signal",
            }
        )
    }

    fn keeps_gain(&self) -> bool {
        false
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        conv(cx, self.name(), 1, arguments, inputs)
    }
}
