//! Names of the values that live inside one step over rows: the same in its code and in its comment.

use std::collections::HashMap;

use super::PassCx;
use crate::graph::{NodeId, Op};
use crate::program::Reduction;
use crate::scalar::{Binary, Scalar, Unary, Variable};

/// A name for each of the nodes that is not kept in memory.
pub fn locals(cx: PassCx<'_>, nodes: &[NodeId]) -> HashMap<NodeId, String> {
    let mut names: HashMap<NodeId, String> = HashMap::new();
    for id in nodes {
        if cx.pass.value(*id).is_some() {
            continue;
        }
        let stem = stem(cx, *id, &names);
        // Features are called `name_0`, so that a value of that name would be in the way as well.
        let taken = |name: &str| {
            let features = format!("{name}_");
            names.values().any(|known| known == name)
                || cx.is_value_name(|known| known == name || known.starts_with(&features))
        };
        let name = if taken(&stem) {
            (2..).map(|n| format!("{stem}{n}")).find(|name| !taken(name)).unwrap_or(stem)
        } else {
            stem
        };
        names.insert(*id, name);
    }
    names
}

/// What a value is, in a word.
fn stem(cx: PassCx<'_>, id: NodeId, names: &HashMap<NodeId, String>) -> String {
    let graph = cx.graph();
    let node = graph.node(id);
    if let Some(of) = node.gradient_of {
        let of = cx
            .pass
            .value(of)
            .map(|value| cx.names.value(of, &value.name))
            .or_else(|| names.get(&of).cloned());
        return of.map_or_else(|| "gradient".to_owned(), |of| format!("d_{of}"));
    }
    let word = match &node.op {
        Op::Reduce(Reduction::Max) => "largest",
        Op::Reduce(Reduction::Sum) => "sum",
        Op::Reduce(Reduction::Mean) => "mean",
        Op::Pointwise(Scalar::Unary(Unary::Exp, _)) => "exp",
        Op::Pointwise(Scalar::Unary(Unary::Log, _)) => "log",
        Op::Pointwise(Scalar::Binary(Binary::Sub, ..)) if node.len() > 1 => "difference",
        Op::Pointwise(scalar @ Scalar::Select(_, yes, no))
            if scalar.depends_on(Variable::Index) && yes.is(1.0) && no.is(0.0) =>
        {
            "one_hot"
        }
        Op::Pointwise(Scalar::Binary(Binary::Mul, ..)) => "product",
        Op::Pointwise(Scalar::Unary(Unary::Neg, _)) if node.len() == 1 => "negated",
        _ if node.len() > 1 => "u",
        _ => "s",
    };
    word.to_owned()
}
