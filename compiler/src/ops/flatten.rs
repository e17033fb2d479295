//! # flatten
//!
//! `flatten`: the same values as one vector, last axis fastest. It costs nothing: memory does not know shapes.
//!
//! Formula: y = x
//!
//! Shapes: `[a, b, …]` to `[a * b * …]`.
//!
//! Example: `input [28, 28]  flatten -> dense(10)`. Source: PyTorch `torch.nn.Flatten`.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::{Argument, Arguments, Layer};
use crate::graph::{Builder, NodeId, Op};

/// The layer.
#[derive(Debug)]
pub struct Flatten;

impl Layer for Flatten {
    fn name(&self) -> &'static str {
        "flatten"
    }

    fn summary(&self) -> &'static str {
        "the same values as one vector"
    }

    fn page(&self) -> &'static str {
        include_str!("flatten.rs")
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
        let [x] = inputs else {
            return Err(cx.error(
                Code::E0302,
                "`flatten` takes one value",
                format!("found {}", inputs.len()),
            ));
        };
        let len = cx.shape(*x).iter().product();
        Ok(cx.node(Op::Reshape, vec![*x], vec![len], true))
    }
}
