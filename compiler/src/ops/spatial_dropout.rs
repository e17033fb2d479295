//! # spatial_dropout
//!
//! `spatial_dropout(0.5)`: as `dropout`, with whole channels dropped or kept.
//!
//! Formula: y = x / (1 - p) with probability 1 - p for each channel, else 0
//!
//! Shapes: `[channels, …]`, unchanged. Of a vector each feature is a channel.
//!
//! Arguments: `p = 0.5`, a probability in [0, 1).
//!
//! Example: `input [3, 8, 8]  spatial_dropout(0.1) -> flatten -> dense(10)`. Source: Tompson et al. 2015; PyTorch
//! `torch.nn.Dropout2d`.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::dropout::{Dropout, P};
use super::random::Random;
use super::spread::Spread;
use super::{Argument, Arguments, Layer};
use crate::graph::{Builder, Draw, NodeId};

/// The layer.
#[derive(Debug)]
pub struct SpatialDropout;

impl Layer for SpatialDropout {
    fn name(&self) -> &'static str {
        "spatial_dropout"
    }

    fn summary(&self) -> &'static str {
        "while training, channels are 0 with probability p, and else x / (1 - p)"
    }

    fn page(&self) -> &'static str {
        include_str!("spatial_dropout.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[P]
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [x] = inputs else {
            let found = format!("found {}", inputs.len());
            return Err(cx.error(Code::E0302, "`spatial_dropout` takes one value", found));
        };
        let p = arguments.number("p");
        if p == 0.0 {
            return Ok(*x);
        }
        let shape = cx.shape(*x).to_vec();
        let channels = shape.first().copied().unwrap_or(1);
        let inner = shape.iter().skip(1).product::<usize>();
        let draw = Draw { is_normal: false, stream: cx.layer.0 };
        let mut random = cx.operator(Random(draw), Vec::new(), vec![channels]);
        if inner > 1 {
            random = cx.operator(Spread { inner, len: channels }, vec![random], shape.clone());
        }
        Ok(cx.operator(Dropout { p }, vec![*x, random], shape))
    }
}
