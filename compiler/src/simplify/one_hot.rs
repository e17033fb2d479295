//! The sum over a vector that is zero but at one index is the value there.
//!
//! `sum(if index == t { a } else { 0 })` is `a` when neither `t` nor `a` varies along the vector. The index is taken
//! to be inside it: class indices are checked before a step.

use super::rewrite::rewrite;
use crate::graph::{Graph, Node, Op};
use crate::program::Reduction;
use crate::scalar::{Condition, Relation, Scalar, Variable};

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
    // A factor outside the selection comes inside: both are the same number a sample.
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
            varies |= vector.inputs.get(n as usize).is_none_or(|id| graph.node(*id).len() != 1);
        }
        _ => varies = true,
    };
    class.variables(&mut visit);
    hot.variables(&mut visit);
    if varies || !rest.is(0.0) {
        return None;
    }
    Some(Node {
        op: Op::Pointwise((**hot).clone()),
        inputs: vector.inputs.clone(),
        shape: Vec::new(),
        batched: true,
        layer: sum.layer,
        direction: sum.direction,
        gradient_of: sum.gradient_of,
    })
}
