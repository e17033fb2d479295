//! # max_pool1d
//!
//! `max_pool1d(2)`: the largest number of every window that slides over each channel of a signal. Padding never wins.
//!
//! Formula: y = largest x[c, t s + u - p] over the places u of the kernel
//!
//! Shapes: `[channels, L]` to `[channels, (L + 2 padding - kernel) / stride + 1]`; a window that does not fit in whole
//! at the end is left out, as in PyTorch's default.
//!
//! Arguments: `kernel`, from 1; `stride = kernel`, from 1; `padding = 0`, at most half the kernel.
//!
//! Gradients: the gradient of a window goes to the first of its largest numbers in row-major order.
//!
//! Example: `input [3, 100]  max_pool1d(4)`. Source: PyTorch `torch.nn.MaxPool1d`.

use nnc_grammar::diagnostic::Diagnostic;

use super::pool;
use super::windows::{self, Axis, Windows};
use super::{Argument, Arguments, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct MaxPool1d;

impl Layer for MaxPool1d {
    fn name(&self) -> &'static str {
        "max_pool1d"
    }

    fn summary(&self) -> &'static str {
        "the largest number of every window of a signal"
    }

    fn page(&self) -> &'static str {
        include_str!("max_pool1d.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        const { &[windows::kernel(1), windows::stride(1), windows::padding(1)] }
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let (x, channels, sizes) = windows::image(cx, self.name(), inputs)?;
        let [width] = windows::strided(cx, self.name(), arguments, x, sizes)?;
        let windows = Windows { channels, height: Axis::ONE, width };
        Ok(pool::max(cx, x, windows, windows.shape(1)))
    }
}
