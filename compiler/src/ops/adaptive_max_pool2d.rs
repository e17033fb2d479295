//! # adaptive_max_pool2d
//!
//! `adaptive_max_pool2d(7)`: the largest number of every window, as many and as large as make an image of this size.
//! Along an axis of `H` places window `i` goes from `i H / size`, rounded down, to `(i + 1) H / size`, rounded up.
//!
//! Formula: y = largest x[c, h, w] in the window of each place
//!
//! Shapes: `[channels, H, W]` to `[channels, size, size]`.
//!
//! Arguments: `size`, from 1, one number or `[height, width]`.
//!
//! Gradients: the gradient of a window goes to the first of its largest numbers in row-major order.
//!
//! Example: `input [8, 30, 20]  adaptive_max_pool2d([3, 2])`. Source: PyTorch `torch.nn.AdaptiveMaxPool2d`.

use nnc_grammar::diagnostic::Diagnostic;

use super::pool;
use super::windows::{self, Axis, Windows};
use super::{Argument, Arguments, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct AdaptiveMaxPool2d;

impl Layer for AdaptiveMaxPool2d {
    fn name(&self) -> &'static str {
        "adaptive_max_pool2d"
    }

    fn summary(&self) -> &'static str {
        "the largest number of every window, for an image of this size"
    }

    fn page(&self) -> &'static str {
        include_str!("adaptive_max_pool2d.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[windows::SIZE]
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let (x, channels, [height, width]) = windows::image(cx, self.name(), inputs)?;
        let [rows, columns] = arguments.counts("size");
        let height = Axis::Adaptive { size: height, windows: rows };
        let windows = Windows { channels, height, width: Axis::Adaptive { size: width, windows: columns } };
        Ok(pool::max(cx, x, windows, windows.shape(2)))
    }
}
