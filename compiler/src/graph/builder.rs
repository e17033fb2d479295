//! Builds a graph node by node: what layers are given to put their computation into.

use std::sync::Arc;

use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::{
    Direction, Graph, LayerId, Node, NodeId, Normalization, Op, Operator, Parameter, ParameterId, Role,
    Tracking,
};
use crate::gain::Gain;
use crate::ops::spread::Spread;
use crate::program::{Initializer, Reduction, Storage};
use crate::scalar::Scalar;

/// Numbers of a matrix from which on `storage` holds for it: less stays near the processor whatever it is kept as.
pub const STORED_IN_HALVES: usize = 4096;

/// A graph under construction, at one layer.
#[derive(Debug)]
pub struct Builder<'a> {
    /// The graph.
    pub graph: &'a mut Graph,
    /// The layer that nodes are added for.
    pub layer: LayerId,
    /// The part of the step that they belong to.
    pub direction: Direction,
    /// Where the layer is called, for messages.
    pub span: Span,
    /// Whether parameters of the layer are trained.
    pub trainable: bool,
    /// What `gain` is worth in initializers of the layer.
    pub gain: Gain,
}

impl Builder<'_> {
    /// The shape of a value.
    pub fn shape(&self, id: NodeId) -> &[usize] {
        &self.graph.node(id).shape
    }

    /// Adds a batched node.
    pub fn node(&mut self, op: Op, inputs: Vec<NodeId>, shape: Vec<usize>, batched: bool) -> NodeId {
        self.graph.push(Node {
            op,
            inputs,
            shape,
            batched,
            layer: self.layer,
            direction: self.direction,
            gradient_of: None,
        })
    }

    /// Adds an operator over samples.
    pub fn operator(
        &mut self,
        op: impl Operator + 'static,
        inputs: Vec<NodeId>,
        shape: Vec<usize>,
    ) -> NodeId {
        self.node(Op::Operator(Arc::new(op)), inputs, shape, true)
    }

    /// Adds a scalar function of values of `shape`.
    pub fn pointwise(&mut self, scalar: Scalar, inputs: Vec<NodeId>, shape: Vec<usize>) -> NodeId {
        self.node(Op::Pointwise(scalar), inputs, shape, true)
    }

    /// Adds a reduction over the values of a sample.
    pub fn reduce(&mut self, reduction: Reduction, x: NodeId) -> NodeId {
        self.node(Op::Reduce(reduction), vec![x], Vec::new(), true)
    }

    /// Adds a parameter of the layer, and the node that stands for it. `part` is `weight`, `bias`, ….
    pub fn parameter(
        &mut self,
        part: &str,
        shape: Vec<usize>,
        initializer: Initializer,
        fan: (usize, usize),
    ) -> NodeId {
        let role = if self.trainable { Role::Trained } else { Role::Frozen };
        self.tensor(part, shape, initializer, fan, role).1
    }

    /// Adds a parameter with one number for each feature of a vector, or for each channel of `[channels, …]`.
    pub fn per_channel(&mut self, part: &str, shape: &[usize], initializer: Initializer) -> NodeId {
        let channels = shape.first().copied().unwrap_or(1);
        let id = self.parameter(part, vec![channels], initializer, (1, 1));
        let inner = shape.iter().skip(1).product::<usize>();
        if inner == 1 {
            return id;
        }
        self.operator(Spread { inner, len: channels }, vec![id], shape.to_vec())
    }

    /// Adds a parameter that is the matrix of a product, `[out, in]` or `[out, in, …]`, kept in panels. `fan` are the
    /// inputs that reach one unit, and the units that one input reaches.
    pub fn matrix(
        &mut self,
        part: &str,
        shape: Vec<usize>,
        initializer: Initializer,
        fan: (usize, usize),
    ) -> NodeId {
        let id = self.parameter(part, shape, initializer, fan);
        if let Op::Parameter(parameter) = self.graph.node(id).op
            && let Some(parameter) = self.graph.parameters.get_mut(parameter.0 as usize)
        {
            parameter.is_matrix = true;
        }
        id
    }

    /// [`matrix`](Self::matrix) of a product whose kernels read it as it is stored.
    pub fn stored_matrix(
        &mut self,
        part: &str,
        shape: Vec<usize>,
        initializer: Initializer,
        fan: (usize, usize),
    ) -> (NodeId, Storage) {
        let is_large = shape.iter().product::<usize>() >= STORED_IN_HALVES;
        let storage = if is_large { self.graph.storage } else { Storage::Full };
        let id = self.matrix(part, shape, initializer, fan);
        if let Op::Parameter(parameter) = self.graph.node(id).op
            && let Some(parameter) = self.graph.parameters.get_mut(parameter.0 as usize)
        {
            parameter.storage = storage;
        }
        (id, storage)
    }

    /// Adds a buffer of the layer: state that is kept with the weights but not trained.
    pub fn buffer(&mut self, part: &str, shape: Vec<usize>, initial: f64) -> (ParameterId, NodeId) {
        let text = if initial == 0.0 { "zeros".to_owned() } else { format!("constant({initial})") };
        let initializer = Initializer { text, scalar: Scalar::Number(initial) };
        self.tensor(part, shape, initializer, (1, 1), Role::Buffer)
    }

    fn tensor(
        &mut self,
        part: &str,
        shape: Vec<usize>,
        initializer: Initializer,
        (fan_in, fan_out): (usize, usize),
        role: Role,
    ) -> (ParameterId, NodeId) {
        let name = format!("{}.{part}", self.graph.layer(self.layer).name);
        if let Some(shared) = self.shared(&name, &shape, role) {
            return shared;
        }
        let id = ParameterId(self.graph.parameters.len() as u32);
        self.graph.parameters.push(Parameter {
            name,
            shape: shape.clone(),
            initializer: self.gain.put_into(initializer),
            fan_in,
            fan_out,
            role,
            is_matrix: false,
            storage: Storage::Full,
            layer: self.layer,
        });
        (id, self.node(Op::Parameter(id), Vec::new(), shape, false))
    }

    /// The parameter or buffer of this name that another layer with this label has, with its node. One that does not fit
    /// is made anew, and reported by `infer`.
    fn shared(&mut self, name: &str, shape: &[usize], role: Role) -> Option<(ParameterId, NodeId)> {
        let known = self.graph.parameters.iter().position(|known| known.name == name)?;
        let parameter = self.graph.parameters.get(known)?;
        if parameter.shape != shape || parameter.role != role {
            return None;
        }
        let is_it = |node: &Node| matches!(node.op, Op::Parameter(id) if id.0 as usize == known);
        let node = self.graph.nodes.iter().position(is_it).map(|node| NodeId(node as u32));
        let id = ParameterId(known as u32);
        // The step of a cell has nodes of its own.
        let node = node.unwrap_or_else(|| self.node(Op::Parameter(id), Vec::new(), shape.to_vec(), false));
        Some((id, node))
    }

    /// Says that a buffer follows a value.
    pub fn track(&mut self, tracking: Tracking) {
        self.graph.tracking.push(tracking);
    }

    /// How many tokens an input may name, if an embedding has said so.
    pub fn tokens(&self, input: u32) -> Option<usize> {
        self.graph.inputs.get(input as usize)?.tokens
    }

    /// Says how many tokens an input may name.
    pub fn set_tokens(&mut self, input: u32, tokens: usize) {
        if let Some(input) = self.graph.inputs.get_mut(input as usize) {
            input.tokens = Some(tokens);
        }
    }

    /// Says that an input is normalised by these buffers.
    pub fn normalization(&mut self, normalization: Normalization) {
        self.graph.normalize.push(normalization);
    }

    /// A diagnostic at the layer.
    pub fn error(&self, code: Code, message: impl Into<String>, label: impl Into<String>) -> Box<Diagnostic> {
        Box::new(Diagnostic::new(code, message, self.span, label))
    }
}
