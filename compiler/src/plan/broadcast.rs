//! Values that are nothing but another one spread out are read where they are used, instead of being kept.

use crate::graph::{Graph, Op};

/// Marks what is read in place: a spread value that only scalar functions and reductions use, for they read number by
/// number. With lanes over features there is no such reading.
pub fn broadcast(graph: &Graph) -> Graph {
    let mut in_place: Vec<Option<(usize, usize)>> = graph
        .nodes
        .iter()
        .map(|node| match &node.op {
            Op::Operator(op) => op.spreads(),
            _ => None,
        })
        .collect();
    let mut keep = |id: crate::graph::NodeId| {
        if let Some(slot) = in_place.get_mut(id.0 as usize) {
            *slot = None;
        }
    };
    graph.roots().into_iter().for_each(&mut keep);
    for node in &graph.nodes {
        if !matches!(node.op, Op::Pointwise(_) | Op::Reduce(_)) {
            node.inputs.iter().copied().for_each(&mut keep);
        }
    }
    let mut graph = graph.clone();
    for (node, spread) in graph.nodes.iter_mut().zip(in_place) {
        if let Some((inner, len)) = spread {
            node.op = Op::Broadcast { inner, len };
        }
    }
    graph
}
