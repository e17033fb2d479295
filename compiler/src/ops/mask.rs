//! The argument `mask`: which positions of a sequence count, for samples that are shorter than others.

use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::windows::comes_from;
use super::{Argument, ArgumentKind, Arguments, Default};
use crate::graph::{Builder, NodeId};

/// The argument.
pub const ARGUMENT: Argument = Argument {
    name: "mask",
    kind: ArgumentKind::Value,
    default: Some(Default::Nothing),
    docs: "which positions count: one number for each, 0 where it does not",
};

/// What a layer is given, without the mask; and the mask, where there is one.
pub fn apart<'a>(arguments: &Arguments, inputs: &'a [NodeId]) -> (&'a [NodeId], &'a [NodeId]) {
    let n_masks = usize::from(arguments.is_operand(ARGUMENT.name));
    inputs.split_at(inputs.len().saturating_sub(n_masks))
}

/// Checks that the mask of `name`, given at `span`, has the shape that goes with `x`.
///
/// # Errors
/// E0304 for one of another shape.
pub fn check(
    cx: &Builder<'_>,
    name: &str,
    span: Option<Span>,
    masks: &[NodeId],
    x: NodeId,
    expected: &[usize],
) -> Result<(), Box<Diagnostic>> {
    let Some(mask) = masks.iter().find(|mask| cx.shape(**mask) != expected) else { return Ok(()) };
    let found = cx.shape(*mask);
    let message = format!("the mask of `{name}` does not fit its sequence");
    let mut error = cx.error(Code::E0304, message, format!("expected {expected:?}, found {found:?}"));
    error.primary.span = span.unwrap_or(cx.span);
    for id in [*mask, x] {
        let label = comes_from(cx, id);
        if error.secondary.iter().all(|known| known.span != label.span) {
            error.secondary.push(label);
        }
    }
    error.help.push(format!("a mask has one number for each position: `input mask: {expected:?}`"));
    Err(error)
}
