//! Chains of scalar functions become one.
//!
//! A pointwise node whose value is used once, by a pointwise node over the same elements, is put into its user. A
//! function that costs no more than an addition is put into all of its users.

use super::inline::inlined;
use super::rewrite::rewrite;
use crate::graph::{Graph, Node, Op, Spread};
use crate::scalar::{Scalar, Variable};

/// Joins chains of scalar functions.
pub fn fuse_pointwise(graph: Graph) -> Graph {
    let (uses, output) = (graph.uses(), graph.output);
    let mut new_uses: Vec<u32> = Vec::new();
    let mut at = 0;
    rewrite(graph, |out, mut node| {
        let here = uses.get(at).copied().unwrap_or(0);
        let is_output = at == output.0 as usize;
        at += 1;
        if let Op::Pointwise(scalar) = &node.op {
            let (scalar, inputs) = inlined(out, scalar, &node.inputs, |id, inner| {
                let operand = out.node(id);
                let same_elements = operand.len() == node.len() && operand.batched == node.batched;
                // What is spread over positions, or looks at its place among features, is so by the shape of its node.
                let same_elements = same_elements && (operand.shape == node.shape || is_plain(out, operand));
                let count = new_uses.get(id.0 as usize).copied().unwrap_or(2);
                same_elements && (count <= 1 || inner.size() == 0)
            });
            // A value that is another is that other, unless users see its shape.
            if let ([same], true) = (inputs.as_slice(), scalar == Scalar::input(0))
                && out.node(*same).len() == node.len()
                && out.node(*same).batched == node.batched
                && (!is_output || out.node(*same).shape == node.shape)
            {
                if let Some(count) = new_uses.get_mut(same.0 as usize) {
                    *count += here.saturating_sub(1);
                }
                return *same;
            }
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

/// Whether a node is the same function of the same elements under any shape.
fn is_plain(graph: &Graph, node: &Node) -> bool {
    let Op::Pointwise(scalar) = &node.op else { return false };
    let spreads = node.inputs.iter().map(|input| graph.spread(node, *input));
    let mut spreads = spreads.map(|spread| matches!(spread, Some(Spread::Elements | Spread::One)));
    spreads.all(|is_plain| is_plain) && !scalar.depends_on(Variable::Index)
}
