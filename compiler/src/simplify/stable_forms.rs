//! A logarithm of softmax or sigmoid is joined with it, before it is differentiated.
//!
//! `log_softmax(softmax(z))` is what a model with a trailing `softmax` gives under a loss that takes `log_softmax`
//! itself: meant is `log_softmax(z)`. `log(sigmoid(z))` is `-softplus(-z)`, exact where the sigmoid has rounded to
//! 0 or 1. Either rewrite is told to the user as W0101.

use nnc_grammar::diagnostic::{Code, Diagnostic, Severity};

use super::rewrite::rewrite;
use crate::graph::{Graph, LayerId, Node, Op};
use crate::ops::softmax::{LogSoftmax, Softmax};
use crate::scalar::{Scalar, Unary, Variable, simplify};

/// Joins softmax and sigmoid with the logarithm that the loss takes of them.
pub fn stable_forms(graph: Graph) -> (Graph, Vec<Diagnostic>) {
    let mut fused: Vec<(LayerId, LayerId)> = Vec::new();
    let graph = rewrite(graph, |out, node| {
        let node = match log_softmax_of_softmax(out, &node).or_else(|| log_of_sigmoid(out, &node)) {
            Some((stable, source)) => {
                if !fused.contains(&(source, node.layer)) && source != node.layer {
                    fused.push((source, node.layer));
                }
                stable
            }
            None => node,
        };
        out.push(node)
    });
    let notes = fused
        .into_iter()
        .map(|(source, by)| {
            let (source, by) = (graph.layer(source), graph.layer(by));
            let mut note = Diagnostic::new(
                Code::W0101,
                format!("`{}` is fused with `{}`", source.name, by.text),
                source.span,
                "the loss is computed from the values before it",
            )
            .with_label(by.span, "which takes a logarithm of them")
            .with_note("one stable form is used for both; predictions still go through it");
            note.severity = Severity::Note;
            note
        })
        .collect();
    (graph, notes)
}

fn is_operator(op: &Op, name: &str) -> bool {
    matches!(op, Op::Operator(op) if op.name() == name)
}

fn log_softmax_of_softmax(graph: &Graph, node: &Node) -> Option<(Node, LayerId)> {
    if !is_operator(&node.op, LogSoftmax::NAME) {
        return None;
    }
    let softmax = graph.node(*node.inputs.first()?);
    if !is_operator(&softmax.op, Softmax::NAME) {
        return None;
    }
    Some((Node { inputs: softmax.inputs.clone(), ..node.clone() }, softmax.layer))
}

/// A pointwise node that takes logarithms, over one that computes a sigmoid: put together if that leaves no logarithm.
fn log_of_sigmoid(graph: &Graph, node: &Node) -> Option<(Node, LayerId)> {
    let Op::Pointwise(outer) = &node.op else { return None };
    if !has(outer, Unary::Log) {
        return None;
    }
    for (n, id) in node.inputs.iter().enumerate() {
        let operand = graph.node(*id);
        let Op::Pointwise(inner) = &operand.op else { continue };
        let ([source], true) = (operand.inputs.as_slice(), operand.len() == node.len()) else { continue };
        let composed = simplify(&outer.substitute(&mut |variable| {
            (variable == Variable::Input(n as u32)).then(|| {
                inner.substitute(&mut |variable| match variable {
                    Variable::Input(0) => Some(Scalar::input(n as u32)),
                    _ => None,
                })
            })
        }));
        if !has(&composed, Unary::Log) {
            let mut inputs = node.inputs.clone();
            if let Some(input) = inputs.get_mut(n) {
                *input = *source;
            }
            return Some((Node { op: Op::Pointwise(composed), inputs, ..node.clone() }, operand.layer));
        }
    }
    None
}

/// Whether `op` occurs in a formula.
fn has(scalar: &Scalar, op: Unary) -> bool {
    match scalar {
        Scalar::Number(_) | Scalar::Variable(_) => false,
        Scalar::Unary(unary, x) => *unary == op || has(x, op),
        Scalar::Binary(_, a, b) => has(a, op) || has(b, op),
        Scalar::Select(_, a, b) => has(a, op) || has(b, op),
    }
}
