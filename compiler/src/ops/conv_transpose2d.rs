//! # conv_transpose2d
//!
//! `conv_transpose2d(channels, kernel)`: every place of the input puts a kernel into the output, `stride` places apart:
//! the gradient of a convolution by its input, used forward, to make images larger.
//!
//! Formula: y = b[o] + sum over i, r, c, u, v of W[i, o, u, v] x[i, r, c] at the place r s + u d - p, c s + v d - p
//!
//! Shapes: `[C, H, W]` to `[channels, H', W']` with H' = (H - 1) s - 2 p + d (k - 1) + output_padding + 1. Parameters:
//! `weight` `[C, channels / groups, kernel, kernel]`, as in PyTorch, and `bias` `[channels]`.
//!
//! Arguments, where two axes may differ as a list `[rows, columns]`: `channels` and `kernel`, from 1; `stride = 1`;
//! `padding = 0`: rows and columns that are taken off each side; `output_padding = 0`: rows and columns more at the end,
//! fewer than the stride or the dilation; `dilation = 1`; `groups = 1`; `bias = true`; `init = he`, `bias_init = zeros`.
//!
//! Gradients: d_x is a convolution of d_y, d_W the sum over samples and places of x d_y, d_b the sum of d_y.
//!
//! Example: `conv_transpose2d(16, kernel = 2, stride = 2) -> relu`. Source: Zeiler, Krishnan, Taylor, Fergus 2010;
//! PyTorch `torch.nn.ConvTranspose2d`.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::conv::{ConvBack, Window};
use super::conv_layer::{arguments, check_groups, image, operands, pair};
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct ConvTranspose2d;

impl Layer for ConvTranspose2d {
    fn name(&self) -> &'static str {
        "conv_transpose2d"
    }

    fn summary(&self) -> &'static str {
        "Wᵀ * x + b: every place puts a kernel into a larger image"
    }

    fn page(&self) -> &'static str {
        include_str!("conv_transpose2d.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        arguments!(
            2,
            Argument {
                name: "padding",
                kind: ArgumentKind::Counts { min: 0, axes: Some(2), words: &[] },
                default: Some(Default::Number(0.0)),
                docs: "rows and columns taken off each side",
            },
            Argument {
                name: "output_padding",
                kind: ArgumentKind::Counts { min: 0, axes: Some(2), words: &[] },
                default: Some(Default::Number(0.0)),
                docs: "rows and columns more at the end",
            }
        )
    }

    fn keeps_gain(&self) -> bool {
        false
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let (x, [from, height, width]) = image(cx, self.name(), 2, inputs)?;
        let channels = arguments.count("channels");
        let groups = check_groups(cx, self.name(), arguments, [(from, "input"), (channels, "output")])?;
        let [kernel, stride, padding, output_padding, dilation] =
            ["kernel", "stride", "padding", "output_padding", "dilation"]
                .map(|name| pair(arguments, name, 2, 1));
        let mut larger = [0; 2];
        for (axis, size) in [height, width].into_iter().enumerate() {
            let reach = (kernel[axis] - 1) * dilation[axis] + 1;
            let whole = (size - 1) * stride[axis] + reach + output_padding[axis];
            if output_padding[axis] >= stride[axis].max(dilation[axis]) {
                let label = format!(
                    "expected less than {}, found {}",
                    stride[axis].max(dilation[axis]),
                    output_padding[axis]
                );
                let message = "`output_padding` is less than the stride or the dilation";
                let mut error = cx.error(Code::E0205, message, label);
                error.primary.span = arguments.span("output_padding").unwrap_or(cx.span);
                error.help.push("a larger stride makes a larger image".to_owned());
                return Err(error);
            }
            let Some(rest @ 1..) = whole.checked_sub(2 * padding[axis]) else {
                let found = format!("found 2 * {} = {}", padding[axis], 2 * padding[axis]);
                let label = format!("expected less than {whole} rows or columns, {found}");
                let mut error = cx.error(Code::E0205, "`padding` takes the whole image off", label);
                error.primary.span = arguments.span("padding").unwrap_or(cx.span);
                error.help.push(format!("use `padding = {}` or less", (whole - 1) / 2));
                return Err(error);
            };
            larger[axis] = rest;
        }
        // The convolution that this is the gradient of goes from the larger image to the smaller one.
        let window = Window {
            input: [channels, larger[0], larger[1]],
            output: [from, height, width],
            kernel,
            stride,
            padding,
            dilation,
            groups,
        };
        let operands = operands(cx, arguments, x, &window, [channels, from], 2)?;
        Ok(cx.operator(ConvBack(window), operands, window.input.to_vec()))
    }
}
