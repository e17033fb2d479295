//! The form that a graph has in prediction and evaluation: nothing is drawn, and no figure is that of a batch.

use super::lower::Lowering;
use super::rewrite::rewrite;
use crate::graph::{Graph, Op};

/// Puts every operator into the form that it has in prediction. A graph as `infer` makes it has that of training.
pub fn inference(graph: Graph) -> Graph {
    let mut graph = graph;
    graph.tracking.clear();
    rewrite(graph, |out, node| {
        if let Op::Operator(op) = &node.op {
            let op = op.clone();
            if let Some(id) = op.inference(&mut Lowering::new(&node, out)) {
                return id;
            }
        }
        out.push(node)
    })
}
