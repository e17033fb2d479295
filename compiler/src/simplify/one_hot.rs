//! The sum over a vector that is zero but at one index is the value there.
//!
//! `sum(if index == t { a } else { 0 })` is `a` when neither `t` nor `a` varies along the vector, which is the values of a
//! sample or of each position. The index is taken to be inside it: class indices are checked before a step.

use super::inline::inlined;
use super::rewrite::rewrite;
use crate::graph::{Graph, Node, Op, Spread};
use crate::program::Reduction;
use crate::scalar::{Condition, Relation, Scalar, Variable};

/// How many scalar functions behind the sum are looked through.
const DEPTH: usize = 3;

/// Rewrites sums of a single hot element.
pub fn one_hot(graph: Graph) -> Graph {
    rewrite(graph, |out, node| {
        let replaced = match (&node.op, node.inputs.first()) {
            (Op::Reduce(Reduction::Sum), Some(x)) => hot_value(out, *x, &node),
            _ => None,
        };
        let node = replaced.unwrap_or(node);
        out.push(node)
    })
}

fn hot_value(graph: &Graph, x: crate::graph::NodeId, sum: &Node) -> Option<Node> {
    let vector = graph.node(x);
    let Op::Pointwise(scalar) = &vector.op else { return None };
    // The index runs along the last axis: over all of the values there would be one of them for each position.
    if vector.row() * sum.len() != vector.len() {
        return None;
    }
    // The selection may be a value of its own, which others use too: `d * one_hot`. What it is made of is put in, and
    // the factor comes inside.
    let (mut scalar, mut inputs) = (scalar.clone(), vector.inputs.clone());
    for _ in 0..DEPTH {
        (scalar, inputs) = inlined(graph, &scalar, &inputs, |id, _| graph.node(id).shape == vector.shape);
    }
    let Scalar::Select(condition, hot, rest) = scalar else { return None };
    let Condition::Compare(Relation::Eq, a, b) = condition.as_ref() else { return None };
    let is_index = |x: &Scalar| matches!(x, Scalar::Variable(Variable::Index));
    let class = match (is_index(a), is_index(b)) {
        (true, false) => b,
        (false, true) => a,
        _ => return None,
    };
    let mut varies = false;
    let mut visit = |variable| match variable {
        Variable::Input(n) => {
            let spread = inputs.get(n as usize).and_then(|id| graph.spread(vector, *id));
            varies |= match spread {
                Some(Spread::One) => false,
                Some(Spread::Positions) => sum.len() == 1,
                Some(Spread::Elements) => vector.row() > 1,
                Some(Spread::Features) | None => true,
            };
        }
        _ => varies = true,
    };
    class.variables(&mut visit);
    hot.variables(&mut visit);
    if varies || !rest.is(0.0) {
        return None;
    }
    Some(Node {
        op: Op::Pointwise(*hot),
        inputs,
        shape: sum.shape.clone(),
        batched: true,
        layer: sum.layer,
        direction: sum.direction,
        gradient_of: sum.gradient_of,
    })
}
