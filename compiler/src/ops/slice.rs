//! # slice
//!
//! `slice(axis = 1, from = 2, to = 5)`: places 2, 3 and 4 of an axis, which is counted from 0 without the batch.
//!
//! Formula: y = x[from..to] along the axis
//!
//! Shapes: `[…, n, …]` to `[…, to - from, …]`.
//!
//! Arguments: `axis`, from 0; `from`, the first place, from 0; `to`, the place behind the last, above `from` and at most
//! the size of the axis.
//!
//! Gradients: those of the places that are taken; the others get none.
//!
//! Example: `input [3, 28, 28]  slice(axis = 1, from = 4, to = 24)`. Source: PyTorch `torch.narrow`, `x[:, :, 4:24]`.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::view::{ViewAxis, view, whole};
use super::windows::comes_from;
use super::{Argument, ArgumentKind, Arguments, Default, InCells, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct Slice;

/// The argument that names an axis.
pub const fn axis_argument(default: Option<Default>) -> Argument {
    Argument { name: "axis", kind: ArgumentKind::Kind("whole"), default, docs: "the axis, from 0" }
}

impl Layer for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn summary(&self) -> &'static str {
        "some places of an axis"
    }

    fn page(&self) -> &'static str {
        include_str!("slice.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        const {
            let whole = ArgumentKind::Kind("whole");
            &[
                axis_argument(None),
                Argument { name: "from", kind: whole, default: None, docs: "the first place" },
                Argument { name: "to", kind: whole, default: None, docs: "the place behind the last" },
            ]
        }
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
            return Err(cx.error(Code::E0302, "`slice` takes one value", found));
        };
        let (axis, size) = axis_of(cx, self.name(), arguments, *x)?;
        let (from, to) = (arguments.count("from"), arguments.count("to"));
        let wrong = |name: &str, expected: String, found: usize| {
            let label = format!("expected {expected}, found {found}");
            let mut error = cx.error(Code::E0205, format!("`{name}` of `slice` is out of range"), label);
            error.primary.span = arguments.span(name).unwrap_or(cx.span);
            error.secondary.push(comes_from(cx, *x));
            error
        };
        if to > size {
            return Err(wrong("to", format!("at most {size}, the size of axis {axis}"), to));
        }
        if from >= to {
            return Err(wrong("from", format!("less than `to` = {to}"), from));
        }
        Ok(part_of(cx, *x, axis, from, to))
    }
}

/// Adds places `from..to` of an axis.
fn part_of(cx: &mut Builder<'_>, x: NodeId, axis: usize, from: usize, to: usize) -> NodeId {
    let mut axes = whole(cx.shape(x));
    if let Some(slot) = axes.get_mut(axis) {
        *slot = ViewAxis::part(axis, from, to);
    }
    view(cx, x, axes, 0.0)
}

/// The axis that the argument `axis` names, and its size.
///
/// # Errors
/// E0205 for an axis that the value does not have.
pub fn axis_of(
    cx: &Builder<'_>,
    name: &str,
    arguments: &Arguments,
    x: NodeId,
) -> Result<(usize, usize), Box<Diagnostic>> {
    let (axis, shape) = (arguments.count("axis"), cx.shape(x));
    if let Some(size) = shape.get(axis) {
        return Ok((axis, *size));
    }
    let expected = match shape.len() {
        1 => "0, the only axis".to_owned(),
        n => format!("an axis from 0 to {}", n - 1),
    };
    let label = format!("expected {expected} of {shape:?}, found {axis}");
    let mut error = cx.error(Code::E0205, format!("`axis` of `{name}` is out of range"), label);
    error.primary.span = arguments.span("axis").unwrap_or(cx.span);
    error.secondary.push(comes_from(cx, x));
    error.notes.push("axes are counted from 0, without the batch".to_owned());
    Err(error)
}

/// Adds part `n`, from 0, of `of` equal ones along an axis.
///
/// # Errors
/// E0301 when the axis cannot be divided so.
pub fn part(
    cx: &mut Builder<'_>,
    x: NodeId,
    axis: usize,
    n: usize,
    of: usize,
) -> Result<NodeId, Box<Diagnostic>> {
    let size = cx.shape(x).get(axis).copied().unwrap_or(0);
    if of > 0 && size.is_multiple_of(of) && size > 0 {
        let len = size / of;
        return Ok(part_of(cx, x, axis, n * len, (n + 1) * len));
    }
    let what = if cx.shape(x).len() < 2 { "features".to_owned() } else { format!("places of axis {axis}") };
    let message = format!("{size} {what} cannot be divided into {of} equal parts");
    let mut error = cx.error(Code::E0301, message, format!("expected a multiple of {of}, found {size}"));
    error.secondary.push(comes_from(cx, x));
    Err(error)
}

/// Adds `len` values of a row, from `from` on, in this shape.
pub fn of_row(cx: &mut Builder<'_>, row: NodeId, from: usize, shape: Vec<usize>) -> NodeId {
    let len = shape.iter().product::<usize>();
    let part = part_of(cx, row, 0, from, from + len);
    if cx.shape(part) == shape { part } else { cx.node(crate::graph::Op::Reshape, vec![part], shape, true) }
}
