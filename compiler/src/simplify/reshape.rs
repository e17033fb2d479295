//! A reshape is the same memory: what uses it can use what it was made from.

use super::rewrite::rewrite;
use crate::graph::{Graph, Op};

/// Drops every reshape but one of the model's input or output, whose shape users see.
pub fn reshape(graph: Graph) -> Graph {
    let output = graph.output;
    let mut at = 0;
    rewrite(graph, |out, node| {
        let is_output = at == output.0;
        at += 1;
        match (&node.op, node.inputs.first()) {
            (Op::Reshape, Some(source)) if !is_output => *source,
            _ => out.push(node),
        }
    })
}
