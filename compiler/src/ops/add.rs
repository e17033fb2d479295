//! # add
//!
//! `add(a, b)`: the sum of values of one shape, element by element.
//!
//! Formula: y = a + b
//!
//! Shapes: two or more of the same shape, unchanged.
//!
//! Example: `let main = dense(16)  add(main, skip)`. Source: PyTorch `torch.add`.

use nnc_grammar::diagnostic::{Code, Diagnostic, Label};

use super::{Argument, Arguments, Arity, Layer};
use crate::graph::{Builder, NodeId};
use crate::scalar::{Binary, Scalar};

/// The layer.
#[derive(Debug)]
pub struct Add;

impl Layer for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn summary(&self) -> &'static str {
        "the sum of values of one shape"
    }

    fn page(&self) -> &'static str {
        include_str!("add.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[]
    }

    fn arity(&self) -> Arity {
        Arity::Several
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        _: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [first, rest @ ..] = inputs else {
            return Err(cx.error(Code::E0302, "`add` takes two or more values", "found none"));
        };
        let shape = cx.shape(*first).to_vec();
        if let Some(other) = rest.iter().find(|id| cx.shape(**id) != shape) {
            return Err(differ(cx, "add", *first, *other));
        }
        Ok(sum(cx, inputs, shape))
    }
}

/// Adds the sum of values of one shape.
pub fn sum(cx: &mut Builder<'_>, inputs: &[NodeId], shape: Vec<usize>) -> NodeId {
    let scalar = (1..inputs.len() as u32)
        .fold(Scalar::input(0), |sum, n| Scalar::binary(Binary::Add, sum, Scalar::input(n)));
    cx.pointwise(scalar, inputs.to_vec(), shape)
}

/// Two values should have one shape and do not.
pub fn differ(cx: &Builder<'_>, name: &str, expected: NodeId, found: NodeId) -> Box<Diagnostic> {
    let (want, have) = (cx.shape(expected).to_vec(), cx.shape(found).to_vec());
    let mut error = cx.error(
        Code::E0304,
        format!("inputs of `{name}` differ in shape"),
        format!("expected {want:?}, found {have:?}"),
    );
    for (id, shape) in [(expected, &want), (found, &have)] {
        let layer = cx.graph.layer(cx.graph.node(id).layer);
        error.secondary.push(Label { span: layer.span, text: format!("`{}` is {shape:?}", layer.name) });
    }
    if let ([units], [_]) = (want.as_slice(), have.as_slice()) {
        error.help.push(format!("bring the second to that shape with `dense({units})`"));
    } else {
        error.help.push("bring them to one shape first, for instance with `flatten -> dense(…)`".to_owned());
    }
    error
}
