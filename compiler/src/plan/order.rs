//! The order in which nodes are computed.

use crate::graph::{Direction, Graph, NodeId, Op, ParameterId, ValueLayout};

/// The nodes, each behind its operands, and those that update a parameter behind all that read it: the gradient of one
/// parameter of an activation may be a formula of another.
pub(super) fn order(graph: &Graph) -> Vec<NodeId> {
    let last_reader = |parameter: ParameterId| {
        let reads = |id: &NodeId| {
            let inputs = &graph.node(*id).inputs;
            inputs
                .iter()
                .any(|input| matches!(graph.node(graph.source(*input)).op, Op::Parameter(read) if read == parameter))
        };
        graph.ids().filter(reads).max()
    };
    let mut held: Vec<(NodeId, NodeId)> = Vec::new();
    for update in &graph.updates {
        if let Some(reader) = last_reader(update.parameter).filter(|reader| *reader > update.gradient) {
            held.push((reader, update.gradient));
        }
    }
    let mut order = Vec::with_capacity(graph.nodes.len());
    for id in figures_first(graph) {
        if !held.iter().any(|(_, gradient)| *gradient == id) {
            order.push(id);
        }
        order.extend(held.iter().filter(|(reader, _)| *reader == id).map(|(_, gradient)| *gradient));
    }
    sums_behind(graph, updates_last(graph, order))
}

/// The same nodes, of each layer backward first what is handed on and then what updates its parameters, so that work
/// that is divided alike stands together.
fn updates_last(graph: &Graph, order: Vec<NodeId>) -> Vec<NodeId> {
    let place = |id: &NodeId| (graph.node(*id).layer, graph.node(*id).direction);
    let is_of_update =
        |id: &NodeId| matches!(graph.layout(*id), ValueLayout::SampleRows | ValueLayout::Parameter);
    let mut out = Vec::with_capacity(order.len());
    for together in order.chunk_by(|a, b| place(a) == place(b)) {
        let (last, first): (Vec<NodeId>, Vec<NodeId>) = match together.first().map(place) {
            Some((_, Direction::Backward)) => together.iter().copied().partition(is_of_update),
            _ => (Vec::new(), together.to_vec()),
        };
        // What is made of a gradient of a parameter stays behind it.
        let is_needed =
            first.iter().any(|id| graph.node(*id).inputs.iter().any(|input| last.contains(input)));
        if is_needed {
            out.extend_from_slice(together);
        } else {
            out.extend(first.into_iter().chain(last));
        }
    }
    out
}

/// The same nodes, where a sum comes right behind what can make it on the way.
fn sums_behind(graph: &Graph, mut order: Vec<NodeId>) -> Vec<NodeId> {
    let sums: Vec<NodeId> = order.iter().copied().filter(|id| graph.adds_up(*id)).collect();
    for sum in sums {
        let is_used = graph.nodes.iter().any(|node| node.inputs.contains(&sum));
        let maker = order.iter().copied().find(|id| graph.makes_sum(*id, sum));
        let Some(maker) = maker.filter(|_| !is_used) else { continue };
        order.retain(|id| *id != sum);
        let at = order.iter().position(|id| *id == maker).map_or(order.len(), |at| at + 1);
        order.insert(at, sum);
    }
    order
}

/// All nodes in an order in which they can be computed: first what depends on parameters alone, so that the tile of a
/// layer can use what a later one makes of its running figures.
fn figures_first(graph: &Graph) -> Vec<NodeId> {
    let mut depends: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let inherits = node.inputs.iter().any(|id| depends.get(id.0 as usize).copied().unwrap_or(true));
        depends.push(node.batched || inherits);
    }
    let depends = |id: &NodeId| depends.get(id.0 as usize).copied().unwrap_or(true);
    let figures = graph.ids().filter(|id| !depends(id));
    figures.chain(graph.ids().filter(depends)).collect()
}
