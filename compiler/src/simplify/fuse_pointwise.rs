//! Chains of scalar functions become one.
//!
//! A pointwise node whose value is used once, by a pointwise node over the same elements, is put into its user. A
//! function that costs no more than an addition is put into all of its users. Formulas stop growing at a bound, so
//! that no chain makes the emitted function too long.

use super::rewrite::rewrite;
use crate::graph::{Graph, NodeId, Op};
use crate::scalar::{Scalar, Variable, simplify};

/// The largest formula that fusion makes.
const LARGEST: usize = 64;

/// Joins chains of scalar functions.
pub fn fuse_pointwise(graph: Graph) -> Graph {
    let uses = graph.uses();
    let mut new_uses: Vec<u32> = Vec::new();
    let mut at = 0;
    rewrite(graph, |out, mut node| {
        let here = uses.get(at).copied().unwrap_or(0);
        at += 1;
        if let Op::Pointwise(scalar) = &node.op {
            let mut scalar = scalar.clone();
            let mut inputs: Vec<NodeId> = Vec::new();
            let mut place = |inputs: &mut Vec<NodeId>, id: NodeId| {
                inputs.iter().position(|known| *known == id).unwrap_or_else(|| {
                    inputs.push(id);
                    inputs.len() - 1
                }) as u32
            };
            let mut parts: Vec<Scalar> = Vec::new();
            for id in &node.inputs {
                let operand = out.node(*id);
                let same_elements = operand.len() == node.len() && operand.batched == node.batched;
                let count = new_uses.get(id.0 as usize).copied().unwrap_or(2);
                let part = match &operand.op {
                    Op::Pointwise(inner)
                        if same_elements
                            && (count <= 1 || inner.size() == 0)
                            && inner.size() + scalar.size() <= LARGEST =>
                    {
                        let sources = operand.inputs.clone();
                        inner.substitute(&mut |variable| match variable {
                            Variable::Input(n) => {
                                sources.get(n as usize).map(|id| Scalar::input(place(&mut inputs, *id)))
                            }
                            _ => None,
                        })
                    }
                    _ => Scalar::input(place(&mut inputs, *id)),
                };
                parts.push(part);
            }
            scalar = scalar.substitute(&mut |variable| match variable {
                Variable::Input(n) => parts.get(n as usize).cloned(),
                _ => None,
            });
            let (scalar, inputs) = without_unused(simplify(&scalar), inputs);
            node.op = Op::Pointwise(scalar);
            node.inputs = inputs;
        }
        let id = out.push(node);
        new_uses.resize(out.nodes.len(), 0);
        if let Some(count) = new_uses.get_mut(id.0 as usize) {
            *count = here;
        }
        id
    })
}

/// Drops operands that the formula no longer names.
fn without_unused(scalar: Scalar, inputs: Vec<NodeId>) -> (Scalar, Vec<NodeId>) {
    let mut kept: Vec<NodeId> = Vec::new();
    let scalar = scalar.substitute(&mut |variable| match variable {
        Variable::Input(n) => inputs.get(n as usize).map(|id| {
            let at = kept.iter().position(|known| known == id).unwrap_or_else(|| {
                kept.push(*id);
                kept.len() - 1
            });
            Scalar::input(at as u32)
        }),
        _ => None,
    });
    (scalar, kept)
}
