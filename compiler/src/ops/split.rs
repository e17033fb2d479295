//! # split
//!
//! `let [a, b] = split(2)`: equal parts of an axis, one after the other.
//!
//! Formula: y_k = x[k size / n..(k + 1) size / n] along the axis
//!
//! Shapes: `[…, size, …]` to `n` values of `[…, size / n, …]`; `n` divides the size.
//!
//! Arguments: `n`, how many parts, from 1; `axis = 0`, counted from 0 without the batch.
//!
//! Gradients: each part's stand in its place.
//!
//! Example: `let [gate, value] = dense(32) -> split(2)`, or `split(2) -> add`. Source: PyTorch `torch.chunk`.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::slice::{axis_argument, axis_of, part};
use super::{Argument, ArgumentKind, Arguments, Arity, Default, InCells, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct Split;

impl Layer for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    fn summary(&self) -> &'static str {
        "equal parts of an axis"
    }

    fn page(&self) -> &'static str {
        include_str!("split.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        const {
            &[
                Argument { name: "n", kind: ArgumentKind::Count, default: None, docs: "how many parts" },
                axis_argument(Some(Default::Number(0.0))),
            ]
        }
    }

    fn arity(&self) -> Arity {
        Arity::Parts
    }

    fn in_cells(&self) -> InCells {
        InCells::Step
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [x] = inputs else {
            let found = format!("found {}", inputs.len());
            return Err(cx.error(Code::E0302, "`split` takes one value", found));
        };
        let (axis, _) = axis_of(cx, self.name(), arguments, *x)?;
        part(cx, *x, axis, arguments.part, arguments.count("n"))
    }
}
