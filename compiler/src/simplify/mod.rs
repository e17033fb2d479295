//! Rewrites of the graph: each keeps the value, and makes it cheaper or steadier.
//!
//! Before differentiation: [`frozen`] gives frozen layers their form of prediction, and [`stable_forms`] joins softmax and sigmoid with the logarithm that a loss takes of them.
//! After it: `lower` writes softmax as reductions, `reshape` drops shapes that memory does not see,
//! `one_hot` sums a single hot element directly, `common` computes equal values once, and `fuse_pointwise`
//! joins chains of scalar functions. `far` lets sums over many positions turn their gradient round by themselves. At last [`recompute`] copies what is computed again on the way back, and
//! [`apart`] gives what takes much memory for one sample a value of its own.

mod apart;
mod common;
mod far;
mod fuse_pointwise;
mod inference;
mod inline;
mod lower;
mod one_hot;
mod parts;
mod recompute;
mod reshape;
mod rewrite;
mod stable_forms;

pub use apart::apart;
pub use inference::{frozen, inference};
pub use lower::Lowering;
pub use recompute::recompute;
pub use stable_forms::stable_forms;

use std::sync::Arc;

use parts::parts;

use crate::graph::{Graph, Op};
use crate::ops::scan::Scan;

/// One pass, with its name for dumps.
type Pass = (&'static str, fn(Graph) -> Graph);

/// The passes after differentiation, in order.
pub const PASSES: &[Pass] = &[
    ("lower", lower::lower),
    ("reshape", reshape::reshape),
    ("far", far::far),
    ("common", common::common),
    ("one_hot", one_hot::one_hot),
    ("fuse_pointwise", fuse_pointwise::fuse_pointwise),
    ("common", common::common),
];

/// Runs every pass once, on the steps of scans too.
pub fn simplify(graph: Graph) -> Graph {
    let mut graph = graph;
    for node in &mut graph.nodes {
        if let Op::Operator(op) = &node.op
            && let Some(scan) = op.scan()
        {
            let scan = Scan { body: simplify(scan.body.clone()), ..scan.clone() };
            node.op = Op::Operator(Arc::new(scan));
        }
    }
    PASSES.iter().fold(parts(graph), |graph, (_, pass)| pass(graph))
}

/// The graph from input to output alone.
pub fn without_loss(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    graph.loss = None;
    graph.updates.clear();
    rewrite::drop_unused(graph)
}
