//! Operators that are only a name for simpler nodes are written out.

use super::rewrite::rewrite;
use crate::graph::{Direction, Graph, LayerId, Node, NodeId, Op, reduced};
use crate::program::Reduction;
use crate::scalar::Scalar;

/// Writes out every operator that has a simpler form.
pub fn lower(graph: Graph) -> Graph {
    rewrite(graph, |out, node| {
        if let Op::Operator(op) = &node.op {
            let op = op.clone();
            let mut cx = Lowering::new(&node, out);
            if let Some(id) = op.lower(&mut cx) {
                if let Some(lowered) = out.nodes.get_mut(id.0 as usize)
                    && lowered.gradient_of.is_none()
                {
                    lowered.gradient_of = node.gradient_of;
                }
                return id;
            }
        }
        out.push(node)
    })
}

/// What an operator is given to write itself out with.
#[derive(Debug)]
pub struct Lowering<'a> {
    /// Operands, in terms of the new graph.
    pub inputs: Vec<NodeId>,
    /// Shape of the value.
    pub shape: Vec<usize>,
    layer: LayerId,
    direction: Direction,
    graph: &'a mut Graph,
}

impl<'a> Lowering<'a> {
    /// For this node, whose operands are nodes of `graph` already.
    pub fn new(node: &Node, graph: &'a mut Graph) -> Self {
        Self {
            inputs: node.inputs.clone(),
            shape: node.shape.clone(),
            layer: node.layer,
            direction: node.direction,
            graph,
        }
    }
}

impl Lowering<'_> {
    /// Number of values of a node.
    pub fn len(&self, id: NodeId) -> usize {
        self.graph.node(id).len()
    }

    /// Whether a node has no value.
    pub fn is_empty(&self, id: NodeId) -> bool {
        self.len(id) == 0
    }

    /// Adds an operator whose value has the shape of the one that is written out.
    pub fn operator(&mut self, op: impl crate::graph::Operator + 'static, inputs: Vec<NodeId>) -> NodeId {
        let shape = self.shape.clone();
        self.push(Op::Operator(std::sync::Arc::new(op)), inputs, shape)
    }

    /// Adds an operator whose value of this shape is the same for all samples.
    pub fn figures(
        &mut self,
        op: impl crate::graph::Operator + 'static,
        inputs: Vec<NodeId>,
        shape: &[usize],
    ) -> NodeId {
        let id = self.push(Op::Operator(std::sync::Arc::new(op)), inputs, shape.to_vec());
        if let Some(node) = self.graph.nodes.get_mut(id.0 as usize) {
            node.batched = false;
        }
        id
    }

    /// Operand `n`.
    pub fn operand(&self, n: usize) -> NodeId {
        self.inputs.get(n).copied().unwrap_or(NodeId(0))
    }

    /// Adds a scalar function of values of the operator's shape.
    pub fn pointwise(&mut self, scalar: Scalar, inputs: Vec<NodeId>) -> NodeId {
        let shape = self.shape.clone();
        self.push(Op::Pointwise(scalar), inputs, shape)
    }

    /// Adds a reduction over the values of a sample, or of each position of the operator's shape.
    pub fn reduce(&mut self, reduction: Reduction, x: NodeId) -> NodeId {
        let shape = reduced(&self.shape);
        self.push(Op::Reduce(reduction), vec![x], shape)
    }

    fn push(&mut self, op: Op, inputs: Vec<NodeId>, shape: Vec<usize>) -> NodeId {
        let (layer, direction) = (self.layer, self.direction);
        self.graph.push(Node { op, inputs, shape, batched: true, layer, direction, gradient_of: None })
    }
}
