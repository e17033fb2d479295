//! # residual
//!
//! `residual { … }`: the value that goes in, added to what comes out of the body.
//!
//! Shapes: `[F]` to what the body makes of it. Where the two differ, the value that goes in passes through a dense
//! layer without bias, the shortcut, whose parameter is `<name>.shortcut`.
//!
//! Example: `residual { dense(32) -> relu -> dense(32) } -> relu`. Source: He, Zhang, Ren, Sun 2016, equations 1, 2.

use nnc_grammar::diagnostic::{Code, Diagnostic};

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
