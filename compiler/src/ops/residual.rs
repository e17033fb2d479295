//! # residual
//!
//! `residual { … }`: the value that goes in, added to what comes out of the body.
//!
//! Shapes: `[F]` or `[C, H, W]` to what the body makes of it. Where the two differ, the value that goes in passes through
//! a layer without bias, the shortcut, whose parameter is `<name>.shortcut`: dense for vectors, for images a convolution
//! with a kernel of 1 by 1 and the stride that makes their sizes equal.
//!
//! Example: `residual { dense(32) -> relu -> dense(32) } -> relu`. Source: He, Zhang, Ren, Sun 2016, equations 1, 2.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::conv::{Conv, Window};
use super::{Argument, ArgumentKind, Arguments, Arity, Default, Layer, add, dense};
use crate::graph::{Builder, NodeId};

/// The layer that `residual { … }` ends with: takes what the body made, and what went in.
#[derive(Debug)]
pub struct Residual;

impl Layer for Residual {
    fn name(&self) -> &'static str {
        "residual"
    }

    fn summary(&self) -> &'static str {
        "a value added to what the body makes of it"
    }

    fn page(&self) -> &'static str {
        include_str!("residual.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[
            Argument {
                name: "init",
                kind: ArgumentKind::Init,
                default: Some(Default::Init("he")),
                docs: "how the shortcut's weight starts, where it needs one",
            },
            Argument {
                name: "unroll",
                kind: ArgumentKind::Choice(&["auto", "full", "none"]),
                default: Some(Default::Choice("auto")),
                docs: "straight-line code or loops",
            },
        ]
    }

    fn arity(&self) -> Arity {
        Arity::Join
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [main, skip] = inputs else {
            return Err(cx.error(
                Code::E0302,
                "`residual` joins two values",
                format!("found {}", inputs.len()),
            ));
        };
        let (shape, from) = (cx.shape(*main).to_vec(), cx.shape(*skip).to_vec());
        if shape == from {
            return Ok(add::sum(cx, inputs, shape));
        }
        if let Some(shortcut) = image_shortcut(cx, arguments, *skip, &shape)? {
            return Ok(add::sum(cx, &[*main, shortcut], shape));
        }
        let (&[units], &[features]) = (shape.as_slice(), from.as_slice()) else {
            let mut error = add::differ(cx, "residual", *skip, *main);
            error.code = Code::E0306;
            error.message = "what goes into `residual` cannot be added to what comes out".to_owned();
            return Err(error);
        };
        let shortcut = dense::dense(cx, arguments, *skip, features, units, ["shortcut", ""])?;
        Ok(add::sum(cx, &[*main, shortcut], shape))
    }
}

/// The projection of an image to other channels, and to a size that a stride makes of it; `None` where there is none.
fn image_shortcut(
    cx: &mut Builder<'_>,
    arguments: &Arguments,
    skip: NodeId,
    shape: &[usize],
) -> Result<Option<NodeId>, Box<Diagnostic>> {
    let (&[channels, rows, columns], &[from, height, width]) = (shape, cx.shape(skip)) else {
        return Ok(None);
    };
    // The smallest stride with which a kernel of 1 has as many places.
    let stride = |size: usize, places: usize| {
        let stride = size.div_ceil(places.max(1));
        ((size - 1) / stride + 1 == places).then_some(stride)
    };
    let (Some(down), Some(across)) = (stride(height, rows), stride(width, columns)) else { return Ok(None) };
    let window = Window {
        input: [from, height, width],
        output: [channels, rows, columns],
        kernel: [1, 1],
        stride: [down, across],
        padding: [0, 0],
        dilation: [1, 1],
        groups: 1,
    };
    let missing = |cx: &Builder<'_>| cx.error(Code::E0203, "`residual` needs an initializer", "found none");
    let init = arguments.init("init").cloned().ok_or_else(|| missing(cx))?;
    let weight = cx.matrix("shortcut", vec![channels, from, 1, 1], init, (from, channels));
    Ok(Some(cx.operator(Conv(window), vec![skip, weight], shape.to_vec())))
}
