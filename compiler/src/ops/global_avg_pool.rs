//! # global_avg_pool
//!
//! `global_avg_pool`: the mean of each channel.
//!
//! Formula: y = mean of x[c, …]
//!
//! Shapes: `[channels, …]` with any number of axes, two or more, to `[channels]`.
//!
//! Arguments: `mask = none`, a value of the shape behind the channels, 0 where a number does not count: the mean is that
//! of the others, and 0 where there are none.
//!
//! Gradients: the gradient of a channel is shared evenly by its numbers that count.
//!
//! Example: `input [8, 7, 7]  global_avg_pool -> dense(10)`; of a sequence `[T, D]`, the mean over its positions,
//! `transpose -> global_avg_pool(mask = mask)`. Source: PyTorch `torch.nn.AdaptiveAvgPool2d(1)` and
//! `Flatten`.

use nnc_grammar::diagnostic::Diagnostic;

use super::view::{ViewAxis, view};
use super::windows::{self, Axis, Windows};
use super::{Argument, Arguments, Layer, mask, pool};
use crate::graph::{Builder, NodeId, Op};
use crate::program::Reduction;
use crate::scalar::{Binary, Relation, Scalar};

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
        &[mask::ARGUMENT]
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let (inputs, masks) = mask::apart(arguments, inputs);
        let (x, channels, size) = windows::channels(cx, self.name(), inputs)?;
        let places = cx.shape(x).get(1..).unwrap_or_default().to_vec();
        mask::check(cx, self.name(), arguments.span("mask"), masks, x, &places)?;
        let windows = Windows { channels, height: Axis::ONE, width: Axis::Adaptive { size, windows: 1 } };
        let Some(mask) = masks.first() else {
            return Ok(pool::mean(cx, x, windows, true, vec![channels]));
        };
        // A mask has one number for each position of `[positions, features]`: places are positions for a while.
        let mask = cx.node(Op::Reshape, vec![*mask], vec![size], true);
        let x = cx.node(Op::Reshape, vec![x], vec![channels, size], true);
        let x = view(cx, x, turned([channels, size]), 0.0);
        let counted = where_counts(Scalar::input(0));
        let x = cx.pointwise(counted, vec![x, mask], vec![size, channels]);
        let x = view(cx, x, turned([size, channels]), 0.0);
        let mean = pool::mean(cx, x, windows, true, vec![channels]);
        let counts = cx.pointwise(where_counts(Scalar::Number(1.0)), vec![mask, mask], vec![size]);
        let share = cx.reduce(Reduction::Mean, counts);
        let of_those = Scalar::binary(Binary::Div, Scalar::input(0), Scalar::input(1));
        Ok(cx.pointwise(where_counts(of_those), vec![mean, share], vec![channels]))
    }
}

/// The axes the other way round.
fn turned([first, second]: [usize; 2]) -> Vec<ViewAxis> {
    vec![ViewAxis::whole(1, second), ViewAxis::whole(0, first)]
}

/// `value` where operand 1 is not 0, and 0 elsewhere.
fn where_counts(value: Scalar) -> Scalar {
    let zero = Scalar::Number(0.0);
    Scalar::select(Relation::Eq, Scalar::input(1), zero.clone(), zero, value)
}
