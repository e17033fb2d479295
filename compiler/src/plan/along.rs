//! What the work of a function can be divided along, for threads.
//!
//! A part of the work computes its own results whole, in the order in which the whole work does, so that no bit depends
//! on how many parts there are. What is not divided alike is not in one function, where it takes long enough to be
//! divided at all.

use crate::costs::flops;
use crate::graph::{Graph, Node, NodeId, Op, ValueLayout};

use super::{Function, LANES, Step};

/// What work can be divided along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Along {
    /// Groups of sixteen samples.
    Groups,
    /// Positions of the samples of each group, so many.
    Positions(usize),
    /// Panels of sixteen outputs of a weight, so many.
    Panels(usize),
    /// Rows of a convolution's kernel, of each of its channels: so many, of so many weights each.
    Taps(usize, usize),
    /// The value of one sample: so many units of so many rows each.
    Rows(usize, usize),
}

impl Along {
    /// How many units there are for a batch of so many groups.
    pub fn units(self, groups: usize) -> usize {
        match self {
            Self::Groups => groups,
            Self::Positions(positions) => groups * positions,
            Self::Panels(units) | Self::Taps(units, _) | Self::Rows(units, _) => units,
        }
    }
}

/// Work, as far as functions have to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// What all of it can be divided along.
    pub along: Option<Along>,
    /// Positions that it can be divided along as well.
    pub positions: Option<usize>,
    /// Whether a part of it takes so long that another thread may help.
    pub is_long: bool,
}

/// Operations on numbers in a microsecond, about: what a core of a few years ago does with a good kernel.
const FLOPS: u64 = 40_000;
/// Bytes from and to memory in a microsecond, about.
const BYTES: u64 = 10_000;
/// Microseconds from which on work is divided: waking another thread and waiting for it takes one to five.
const LONG: u64 = 20;

impl Work {
    /// The work of a node for a batch.
    pub fn of(graph: &Graph, id: NodeId) -> Self {
        let node = graph.node(id);
        let samples = graph.batch.next_multiple_of(LANES) as u64;
        let operands: usize = node.inputs.iter().map(|input| in_memory(graph, *input)).sum();
        let bytes = (operands + in_memory(graph, id)) as u64 * 4;
        let time = (samples * flops(graph, node) / FLOPS).max(samples * bytes / BYTES);
        let positions = graph.positions(id);
        let along = match (&node.op, positions) {
            // Scalar functions are divided as what stands beside them.
            (Op::Operator(_), Some(positions)) => Some(Along::Positions(positions)),
            _ => along(graph, node),
        };
        Self { along, positions, is_long: time >= LONG }
    }

    /// Microseconds that the work of a node for one sample takes, about. It looks at all of its weights.
    fn of_one(graph: &Graph, id: NodeId) -> u64 {
        let node = graph.node(id);
        let weights = node.inputs.iter().map(|input| graph.node(graph.source(*input)));
        let weights = weights.filter(|weight| matches!(weight.op, Op::Parameter(_)));
        let bytes = 4 * weights.map(Node::len).sum::<usize>() as u64;
        (flops(graph, node) / FLOPS).max(bytes / BYTES)
    }

    /// Whether that is so long that another thread may help.
    pub fn is_long_for_one(graph: &Graph, id: NodeId) -> bool {
        Self::of_one(graph, id) >= LONG
    }

    /// Both together, if they may be in one function.
    pub fn with(self, other: Self) -> Option<Self> {
        let joined = self.joined(other);
        let is_alike = [self, other].iter().all(|part| {
            let positions = part.positions.map(Along::Positions);
            part.along == joined.along || positions.is_some() && positions == joined.along
        });
        (is_alike || !joined.is_long).then_some(joined)
    }

    /// Both together, in one function that may not be divided as well as each of them.
    pub fn joined(self, other: Self) -> Self {
        let positions = self.positions.filter(|positions| other.positions == Some(*positions));
        let along = match (self.along, other.along) {
            (Some(a), Some(b)) if a == b => Some(a),
            (Some(Along::Groups | Along::Positions(_)), Some(Along::Groups | Along::Positions(_))) => {
                Some(positions.map_or(Along::Groups, Along::Positions))
            }
            _ => None,
        };
        Self { along, positions, is_long: self.is_long || other.is_long }
    }
}

/// Microseconds of work for one sample from which on other threads are waked for it: calls are far apart, so that they
/// sleep, and waking them takes as long as some of its functions.
const WAKING: u64 = 400;

/// Whether so much of the work for one sample can be divided that other threads are worth waking.
pub fn wakes_for_one(graph: &Graph, functions: &[Function]) -> bool {
    let divided = functions.iter().filter(|function| function.division_of_one(graph).is_some());
    let nodes = divided.flat_map(|function| function.steps.iter().flat_map(Step::nodes));
    nodes.map(|id| Work::of_one(graph, id)).sum::<u64>() >= WAKING
}

/// Numbers of a value for a sample: none of what is the same for all.
fn in_memory(graph: &Graph, id: NodeId) -> usize {
    let node = graph.node(graph.source(id));
    if node.batched { node.len() } else { 0 }
}

/// What the work of a node can be divided along.
fn along(graph: &Graph, node: &Node) -> Option<Along> {
    match &node.op {
        Op::Operator(op) if op.mixes_samples() => None,
        Op::Operator(op) => op.along(graph, node),
        Op::Pointwise(_) | Op::Reduce(_) if node.batched => Some(Along::Groups),
        _ => None,
    }
}

/// What a value that lies for each group of samples can be divided along, and no other.
pub fn along_groups(node: &Node, layout: ValueLayout) -> Option<Along> {
    (node.batched && layout == ValueLayout::BatchLane).then_some(Along::Groups)
}
