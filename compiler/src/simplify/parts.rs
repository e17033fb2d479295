//! A value that an operator gives twice is kept once.

use super::rewrite::rewrite;
use crate::graph::{Graph, Op};

/// Looks at the first of equal values: the gradient of an addend is that of the sum, and of the other addend.
pub fn parts(graph: Graph) -> Graph {
    rewrite(graph, |out, mut node| {
        if let (Op::Part(n), Some(of)) = (&node.op, node.inputs.first())
            && let Op::Operator(op) = &out.node(*of).op
            && let Some(scan) = op.scan()
        {
            let n_states = scan.states.len();
            let result = |n: usize| scan.result(n_states + n);
            let first = (0..*n as usize).find(|first| result(*first) == result(*n as usize));
            match first {
                Some(0) => return *of,
                Some(first) => node.op = Op::Part(first as u32),
                None => {}
            }
        }
        out.push(node)
    })
}
