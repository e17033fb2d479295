//! Passes over rows: scalar functions and reductions of the same samples, computed together.
//!
//! Wide values have one number a feature, narrow ones one number a sample. A reduction needs a whole pass over the
//! features before its result can be used, so a step is cut into passes: `phase` says in which pass a wide value can
//! be computed, and after how many passes a narrow one is there.

use std::collections::BTreeMap;

use crate::graph::{Graph, NodeId, Op};
use crate::scalar::cost;

/// Statements up to which a pass is written out feature by feature.
const STATEMENTS_UNROLLED: usize = 160;
/// Features up to which it is.
const FEATURES_UNROLLED: usize = 16;
/// Vector instructions above which a value is kept for a later pass instead of being computed again.
const CHEAP: u32 = 6;

/// Features of the wide values of a step: 1 when all are narrow.
pub fn width(graph: &Graph, nodes: &[NodeId]) -> usize {
    let lens = nodes.iter().flat_map(|id| {
        let node = graph.node(*id);
        std::iter::once(node.len()).chain(node.inputs.iter().map(|input| graph.node(*input).len()))
    });
    lens.max().unwrap_or(1)
}

/// The width of a step with one more node; `None` if it does not belong with the others.
pub fn width_with(graph: &Graph, nodes: &[NodeId], more: NodeId) -> Option<usize> {
    let (old, new) = (width(graph, nodes), width(graph, &[more]));
    (old == 1 || new == 1 || old == new).then_some(old.max(new))
}

/// Whether the passes are written out feature by feature.
pub fn is_unrolled(graph: &Graph, nodes: &[NodeId]) -> bool {
    let width = width(graph, nodes);
    width <= FEATURES_UNROLLED && width * nodes.len() <= STATEMENTS_UNROLLED
}

/// The phase of every node of a step.
pub fn phases(graph: &Graph, nodes: &[NodeId]) -> BTreeMap<NodeId, usize> {
    let mut phases: BTreeMap<NodeId, usize> = BTreeMap::new();
    for id in nodes {
        let node = graph.node(*id);
        let operands = node.inputs.iter().filter_map(|input| phases.get(input)).copied().max().unwrap_or(0);
        let phase = if matches!(node.op, Op::Reduce(_)) { operands + 1 } else { operands };
        phases.insert(*id, phase);
    }
    phases
}

/// Wide values that a later pass needs and that cost too much to compute again: they are kept in memory.
pub fn kept(graph: &Graph, nodes: &[NodeId]) -> Vec<NodeId> {
    if is_unrolled(graph, nodes) {
        return Vec::new();
    }
    let phases = phases(graph, nodes);
    let phase = |id: &NodeId| phases.get(id).copied().unwrap_or(0);
    let is_wide = |id: &NodeId| graph.node(*id).len() > 1;
    let expensive = |id: &NodeId| match &graph.node(*id).op {
        Op::Pointwise(scalar) => cost(scalar) > CHEAP,
        _ => false,
    };
    let needed_later = |id: &NodeId| {
        nodes.iter().any(|user| {
            let node = graph.node(*user);
            let pass = if matches!(node.op, Op::Reduce(_)) { phase(user) - 1 } else { phase(user) };
            node.inputs.contains(id) && pass > phase(id)
        })
    };
    nodes.iter().copied().filter(|id| is_wide(id) && expensive(id) && needed_later(id)).collect()
}
