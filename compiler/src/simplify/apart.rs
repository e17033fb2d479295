//! What takes much memory inside of a function for one sample gets memory of its own, as every other value has.

use super::rewrite::rewrite;
use crate::graph::{Graph, Node, Op};

/// Writes operators in two that do something to their first operand beforehand which takes much memory.
pub fn apart(graph: &Graph) -> Graph {
    rewrite(graph.clone(), |out, mut node| {
        if let Op::Operator(op) = &node.op
            && let Some(two) = op.apart()
            && let Some(first) = node.inputs.first_mut()
        {
            let operand = Node {
                op: Op::Operator(two.operand),
                inputs: vec![*first],
                shape: two.shape,
                batched: node.batched,
                layer: node.layer,
                direction: node.direction,
                gradient_of: None,
            };
            *first = out.push(operand);
            node.op = Op::Operator(two.rest);
        }
        out.push(node)
    })
}
