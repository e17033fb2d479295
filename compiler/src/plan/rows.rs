//! Passes over rows: scalar functions and reductions of the same samples, computed together.
//!
//! Wide values have one number a feature, narrow ones one number a sample. A reduction needs a whole pass over the
//! features before its result can be used, so a step is cut into passes: `phase` says in which pass a wide value can
//! be computed, and after how many passes a narrow one is there. Of `[positions, features]` all of this may be so for
//! each position by itself: wide values have one number a feature, narrow ones one number a position.

use std::collections::BTreeMap;

use crate::graph::{Graph, NodeId, Op, Spread};
use crate::scalar::{Variable, cost};

/// Statements up to which a pass is written out feature by feature.
const STATEMENTS_UNROLLED: usize = 64;
/// Features up to which it is.
const FEATURES_UNROLLED: usize = 16;
/// Vector instructions above which a value is kept for a later pass instead of being computed again.
const CHEAP: u32 = 6;

/// What a step runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Positions of a sample, each of which is computed by itself: 1 where nothing looks at them.
    pub positions: usize,
    /// Features of the wide values, of each position: 1 when all are narrow.
    pub width: usize,
}

impl Frame {
    /// Whether a value has one number a feature, or a position's features each.
    pub fn is_wide(self, graph: &Graph, id: NodeId) -> bool {
        let (node, whole) = (graph.node(id), self.positions * self.width);
        let is_list = !node.batched && node.len() == self.width;
        self.width > 1 && (node.len() == whole || is_list)
    }
}

/// What a step of these nodes runs over; `None` if they do not belong together.
pub fn frame(graph: &Graph, nodes: &[NodeId]) -> Option<Frame> {
    let mut by_position: Option<Frame> = None;
    for wanted in nodes.iter().filter_map(|id| frame_of(graph, *id)) {
        let known = by_position.get_or_insert(wanted);
        if known.positions != wanted.positions
            || (known.width != wanted.width && known.width.min(wanted.width) > 1)
        {
            return None;
        }
        known.width = known.width.max(wanted.width);
    }
    let fits = |id: &NodeId, lens: &[usize]| lens.contains(&graph.node(*id).len());
    let Some(frame) = by_position else {
        let lens = nodes.iter().flat_map(|id| std::iter::once(id).chain(&graph.node(*id).inputs));
        let width = lens.map(|id| graph.node(*id).len()).max().unwrap_or(1);
        let all_fit = nodes.iter().all(|id| {
            fits(id, &[1, width]) && graph.node(*id).inputs.iter().all(|input| fits(input, &[1, width]))
        });
        return all_fit.then_some(Frame { positions: 1, width });
    };
    // What is one number a sample would be computed again for each position, and is not there before the last.
    let (positions, whole) = (frame.positions, frame.positions * frame.width);
    let all_fit = nodes.iter().all(|id| {
        let node = graph.node(*id);
        let is_total = matches!(node.op, Op::Total);
        let fits_input = |input: &NodeId| {
            let is_list = !graph.node(*input).batched && fits(input, &[frame.width]);
            is_list || fits(input, &[1, positions, whole])
        };
        let is_inside = node.inputs.iter().all(|input| !nodes.contains(input) || !fits(input, &[1]));
        is_inside && node.inputs.iter().all(fits_input) && (is_total || fits(id, &[positions, whole]))
    });
    all_fit.then_some(frame)
}

/// Whether a scalar function has operands or an index that depend on the position, so that its elements have more than
/// one place.
pub fn looks_at_positions(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    let Op::Pointwise(scalar) = &node.op else { return true };
    let by_index = scalar.depends_on(Variable::Index) && node.shape.len() == 2;
    by_index || node.inputs.iter().any(|input| graph.spread(node, *input) == Some(Spread::Positions))
}

/// The frame that a node asks for, if it looks at positions.
fn frame_of(graph: &Graph, id: NodeId) -> Option<Frame> {
    let node = graph.node(id);
    match &node.op {
        Op::Pointwise(scalar) => {
            let spread = |input: &NodeId| graph.spread(node, *input);
            let by_position =
                |input: &NodeId| matches!(spread(input), Some(Spread::Positions | Spread::Features));
            let looks = scalar.depends_on(Variable::Index) && node.shape.len() == 2;
            let positions = node.len() / node.row().max(1);
            (looks || node.inputs.iter().any(by_position)).then_some(Frame { positions, width: node.row() })
        }
        Op::Reduce(_) if node.len() > 1 => {
            let whole = node.inputs.first().map_or(1, |input| graph.node(*input).len());
            Some(Frame { positions: node.len(), width: whole / node.len() })
        }
        Op::Total => {
            let lens = node.inputs.iter().step_by(2).map(|loss| graph.node(*loss).len());
            let positions = lens.max().unwrap_or(1);
            (positions > 1).then_some(Frame { positions, width: 1 })
        }
        _ => None,
    }
}

/// Features of the wide values of a step: 1 when all are narrow.
pub fn width(graph: &Graph, nodes: &[NodeId]) -> usize {
    frame(graph, nodes).map_or(1, |frame| frame.width)
}

/// Whether the passes are written out feature by feature.
pub fn is_unrolled(graph: &Graph, nodes: &[NodeId]) -> bool {
    let Some(Frame { positions: 1, width }) = frame(graph, nodes) else { return false };
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
    let frame = frame(graph, nodes).unwrap_or(Frame { positions: 1, width: 1 });
    let is_wide = |id: &NodeId| frame.is_wide(graph, *id);
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
