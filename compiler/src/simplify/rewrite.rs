//! Rebuilding a graph node by node: the one mechanism that every rewrite uses.

use crate::graph::{Graph, Node, NodeId};

/// Rebuilds `graph`. `rule` is given the new graph and each node, in order, with its operands already in terms of the
/// new graph; it adds what it wants and returns the node that takes the old one's place. Nodes that nothing uses any
/// more are dropped.
pub fn rewrite(graph: Graph, mut rule: impl FnMut(&mut Graph, Node) -> NodeId) -> Graph {
    drop_unused(rebuild(graph, |out, node| Some(rule(out, node))))
}

/// Drops nodes that no root depends on.
pub fn drop_unused(graph: Graph) -> Graph {
    let mut used = vec![false; graph.nodes.len()];
    let mut mark = |id: NodeId| match used.get_mut(id.0 as usize) {
        Some(slot) => std::mem::replace(slot, true),
        None => true,
    };
    let mut pending = graph.roots();
    while let Some(id) = pending.pop() {
        if !mark(id) {
            pending.extend(graph.node(id).inputs.iter().copied());
        }
    }
    let mut flags = used.into_iter();
    rebuild(graph, |out, node| flags.next().unwrap_or(true).then(|| out.push(node)))
}

/// Rebuilds with `rule`; a node for which it gives nothing must have no use but `gradient_of`.
fn rebuild(graph: Graph, mut rule: impl FnMut(&mut Graph, Node) -> Option<NodeId>) -> Graph {
    let mut out = graph;
    let old = std::mem::take(&mut out.nodes);
    out.nodes.reserve(old.len());
    let mut places: Vec<Option<NodeId>> = Vec::with_capacity(old.len());
    let place = |places: &[Option<NodeId>], id: NodeId| places.get(id.0 as usize).copied().flatten();
    for mut node in old {
        for input in &mut node.inputs {
            *input = place(&places, *input).unwrap_or(*input);
        }
        node.gradient_of = node.gradient_of.and_then(|of| place(&places, of));
        let new = rule(&mut out, node);
        places.push(new);
    }
    let new = |id: NodeId| place(&places, id).unwrap_or(id);
    for input in &mut out.inputs {
        input.node = new(input.node);
    }
    out.output = new(out.output);
    if let Some(loss) = &mut out.loss {
        loss.total = new(loss.total);
    }
    for update in &mut out.updates {
        update.gradient = new(update.gradient);
    }
    for tracking in &mut out.tracking {
        tracking.value = new(tracking.value);
    }
    for carried in &mut out.carried {
        carried.value = new(carried.value);
    }
    for result in &mut out.results {
        *result = new(*result);
    }
    out
}
