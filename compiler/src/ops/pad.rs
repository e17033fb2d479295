//! # pad
//!
//! `pad(1)`: more places round every channel of an image or signal.
//!
//! Formula: y[i] = x[i - before] inside, and outside what `mode` says
//!
//! Shapes: `[channels, H, W]` to `[channels, before + H + after, before + W + after]`, `[channels, L]` likewise.
//!
//! Arguments: `before`, places before the first of each axis behind the channels, from 0, one number or one for each
//! axis; `after = before`, places behind the last; `mode = constant`, which fills them with `value = 0`, or `reflect`,
//! which goes back from the edge without repeating it, or `replicate`, which repeats the edge.
//!
//! Gradients: what shows a place gives it its own; constants get none.
//!
//! Example: `input [3, 28, 28]  pad(2, mode = reflect)`, `pad([0, 1], after = [1, 0])`. Source: PyTorch
//! `torch.nn.functional.pad`.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::resample::{Map, resample};
use super::view::{ViewAxis, view, whole};
use super::windows::{comes_from, places};
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct Pad;

const COUNTS: ArgumentKind = ArgumentKind::Counts { min: 0, axes: None, words: &[] };

impl Layer for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn summary(&self) -> &'static str {
        "more places round an image or signal"
    }

    fn page(&self) -> &'static str {
        include_str!("pad.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[
            Argument {
                name: "before",
                kind: COUNTS,
                default: None,
                docs: "places before the first of each axis",
            },
            Argument {
                name: "after",
                kind: COUNTS,
                default: Some(Default::Argument("before")),
                docs: "places behind the last of each axis",
            },
            Argument {
                name: "mode",
                kind: ArgumentKind::Choice(&["constant", "reflect", "replicate"]),
                default: Some(Default::Choice("constant")),
                docs: "what stands there",
            },
            Argument {
                name: "value",
                kind: ArgumentKind::Number { min: -1e30, max: 1e30 },
                default: Some(Default::Number(0.0)),
                docs: "the number that stands there, of `constant`",
            },
        ]
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let (x, shape) = places(cx, self.name(), inputs)?;
        let sizes = shape.get(1..).unwrap_or(&[]);
        let before = by_axis(cx, self.name(), arguments, "before", sizes.len())?;
        let after = by_axis(cx, self.name(), arguments, "after", sizes.len())?;
        let mode = arguments.choice("mode");
        if mode == "constant" {
            let mut axes = whole(&shape);
            for ((n, axis), (before, after)) in
                axes.iter_mut().enumerate().skip(1).zip(before.iter().zip(&after))
            {
                *axis = ViewAxis::padded(n, axis.size, *before, *after);
            }
            return Ok(view(cx, x, axes, arguments.number("value")));
        }
        let mut maps = Vec::with_capacity(sizes.len());
        for (n, size) in sizes.iter().enumerate() {
            let (before, after) = (before.get(n).copied().unwrap_or(0), after.get(n).copied().unwrap_or(0));
            if mode == "reflect" {
                for (name, found) in [("before", before), ("after", after)] {
                    if found >= *size {
                        return Err(too_far(cx, arguments, x, name, (n + 1, *size, found)));
                    }
                }
                maps.push(Map::Reflect { size: *size, before, after });
            } else {
                maps.push(Map::Replicate { size: *size, before, after });
            }
        }
        Ok(resample(cx, x, &maps))
    }
}

/// A reflection has no more places than lie behind the edge.
fn too_far(
    cx: &Builder<'_>,
    arguments: &Arguments,
    x: NodeId,
    name: &str,
    (axis, size, found): (usize, usize, usize),
) -> Box<Diagnostic> {
    let label = format!("expected less than {size}, the size of axis {axis}, found {found}");
    let mut error = cx.error(Code::E0205, "`pad` cannot reflect so far", label);
    error.primary.span = arguments.span(name).or(arguments.span("before")).unwrap_or(cx.span);
    error.secondary.push(comes_from(cx, x));
    error.help.push("`mode = replicate` repeats the edge as often as needed".to_owned());
    error
}

/// The numbers of an argument, one for each axis behind the channels.
///
/// # Errors
/// E0205 for a list of another length.
pub fn by_axis(
    cx: &Builder<'_>,
    layer: &str,
    arguments: &Arguments,
    name: &str,
    axes: usize,
) -> Result<Vec<usize>, Box<Diagnostic>> {
    match arguments.listed(name) {
        [all] => Ok(vec![*all; axes]),
        listed if listed.len() == axes => Ok(listed.to_vec()),
        listed => {
            let expected =
                if axes == 1 { "one number".to_owned() } else { format!("one number or a list of {axes}") };
            let label = format!("expected {expected}, found a list of {}", listed.len());
            let message = format!("`{name}` of `{layer}` has a number for each axis behind the channels");
            let mut error = cx.error(Code::E0205, message, label);
            error.primary.span = arguments.span(name).unwrap_or(cx.span);
            Err(error)
        }
    }
}
