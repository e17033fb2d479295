//! # global_avg_pool
//!
//! `global_avg_pool`: the mean of each channel.
//!
//! Formula: y = mean of x[c, …]
//!
//! Shapes: `[channels, …]` with any number of axes, two or more, to `[channels]`.
//!
//! Gradients: the gradient of a channel is shared evenly by its numbers.
//!
//! Example: `input [8, 7, 7]  global_avg_pool -> dense(10)`. Source: PyTorch `torch.nn.AdaptiveAvgPool2d(1)` and
//! `Flatten`.

use nnc_grammar::diagnostic::Diagnostic;

use super::pool;
use super::windows::{self, Axis, Windows};
use super::{Argument, Arguments, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct GlobalAvgPool;

impl Layer for GlobalAvgPool {
    fn name(&self) -> &'static str {
        "global_avg_pool"
    }

    fn summary(&self) -> &'static str {
        "the mean of each channel"
    }

    fn page(&self) -> &'static str {
        include_str!("global_avg_pool.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[]
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        _: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let (x, channels, size) = windows::channels(cx, self.name(), inputs)?;
        let windows = Windows { channels, height: Axis::ONE, width: Axis::Adaptive { size, windows: 1 } };
        Ok(pool::mean(cx, x, windows, true, vec![channels]))
    }
}
