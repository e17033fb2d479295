//! What holds of every graph, after every pass:
//!
//! 1. operands come before the node that uses them (so there is no cycle), and are in the graph;
//! 2. every operand number of a pointwise formula exists, and its operands have as many values as it, or one, or one a
//!    position, or without a batch one a feature of all positions;
//! 3. a reduction has one operand with a batch, and gives one number a sample, or one for each position;
//! 4. a parameter node has its parameter's shape and no batch;
//! 5. input, output, loss and every update name nodes of the graph; an update's gradient has its parameter's shape;
//! 6. a parameter has one gradient, or several of nodes of their own, and then the optimizer knows that they add up;
//! 7. a part is a value that its operator has, of that value's shape; and all of this holds of the step of a scan, which
//!    gives as many results as the scan has states and values.

use std::collections::BTreeSet;

use super::{Graph, Node, NodeId, Op};
use crate::scalar::Variable;

/// Checks every invariant.
///
/// # Errors
/// What does not hold, as a sentence for an internal-error message.
pub fn verify(graph: &Graph) -> Result<(), String> {
    for id in graph.ids() {
        let node = graph.node(id);
        if let Some(late) = node.inputs.iter().find(|input| **input >= id) {
            return Err(format!("{id} uses {late}, which does not come before it"));
        }
        if graph.layers.get(node.layer.0 as usize).is_none() {
            return Err(format!("{id} names a layer that does not exist"));
        }
        node_holds(graph, id, node)?;
    }
    for root in graph.roots() {
        if root.0 as usize >= graph.nodes.len() {
            return Err(format!("{root} is named but not in the graph"));
        }
    }
    let (mut updated, mut made) = (BTreeSet::new(), BTreeSet::new());
    for update in &graph.updates {
        let parameter = graph
            .parameters
            .get(update.parameter.0 as usize)
            .ok_or_else(|| "an update names a parameter that does not exist".to_owned())?;
        if graph.node(update.gradient).len() != parameter.len() {
            return Err(format!("the gradient of {} has another shape", parameter.name));
        }
        if !made.insert(update.gradient) {
            return Err(format!("{} is the gradient of two parameters", update.gradient));
        }
        let adds_up = graph.optimizer.as_ref().is_none_or(|optimizer| optimizer.adds_up);
        if !updated.insert(update.parameter) && !adds_up {
            return Err(format!("{} is updated twice", parameter.name));
        }
    }
    Ok(())
}

fn node_holds(graph: &Graph, id: NodeId, node: &Node) -> Result<(), String> {
    match &node.op {
        Op::Pointwise(scalar) => {
            let mut missing = None;
            scalar.variables(&mut |variable| match variable {
                Variable::Input(n) if (n as usize) < node.inputs.len() => {}
                Variable::Index => {}
                other => missing = Some(other),
            });
            if let Some(variable) = missing {
                return Err(format!("{id} has no {variable:?}"));
            }
            for input in &node.inputs {
                let len = graph.node(*input).len();
                if graph.spread(node, *input).is_none() {
                    return Err(format!("{id} has {} values, its operand {input} has {len}", node.len()));
                }
            }
        }
        Op::Reduce(_) => {
            let operand_is_batched = node.inputs.first().is_some_and(|input| graph.node(*input).batched);
            let len = node.inputs.first().map_or(0, |input| graph.node(*input).len());
            let fits = node.shape.len() <= 1 && len.is_multiple_of(node.len().max(1));
            if node.inputs.len() != 1 || !operand_is_batched || !fits {
                return Err(format!(
                    "{id} is not a reduction of one batched value to one number, or one a position"
                ));
            }
        }
        Op::Parameter(parameter) => {
            let known = graph.parameters.get(parameter.0 as usize);
            if node.batched || known.is_none_or(|parameter| parameter.shape != node.shape) {
                return Err(format!("{id} does not have its parameter's shape"));
            }
        }
        Op::Constant(_, values) if node.batched || values.len() != node.len() => {
            return Err(format!("{id} has {} values and a shape for {}", values.len(), node.len()));
        }
        Op::Reshape => {
            let len = node.inputs.first().map_or(0, |input| graph.node(*input).len());
            if node.inputs.len() != 1 || len != node.len() {
                return Err(format!("{id} reshapes {len} values into {}", node.len()));
            }
        }
        Op::Part(n) => {
            let scan = node.inputs.first().and_then(|id| match &graph.node(*id).op {
                Op::Operator(op) => op.scan(),
                _ => None,
            });
            if scan.and_then(|scan| scan.shape(*n as usize)).as_ref() != Some(&node.shape) {
                return Err(format!("{id} is not a value of its operator"));
            }
        }
        Op::Operator(op) => {
            if let Some(scan) = op.scan() {
                scan.verify(graph, node).map_err(|fault| format!("{id}, each step: {fault}"))?;
            }
        }
        Op::Total if node.inputs.is_empty() || !node.inputs.len().is_multiple_of(2) => {
            return Err(format!("{id} is not a total of pairs"));
        }
        _ => {}
    }
    Ok(())
}
