//! # reshape
//!
//! `reshape([1, 28, 28])`: the same values under another shape, last axis fastest. It costs nothing: memory does not
//! know shapes.
//!
//! Formula: y = x
//!
//! Shapes: any to `shape`, of as many values.
//!
//! Arguments: `shape`, a list of sizes from 1.
//!
//! Example: `input [784]  reshape([1, 28, 28]) -> max_pool2d(2)`. Source: PyTorch `torch.reshape`,
//! `torch.nn.Unflatten`.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::windows::comes_from;
use super::{Argument, ArgumentKind, Arguments, Layer};
use crate::graph::{Builder, NodeId, Op};

/// The layer.
#[derive(Debug)]
pub struct Reshape;

impl Layer for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn summary(&self) -> &'static str {
        "the same values under another shape"
    }

    fn page(&self) -> &'static str {
        include_str!("reshape.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[Argument {
            name: "shape",
            kind: ArgumentKind::Shape,
            default: None,
            docs: "the shape, without the batch",
        }]
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [x] = inputs else {
            let found = format!("found {}", inputs.len());
            return Err(cx.error(Code::E0302, "`reshape` takes one value", found));
        };
        let (from, to) = (cx.shape(*x).to_vec(), arguments.listed("shape").to_vec());
        let (expected, found) = (product(&from), product(&to));
        if from.iter().product::<usize>() != to.iter().product::<usize>() {
            let label = format!("expected a shape of {expected} values, found {found}");
            let mut error = cx.error(Code::E0301, "`reshape` keeps the number of values", label);
            error.primary.span = arguments.span("shape").unwrap_or(cx.span);
            error.secondary.push(comes_from(cx, *x));
            return Err(error);
        }
        Ok(cx.node(Op::Reshape, vec![*x], to, true))
    }
}

/// `2 * 3 = 6`
fn product(shape: &[usize]) -> String {
    let total = shape.iter().product::<usize>();
    match shape {
        [_, _, ..] => {
            let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
            format!("{} = {total}", sizes.join(" * "))
        }
        _ => total.to_string(),
    }
}
