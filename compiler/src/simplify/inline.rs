//! Putting scalar functions into the functions that use them.

use crate::graph::{Graph, NodeId, Op};
use crate::scalar::{Scalar, Variable, simplify};

/// The largest formula that is made, so that no chain makes the emitted function too long.
const LARGEST: usize = 64;

/// A formula over `inputs` with the formulas of pointwise operands put in, where `is_taken` says so and the result does
/// not grow too large; simplified, over the operands that it still names.
pub fn inlined(
    graph: &Graph,
    scalar: &Scalar,
    inputs: &[NodeId],
    mut is_taken: impl FnMut(NodeId, &Scalar) -> bool,
) -> (Scalar, Vec<NodeId>) {
    let mut kept: Vec<NodeId> = Vec::new();
    let mut parts: Vec<Scalar> = Vec::new();
    for id in inputs {
        let operand = graph.node(*id);
        let part = match &operand.op {
            Op::Pointwise(inner) if inner.size() + scalar.size() <= LARGEST && is_taken(*id, inner) => inner
                .substitute(&mut |variable| match variable {
                    Variable::Input(n) => {
                        operand.inputs.get(n as usize).map(|id| Scalar::input(place(&mut kept, *id)))
                    }
                    _ => None,
                }),
            _ => Scalar::input(place(&mut kept, *id)),
        };
        parts.push(part);
    }
    let joined = scalar.substitute(&mut |variable| match variable {
        Variable::Input(n) => parts.get(n as usize).cloned(),
        _ => None,
    });
    without_unused(simplify(&joined), &kept)
}

/// The place of an operand in a list, to which it is added if it is not there.
fn place(inputs: &mut Vec<NodeId>, id: NodeId) -> u32 {
    let at = inputs.iter().position(|known| *known == id).unwrap_or_else(|| {
        inputs.push(id);
        inputs.len() - 1
    });
    at as u32
}

/// Drops operands that the formula no longer names.
fn without_unused(scalar: Scalar, inputs: &[NodeId]) -> (Scalar, Vec<NodeId>) {
    let mut kept: Vec<NodeId> = Vec::new();
    let scalar = scalar.substitute(&mut |variable| match variable {
        Variable::Input(n) => inputs.get(n as usize).map(|id| Scalar::input(place(&mut kept, *id))),
        _ => None,
    });
    (scalar, kept)
}
