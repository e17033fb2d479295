//! # avg_pool2d
//!
//! `avg_pool2d(2)`: the mean of every window that slides over each channel of an image. Padding counts as zeros.
//!
//! Formula: y = mean of x[c, r s + u - p, q s + v - p] over the places u, v of the kernel
//!
//! Shapes: `[channels, H, W]` to `[channels, (H + 2 padding - kernel) / stride + 1, …]`; a window that does not fit in
//! whole at the end is left out, as in PyTorch's default.
//!
//! Arguments: `kernel`, from 1, one number or `[height, width]`, as are all three; `stride = kernel`, from 1;
//! `padding = 0`, at most half the kernel; `count_include_pad = true`, whether a mean divides by the places of the whole window,
//! or without those that lie in the padding.
//!
//! Gradients: the gradient of a window is shared evenly by its numbers.
//!
//! Example: `input [1, 28, 28]  avg_pool2d(2)`, `avg_pool2d(3, stride = 2, padding = 1)`. Source: PyTorch
//! `torch.nn.AvgPool2d`.

use nnc_grammar::diagnostic::Diagnostic;

use super::pool;
use super::windows::{self, Windows};
use super::{Argument, Arguments, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct AvgPool2d;

impl Layer for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn summary(&self) -> &'static str {
        "the mean of every window of an image"
    }

    fn page(&self) -> &'static str {
        include_str!("avg_pool2d.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        const { &[windows::kernel(2), windows::stride(2), windows::padding(2), windows::COUNT_INCLUDE_PAD] }
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let (x, channels, sizes) = windows::image(cx, self.name(), inputs)?;
        let [height, width] = windows::strided(cx, self.name(), arguments, x, sizes)?;
        let windows = Windows { channels, height, width };
        Ok(pool::mean(cx, x, windows, arguments.flag("count_include_pad"), windows.shape(2)))
    }
}
