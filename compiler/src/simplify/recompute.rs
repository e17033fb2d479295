//! `recompute { … }`: less memory for more arithmetic.
//!
//! A training step keeps what the forward part computed until the gradients that are made of it. Of the layers in such a
//! body it keeps what others need, the value that the body hands on above all, and figures that a batch has once. The
//! rest is computed again from what is kept, right before the first gradient that needs it, by the same functions with
//! the same bits.

use std::collections::{BTreeMap, BTreeSet};

use super::rewrite::rewrite;
use crate::graph::{Direction, Graph, NodeId};

/// Computes again what gradients need of the layers in `recompute { … }`.
pub fn recompute(graph: Graph) -> Graph {
    if graph.layers.iter().all(|layer| layer.recompute.is_none()) {
        return graph;
    }
    let again = Again::of(&graph);
    let mut at = 0..graph.nodes.len() as u32;
    // Where the nodes of the old graph are in the new one, and where those are that are computed again.
    let mut places: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    let mut copies: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    rewrite(graph.clone(), |out, mut node| {
        let old = at.next().map(NodeId);
        if node.direction == Direction::Backward
            && let Some(old) = old
        {
            for (input, new) in graph.node(old).inputs.iter().zip(&mut node.inputs) {
                if let Some(body) = again.needed.get(input) {
                    again.compute(*body, &graph, out, &places, &mut copies);
                    *new = copies.get(input).copied().unwrap_or(*new);
                }
            }
        }
        let id = out.push(node);
        places.push(id);
        id
    })
}

/// What is computed again.
struct Again {
    /// The nodes, each with the number of its body.
    needed: BTreeMap<NodeId, u32>,
}

impl Again {
    fn of(graph: &Graph) -> Self {
        let body_of = |id: NodeId| {
            let node = graph.node(id);
            graph.layer(node.layer).recompute.filter(|_| node.direction == Direction::Forward)
        };
        let mut kept: BTreeSet<NodeId> = graph.roots().into_iter().collect();
        for id in graph.ids() {
            let node = graph.node(id);
            // What is the same for all samples, such as the figures of a batch, is small.
            if !node.batched || node.inputs.is_empty() {
                kept.insert(id);
            }
            if node.direction != Direction::Backward {
                kept.extend(node.inputs.iter().filter(|input| body_of(id) != body_of(**input)));
            }
        }
        let mut needed = BTreeMap::new();
        for id in graph.ids().collect::<Vec<_>>().into_iter().rev() {
            let node = graph.node(id);
            if node.direction != Direction::Backward && !needed.contains_key(&id) {
                continue;
            }
            for input in node.inputs.iter().filter(|input| !kept.contains(input)) {
                if let Some(body) = body_of(*input) {
                    needed.insert(*input, body);
                }
            }
        }
        Self { needed }
    }

    /// Computes a body again, if it is not yet. The body of an operand is computed before it: what it hands on is kept.
    fn compute(
        &self,
        body: u32,
        graph: &Graph,
        out: &mut Graph,
        places: &[NodeId],
        copies: &mut BTreeMap<NodeId, NodeId>,
    ) {
        for id in self.needed.iter().filter(|(_, of)| **of == body).map(|(id, _)| *id) {
            if copies.contains_key(&id) {
                continue;
            }
            let mut node = graph.node(id).clone();
            node.direction = Direction::Recompute;
            for input in &mut node.inputs {
                let kept = places.get(input.0 as usize).copied().unwrap_or(*input);
                *input = copies.get(input).copied().unwrap_or(kept);
            }
            let copy = out.push(node);
            copies.insert(id, copy);
        }
    }
}
