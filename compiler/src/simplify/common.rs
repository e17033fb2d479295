//! Equal values are computed once.

use std::collections::HashMap;

use super::rewrite::rewrite;
use crate::graph::{Direction, Graph, Node, NodeId, Op};

/// Joins nodes that compute the same from the same operands.
pub fn common(graph: Graph) -> Graph {
    let mut known: HashMap<(Vec<NodeId>, Vec<usize>, bool), Vec<NodeId>> = HashMap::new();
    rewrite(graph, |out, node: Node| {
        // The kernel of a parameter's gradient makes the update too, so each parameter keeps one of its own: biases of
        // layers that are added up have equal gradients.
        let is_parameter_gradient = !node.batched && node.direction == Direction::Backward;
        if matches!(node.op, Op::Total) || is_parameter_gradient {
            return out.push(node);
        }
        let key = (node.inputs.clone(), node.shape.clone(), node.batched);
        let alike = known.entry(key).or_default();
        if let Some(equal) = alike.iter().find(|id| out.node(**id).op == node.op) {
            return *equal;
        }
        let id = out.push(node);
        alike.push(id);
        id
    })
}
