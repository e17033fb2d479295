//! # conv2d
//!
//! `conv2d(channels, kernel)`: every output channel is the sum over the input channels of an image seen through a kernel
//! that moves over it: y[o, r, c] = b[o] + sum over i, u, v of W[o, i, u, v] x[i, r s + u d - p, c s + v d - p].
//!
//! Formula: y = b[o] + sum over i, u, v of W[o, i, u, v] x[i, r s + u d - p, c s + v d - p]
//!
//! Shapes: `[C, H, W]` to `[channels, H', W']` with H' = floor((H + 2 p - d (k - 1) - 1) / s) + 1. Parameters: `weight`
//! `[channels, C / groups, kernel, kernel]`, `bias` `[channels]`.
//!
//! Arguments, where two axes may differ as a list `[rows, columns]`: `channels` and `kernel`, from 1; `stride = 1`;
//! `padding = valid`: none, a number of zeros on each side, or `same` for d (k - 1) zeros in all, which keep the size when
//! the stride is 1 (with a larger stride PyTorch's networks write that as `padding = k / 2`; TensorFlow's `same` puts
//! fewer in front); `dilation = 1`; `groups = 1`, as many as channels for a depthwise convolution; `bias = true`;
//! `init = he`, `bias_init = zeros`.
//!
//! Gradients: d_x is what each place gets back from the places that saw it, d_W the sum over samples and places of d_y x,
//! d_b the sum of d_y.
//!
//! Example: `conv2d(16, kernel = 3, padding = same) -> relu`. Source: LeCun, Bottou, Bengio, Haffner 1998; PyTorch
//! `torch.nn.Conv2d`.

use nnc_grammar::diagnostic::Diagnostic;

use super::conv_layer::{SAME, arguments, conv};
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct Conv2d;

impl Layer for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn summary(&self) -> &'static str {
        "W * x + b: an image seen through a kernel that moves over it"
    }

    fn page(&self) -> &'static str {
        include_str!("conv2d.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        arguments!(
            2,
            Argument {
                name: "padding",
                kind: ArgumentKind::Counts { min: 0, axes: Some(2), words: SAME },
                default: Some(Default::Choice("valid")),
                docs: "zeros around the image",
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
        conv(cx, self.name(), 2, arguments, inputs)
    }
}
