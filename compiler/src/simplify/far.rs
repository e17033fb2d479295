//! Gradients of many positions are turned round a little at a time by what sums over them.
//!
//! Turned round as a whole they would be written far from the processor and read again from there.

use super::rewrite::rewrite;
use crate::graph::{Graph, Op, ValueLayout};

/// Gives those that can turn a value of many positions round by themselves the value as it lies.
pub fn far(graph: Graph) -> Graph {
    rewrite(graph, |out, mut node| {
        if let Op::Operator(op) = &node.op
            && op.can_turn()
            && let Some(operand) = node.inputs.last_mut()
            && out.layout(*operand) == ValueLayout::SampleRows
            && let rows = out.node(*operand)
            && rows.len() > rows.row()
            && let Some(value) = rows.inputs.first()
        {
            *operand = *value;
        }
        out.push(node)
    })
}
