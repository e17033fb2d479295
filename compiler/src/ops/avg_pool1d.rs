//! # avg_pool1d
//!
//! `avg_pool1d(2)`: the mean of every window that slides over each channel of a signal. Padding counts as zeros.
//!
//! Formula: y = mean of x[c, t s + u - p] over the places u of the kernel
//!
//! Shapes: `[channels, L]` to `[channels, (L + 2 padding - kernel) / stride + 1]`; a window that does not fit in whole
//! at the end is left out, as in PyTorch's default.
//!
//! Arguments: `kernel`, from 1; `stride = kernel`, from 1; `padding = 0`, at most half the kernel; `count_include_pad =
//! true`, whether a mean divides by the places of the whole window, or without those that lie in the padding.
//!
//! Gradients: the gradient of a window is shared evenly by its numbers.
//!
//! Example: `input [3, 100]  avg_pool1d(4)`. Source: PyTorch `torch.nn.AvgPool1d`.

use nnc_grammar::diagnostic::Diagnostic;

use super::pool;
use super::windows::{self, Axis, Windows};
use super::{Argument, Arguments, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct AvgPool1d;

impl Layer for AvgPool1d {
    fn name(&self) -> &'static str {
        "avg_pool1d"
    }

    fn summary(&self) -> &'static str {
        "the mean of every window of a signal"
    }

    fn page(&self) -> &'static str {
        include_str!("avg_pool1d.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        const { &[windows::kernel(1), windows::stride(1), windows::padding(1), windows::COUNT_INCLUDE_PAD] }
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
        Ok(pool::mean(cx, x, windows, arguments.flag("count_include_pad"), windows.shape(1)))
    }
}
