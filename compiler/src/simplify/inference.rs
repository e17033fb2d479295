//! The form that a graph has in prediction and evaluation: nothing is drawn, and no figure is that of a batch.

use std::sync::Arc;

use super::lower::Lowering;
use super::rewrite::rewrite;
use crate::graph::{Graph, LayerId, Op, ParameterId};
use crate::ops::scan::Scan;

/// Puts every operator into the form that it has in prediction. A graph as `infer` makes it has that of training.
pub fn inference(graph: Graph) -> Graph {
    let mut graph = graph;
    graph.tracking.clear();
    inference_of(anew(graph), |_| true)
}

/// Lets every cell begin with what its states are at first: no step was before it.
fn anew(graph: Graph) -> Graph {
    if graph.carried.is_empty() {
        return graph;
    }
    let mut graph = graph;
    graph.carried.clear();
    rewrite(graph, |out, mut node| {
        if let Op::Operator(op) = &node.op
            && let Some(scan) = op.scan().filter(|scan| scan.is_carried)
        {
            node.inputs.drain(scan.given());
            node.op = Op::Operator(Arc::new(Scan { is_carried: false, ..scan.clone() }));
        }
        out.push(node)
    })
}

/// Puts the operators of frozen layers into the form that they have in prediction, for a training step too: their
/// figures stay as they are, and nothing is drawn.
pub fn frozen(graph: Graph) -> Graph {
    if !graph.layers.iter().any(|layer| layer.is_frozen) {
        return graph;
    }
    let mut graph = graph;
    let is_frozen: Vec<bool> = graph.layers.iter().map(|layer| layer.is_frozen).collect();
    let is_frozen = |layer: LayerId| is_frozen.get(layer.0 as usize).copied().unwrap_or(false);
    let parameters = &graph.parameters;
    let layer_of = |buffer: ParameterId| parameters.get(buffer.0 as usize).map(|buffer| buffer.layer);
    graph.tracking.retain(|tracking| !layer_of(tracking.buffer).is_some_and(is_frozen));
    inference_of(graph, is_frozen)
}

/// Puts the operators of some layers into the form that they have in prediction.
fn inference_of(graph: Graph, is_in: impl Fn(LayerId) -> bool) -> Graph {
    rewrite(graph, |out, node| {
        if let Op::Operator(op) = &node.op
            && is_in(node.layer)
        {
            let op = op.clone();
            if let Some(id) = op.inference(&mut Lowering::new(&node, out)) {
                return id;
            }
        }
        out.push(node)
    })
}
