//! # max_pool2d
//!
//! `max_pool2d(2)`: the largest number of every window that slides over each channel of an image. Padding never wins.
//!
//! Formula: y = largest x[c, r s + u - p, q s + v - p] over the places u, v of the kernel
//!
//! Shapes: `[channels, H, W]` to `[channels, (H + 2 padding - kernel) / stride + 1, …]`; a window that does not fit in
//! whole at the end is left out, as in PyTorch's default.
//!
//! Arguments: `kernel`, from 1, one number or `[height, width]`, as are all three; `stride = kernel`, from 1;
//! `padding = 0`, at most half the kernel.
//!
//! Gradients: the gradient of a window goes to the first of its largest numbers in row-major order.
//!
//! Example: `input [1, 28, 28]  max_pool2d(2)`, `max_pool2d(3, stride = 2, padding = 1)`. Source: PyTorch
//! `torch.nn.MaxPool2d`.

use nnc_grammar::diagnostic::Diagnostic;

use super::pool;
use super::windows::{self, Windows};
use super::{Argument, Arguments, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct MaxPool2d;

impl Layer for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn summary(&self) -> &'static str {
        "the largest number of every window of an image"
    }

    fn page(&self) -> &'static str {
        include_str!("max_pool2d.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        const { &[windows::kernel(2), windows::stride(2), windows::padding(2)] }
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
        Ok(pool::max(cx, x, windows, windows.shape(2)))
    }
}
