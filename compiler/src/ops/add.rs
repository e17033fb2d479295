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

use super::{Argument, Arguments, Arity, InCells, Layer};
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

    fn in_cells(&self) -> InCells {
        InCells::Step
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
    let differing: Vec<(usize, usize, usize)> = want
        .iter()
        .zip(&have)
        .enumerate()
        .filter(|(_, (a, b))| a != b)
        .map(|(axis, (a, b))| (axis, *a, *b))
        .collect();
    let n_axes = want.len();
    if n_axes == have.len() && n_axes > 1 {
        let named: Vec<String> =
            differing.iter().map(|(axis, a, b)| format!("{} ({a}, {b})", axis_name(*axis, n_axes))).collect();
        error.notes.push(format!("they differ in {}", named.join(" and ")));
    }
    error.help.push(match (want.as_slice(), have.as_slice(), differing.as_slice()) {
        ([units], [_], _) => format!("bring the second to that shape with `dense({units})`"),
        ([_, _, _], [_, _, _], [(0, channels, _)]) => {
            format!("bring the second to that shape with `conv2d({channels}, kernel = 1)`")
        }
        ([_, _, ..], [_, _, ..], _) if n_axes == have.len() => {
            "bring them to one shape first: pools make images smaller, `pad` and `upsample` larger".to_owned()
        }
        _ => "bring them to one shape first, for instance with `flatten -> dense(…)`".to_owned(),
    });
    error
}

/// What an axis of a value is called.
fn axis_name(axis: usize, n_axes: usize) -> String {
    let names: &[&str] = match n_axes {
        1 => &["features"],
        2 => &["channels", "length"],
        3 => &["channels", "height", "width"],
        _ => &[],
    };
    names.get(axis).map_or_else(|| format!("axis {axis}"), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use nnc_grammar::diagnostic::{Code, Diagnostic};

    use crate::compile::{Options, compile};

    fn fault_of(body: &str) -> Diagnostic {
        let found = compile("m.nn", &format!("model M {{ {body} }}"), &Options::default()).diagnostics;
        let [fault] = found.as_slice() else { panic!("{body}: {found:?}") };
        fault.clone()
    }

    #[test]
    fn both_places_and_what_differs() {
        let fault = fault_of("input x: [3, 8, 6] let a = relu let b = a -> max_pool2d([2, 1]) add(a, b)");
        assert_eq!((fault.code, fault.message.as_str()), (Code::E0304, "inputs of `add` differ in shape"));
        assert_eq!(fault.primary.text, "expected [3, 8, 6], found [3, 4, 6]");
        let places: Vec<&str> = fault.secondary.iter().map(|label| label.text.as_str()).collect();
        assert_eq!(places, ["`relu` is [3, 8, 6]", "`max_pool2d` is [3, 4, 6]"]);
        assert_eq!(fault.notes, ["they differ in height (8, 4)"]);
        assert!(fault.help[0].contains("`upsample`"), "{fault:?}");
        let fault = fault_of("input x: [4, 2, 2] let a = relu let b = a -> slice(0, 0, 2) add(a, b)");
        assert_eq!(fault.notes, ["they differ in channels (4, 2)"]);
        let fault = fault_of("input x: [4] let a = dense(3) let b = dense(2) add(a, b)");
        assert_eq!(
            (fault.notes.len(), fault.help[0].as_str()),
            (0, "bring the second to that shape with `dense(3)`")
        );
        let fault = fault_of("input x: [4, 2] let a = relu let b = flatten add(a, b)");
        assert!(fault.help[0].contains("flatten"), "{fault:?}");
    }
}
