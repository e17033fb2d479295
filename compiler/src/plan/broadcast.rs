//! Values that are nothing but another one spread out are read where they are used, instead of being kept.

use super::LANES;
use crate::graph::{Graph, Node, Op};

/// Marks what is read in place: a spread value that only scalar functions and reductions use, for they read number by
/// number.
pub fn broadcast(graph: &Graph) -> Graph {
    mark(graph, |_, _| true)
}

/// The same for lanes over features, where all numbers of a row are read at once: they have to be spread from one
/// number, for images, whose features are not cut into positions.
pub fn broadcast_rows(graph: &Graph) -> Graph {
    mark(graph, |node, user| {
        let whole_rows = match &node.op {
            Op::Operator(op) => op.spreads().is_some_and(|(inner, _)| inner.is_multiple_of(LANES)),
            _ => false,
        };
        let operand = node.inputs.first().map(|id| &graph.node(*id).op);
        whole_rows
            && user.shape.len() > 2
            && matches!(user.op, Op::Pointwise(_))
            && !matches!(operand, Some(Op::Constant(..) | Op::Broadcast { .. }))
    })
}

/// Marks spread values all of whose users take them in place.
fn mark(graph: &Graph, takes: impl Fn(&Node, &Node) -> bool) -> Graph {
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
        let is_read = matches!(node.op, Op::Pointwise(_) | Op::Reduce(_));
        let kept = node.inputs.iter().copied().filter(|id| !is_read || !takes(graph.node(*id), node));
        kept.for_each(&mut keep);
    }
    let mut graph = graph.clone();
    for (node, spread) in graph.nodes.iter_mut().zip(in_place) {
        if let Some((inner, len)) = spread {
            node.op = Op::Broadcast { inner, len };
        }
    }
    graph
}
