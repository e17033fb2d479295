//! # global_max_pool
//!
//! `global_max_pool`: the largest number of each channel.
//!
//! Formula: y = largest x[c, …]
//!
//! Shapes: `[channels, …]` with any number of axes, two or more, to `[channels]`.
//!
//! Gradients: the gradient of a channel goes to the first of its largest numbers in row-major order.
//!
//! Example: `input [8, 7, 7]  global_max_pool -> dense(10)`. Source: PyTorch `torch.nn.AdaptiveMaxPool2d(1)` and
//! `Flatten`.

use nnc_grammar::diagnostic::Diagnostic;

use super::pool;
use super::windows::{self, Axis, Windows};
use super::{Argument, Arguments, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct GlobalMaxPool;

impl Layer for GlobalMaxPool {
    fn name(&self) -> &'static str {
        "global_max_pool"
    }

    fn summary(&self) -> &'static str {
        "the largest number of each channel"
    }

    fn page(&self) -> &'static str {
        include_str!("global_max_pool.rs")
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
        Ok(pool::max(cx, x, windows, vec![channels]))
    }
}
