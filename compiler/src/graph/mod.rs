//! The typed graph: what `infer` makes of a program, and what every later pass rewrites.
//!
//! A node computes one value. Shapes leave the batch out; `batched` says whether each sample has a value of its own.
//! Nodes are in topological order: a node's operands come before it. [`verify()`] states and checks every invariant.

mod builder;
mod operator;
mod optimizer;
mod print;
mod verify;

use std::sync::Arc;

use nnc_grammar::span::Span;

pub use builder::{Builder, STORED_IN_HALVES};
pub use operator::{Before, Operator, ValueLayout};
pub use optimizer::{Group, Optimizer, Phase};
pub use verify::verify;

use crate::program::{Initializer, OutputScale, Precision, Reduction, Storage, TargetKind};
use crate::scalar::Scalar;

/// A node, printed `%3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// A parameter or buffer, printed `@hidden.weight`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterId(pub u32);

/// A layer of the source that nodes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerId(pub u32);

/// A computation.
#[derive(Debug, Clone)]
pub struct Graph {
    /// The model's name.
    pub name: String,
    /// In topological order.
    pub nodes: Vec<Node>,
    /// Parameters and buffers, in source order.
    pub parameters: Vec<Parameter>,
    /// Layers, in source order; the loss is one too.
    pub layers: Vec<LayerOrigin>,
    /// What a sample is made of, in the order in which it stands in a row; empty for a step of a scan.
    pub inputs: Vec<Input>,
    /// The output: a single one as it is, several one after the other in a row.
    pub output: NodeId,
    /// The outputs by themselves, in the order of the row.
    pub outputs: Vec<Output>,
    /// What a step gives, where the graph is that of a [`crate::ops::scan::Scan`]; empty for a model.
    pub results: Vec<NodeId>,
    /// The loss, if the model has one.
    pub loss: Option<Loss>,
    /// What the optimizer is given; empty before `differentiate`.
    pub updates: Vec<Update>,
    /// Buffers that follow values of each step.
    pub tracking: Vec<Tracking>,
    /// States of cells that a step hands on to the next one.
    pub carried: Vec<Carried>,
    /// Whether what is computed with running figures is kept apart from the layer before it.
    pub no_fold: bool,
    /// Products of a layer up to which its code is written out.
    pub most_unrolled: usize,
    /// The optimizer.
    pub optimizer: Option<Optimizer>,
    /// Inputs that are normalised.
    pub normalize: Vec<Normalization>,
    /// Samples in a training batch.
    pub batch: usize,
    /// Numbers.
    pub precision: Precision,
    /// What large matrices are kept as.
    pub storage: Storage,
}

/// One value and how it is computed.
#[derive(Debug, Clone)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// From what.
    pub inputs: Vec<NodeId>,
    /// Shape, without the batch.
    pub shape: Vec<usize>,
    /// Whether each sample has its own.
    pub batched: bool,
    /// The layer it comes from.
    pub layer: LayerId,
    /// The part of a step that it belongs to.
    pub direction: Direction,
    /// The value whose gradient it is.
    pub gradient_of: Option<NodeId>,
}

impl Node {
    /// Number of values (a sample).
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of values along the last axis of `[positions, features]`; of any other shape, all of them.
    pub fn row(&self) -> usize {
        match self.shape.as_slice() {
            [_, features] => *features,
            _ => self.len(),
        }
    }
}

/// The shape of what is left when the values of a sample are reduced: nothing, or the positions of
/// `[positions, features]`, each of which is reduced by itself.
pub fn reduced(shape: &[usize]) -> Vec<usize> {
    match shape {
        [positions, _] => vec![*positions],
        _ => Vec::new(),
    }
}

/// Which value of an operand belongs to an element of a pointwise node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// The one of the same place.
    Elements,
    /// The only one.
    One,
    /// That of the element's position.
    Positions,
    /// That of the element's place along the last axis.
    Features,
}

/// The part of a step that a node belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the input to the output.
    Forward,
    /// From the output to the loss, and the gradient of the loss with respect to the output.
    Loss,
    /// On the way back, what the forward part computed and did not keep, once more.
    Recompute,
    /// From the loss back.
    Backward,
}

impl Direction {
    /// Whether it comes behind the loss.
    pub fn is_behind_loss(self) -> bool {
        matches!(self, Self::Recompute | Self::Backward)
    }
}

/// What a node computes.
#[derive(Debug, Clone)]
pub enum Op {
    /// Input `n` of the model.
    Input(u32),
    /// What the loss compares with: a class index as a number, or values.
    Target,
    /// Each sample's weight in the total loss; zero for padding.
    SampleScale,
    /// What the step before left of a state, by its place in [`Graph::carried`].
    Carried(u32),
    /// A parameter or buffer.
    Parameter(ParameterId),
    /// Numbers that are written in the source: a name for them, and the numbers.
    Constant(String, Arc<[f64]>),
    /// A scalar function of each element. An operand that has one value a sample, or one value in all, is the same
    /// for all elements; an operand without a batch is the same for all samples. Of `[positions, features]` an operand
    /// may have one value a position, or without a batch one for each feature: see [`Spread`].
    Pointwise(Scalar),
    /// Over the values of a sample: one number; or over those of each position, one for each of them.
    Reduce(Reduction),
    /// Sum over samples of the first operand times the second: the loss. Where it has one value a position, over
    /// positions too.
    Total,
    /// The same values under another shape.
    Reshape,
    /// Feature `k` is number `(k / inner) % len` of the operand, which has `len`: read where it is used, and kept nowhere.
    /// Only a plan makes it.
    Broadcast {
        /// Neighbouring features that share a number.
        inner: usize,
        /// Numbers of the operand.
        len: usize,
    },
    /// What a step of a [`crate::ops::scan::Scan`] is given: states by number, and behind them the position's part of
    /// each sequence.
    Operand(u32),
    /// Value `n` of an operator that has several, which is its operand. The operator's own node stands for value 0; the
    /// step that computes the operator computes all of them.
    Part(u32),
    /// Anything else.
    Operator(Arc<dyn Operator>),
}

/// A parameter or buffer.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// As it is saved: `hidden.weight`.
    pub name: String,
    /// As it is saved: `[out, in]`, `[out, in, kernel, kernel]`, or `[features]`.
    pub shape: Vec<usize>,
    /// How it starts.
    pub initializer: Initializer,
    /// Inputs that reach one unit, for the initializer.
    pub fan_in: usize,
    /// Units that one input reaches.
    pub fan_out: usize,
    /// Its part.
    pub role: Role,
    /// Whether it is the matrix of a product, kept in panels of its first axis; else it is kept as a vector.
    pub is_matrix: bool,
    /// What its numbers, and what the optimizer remembers of it, are kept as.
    pub storage: Storage,
    /// Its layer.
    pub layer: LayerId,
}

impl Parameter {
    /// Shape in rows of 16: panels and rows of a matrix, or rows of a vector.
    pub fn rows(&self) -> (usize, Option<usize>) {
        if !self.is_matrix {
            return (self.len().div_ceil(crate::plan::LANES), None);
        }
        let (outputs, inputs) = self.as_matrix();
        (outputs.div_ceil(crate::plan::LANES), Some(inputs))
    }

    /// Rows and columns as initializers of matrices see it: the first axis, and all others as one.
    pub fn as_matrix(&self) -> (usize, usize) {
        let (rows, columns) =
            self.shape.split_first().map_or((1, 1), |(rows, rest)| (*rows, rest.iter().product()));
        (rows, columns)
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The part of a tensor that is kept with the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Trained.
    Trained,
    /// Kept as it is.
    Frozen,
    /// State that is not trained.
    Buffer,
}

/// Where nodes come from.
#[derive(Debug, Clone)]
pub struct LayerOrigin {
    /// The layer's name: `hidden`, `dense_2`.
    pub name: String,
    /// As written: `hidden: dense(16)`.
    pub text: String,
    /// The place in the source.
    pub span: Span,
    /// Whether it stands in `frozen { … }`: a step computes it as prediction does.
    pub is_frozen: bool,
    /// The number of the `recompute { … }` in which it stands: what a training step needs of its values on the way back
    /// is computed again there.
    pub recompute: Option<u32>,
}

impl LayerOrigin {
    /// The use of a block in which it stands: `layer1.1.basic` for `layer1.1.basic.conv1`.
    pub fn block(&self) -> &str {
        self.name.rsplit_once('.').map_or("", |(block, _)| block)
    }
}

/// The loss of a graph: that of its only `loss`, or the weighted sum of several.
#[derive(Debug, Clone)]
pub struct Loss {
    /// The sum over samples, each weighted by [`Op::SampleScale`].
    pub total: NodeId,
    /// How samples are put together: the weight of each is 1/n or 1.
    pub reduction: Reduction,
}

/// An input of the model: a part of the row that a sample is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name; `input` when it has none.
    pub name: String,
    /// Its value.
    pub node: NodeId,
    /// How many tokens it may name, where it is indices of an `embedding`.
    pub tokens: Option<usize>,
}

/// An output of the model: its part of the row of outputs, and of the row of targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Its name; `output` when it has none.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What a loss compares it with.
    pub target: Option<OutputTarget>,
}

impl Output {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What an output is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutputTarget {
    /// A class, or values.
    pub kind: TargetKind,
    /// Classes, or values a sample: none where it is compared with other values of the model alone.
    pub len: usize,
    /// Positions of a sample that have a class each; 1 for values.
    pub positions: usize,
    /// A class that the data may hold though no output stands for it.
    pub ignored: Option<u32>,
    /// The smallest and largest number that a target may be.
    pub range: (f64, f64),
    /// Whether it may be these two alone.
    pub only_ends: bool,
    /// What the output is to the target.
    pub scale: OutputScale,
}

impl OutputTarget {
    /// Numbers that it takes in a row of targets.
    pub fn width(&self) -> usize {
        match self.kind {
            TargetKind::Class => self.positions,
            TargetKind::Values => self.len,
        }
    }
}

/// What a sample of all outputs is compared with: the target of the only one that has one, or a row of numbers that
/// holds the targets of several one after the other, a class as its index.
pub fn row_of_targets(outputs: &[Output]) -> Option<(TargetKind, usize)> {
    let all = || outputs.iter().filter_map(|output| output.target);
    let mut targets = all().filter(|target| target.width() > 0);
    // What is compared with nothing but values of the model has targets of no numbers.
    let Some(first) = targets.next() else { return all().next().map(|_| (TargetKind::Values, 0)) };
    let mut others = targets.peekable();
    if others.peek().is_none() {
        return Some((first.kind, first.len));
    }
    Some((TargetKind::Values, others.fold(first.width(), |width, target| width + target.width())))
}

/// A state of a cell that goes from a training step to the next one, each sample's to that in its place. It is kept
/// between steps, and no gradient flows back through it.
#[derive(Debug, Clone, PartialEq)]
pub struct Carried {
    /// The layer's name and the state's: `lstm.h`.
    pub name: String,
    /// What all of it is at first.
    pub initial: f64,
    /// The state behind each position, `[positions, features]`.
    pub value: NodeId,
    /// The position whose state is carried: that of the last step.
    pub position: usize,
}

/// What the optimizer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Update {
    /// The parameter.
    pub parameter: ParameterId,
    /// Its gradient.
    pub gradient: NodeId,
}

/// A buffer that comes nearer to a value with each step: b <- b + momentum (value - b).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tracking {
    /// The buffer.
    pub buffer: ParameterId,
    /// The value, of the buffer's shape.
    pub value: NodeId,
    /// The share of the value.
    pub momentum: f64,
}

/// Which random numbers an operator draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// From the standard normal distribution, rather than uniformly from 0 to 1.
    pub is_normal: bool,
    /// Tells the draws of one layer from those of another.
    pub stream: u32,
}

/// A fitted normalisation of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Normalization {
    /// Which input.
    pub input: u32,
    /// What is fitted.
    pub kind: NormalizationKind,
    /// What the kind names, in its order.
    pub buffers: [ParameterId; 2],
    /// One for all features.
    pub over_all: bool,
}

/// What a normalisation keeps of the training data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormalizationKind {
    /// Mean and standard deviation.
    Standard,
    /// Least and greatest value.
    MinMax,
    /// Median and interquartile range.
    Robust,
}

impl Graph {
    /// The node with this id.
    ///
    /// Ids are made by this graph's own builder, and [`verify()`] checks that each is in range.
    #[allow(clippy::indexing_slicing)]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Whether numbers of some parameters are kept in sixteen bits.
    pub fn has_halves(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.storage == Storage::Bf16)
    }

    /// Whether numbers of some trained parameters are kept in sixteen bits.
    pub fn has_trained_halves(&self) -> bool {
        let is_trained_half =
            |parameter: &Parameter| parameter.role == Role::Trained && parameter.storage == Storage::Bf16;
        self.parameters.iter().any(is_trained_half)
    }

    /// The parameter with this id.
    #[allow(clippy::indexing_slicing)]
    pub fn parameter(&self, id: ParameterId) -> &Parameter {
        &self.parameters[id.0 as usize]
    }

    /// The layer with this id.
    #[allow(clippy::indexing_slicing)]
    pub fn layer(&self, id: LayerId) -> &LayerOrigin {
        &self.layers[id.0 as usize]
    }

    /// The input that a value is, perhaps under another shape.
    pub fn input_of(&self, id: NodeId) -> Option<u32> {
        let node = self.node(id);
        match (&node.op, node.inputs.first()) {
            (Op::Input(n), _) => Some(*n),
            (Op::Reshape, Some(from)) => self.input_of(*from),
            _ => None,
        }
    }

    /// Where input `n` begins in the row that a sample is, and how many values it has.
    pub fn input_place(&self, n: u32) -> (usize, usize) {
        let len = |input: &Input| self.node(input.node).len();
        let at = self.inputs.iter().take(n as usize).map(len).sum();
        (at, self.inputs.get(n as usize).map_or(0, len))
    }

    /// Values of the row that a sample is.
    pub fn input_len(&self) -> usize {
        self.inputs.iter().map(|input| self.node(input.node).len()).sum()
    }

    /// How the values of an operand are spread over those of a pointwise node; `None` where they do not fit.
    pub fn spread(&self, node: &Node, operand: NodeId) -> Option<Spread> {
        let (operand, len) = (self.node(operand), node.len());
        let row = node.row();
        match operand.len() {
            n if n == len => Some(Spread::Elements),
            1 => Some(Spread::One),
            n if n == row && !operand.batched => Some(Spread::Features),
            n if n * row == len => Some(Spread::Positions),
            _ => None,
        }
    }

    /// All ids, in order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// How often each node is used, by other nodes, as the output, as the loss or by an update.
    pub fn uses(&self) -> Vec<u32> {
        let mut uses = vec![0; self.nodes.len()];
        let mut add = |id: NodeId| {
            if let Some(count) = uses.get_mut(id.0 as usize) {
                *count += 1;
            }
        };
        self.nodes.iter().flat_map(|node| node.inputs.iter().copied()).for_each(&mut add);
        self.roots().into_iter().for_each(&mut add);
        uses
    }

    /// The value that lies in memory for a node: its own, or the operand that it spreads out.
    pub fn source(&self, id: NodeId) -> NodeId {
        let node = self.node(id);
        match (&node.op, node.inputs.first()) {
            (Op::Broadcast { .. }, Some(operand)) => *operand,
            _ => id,
        }
    }

    /// What its nodes compute, as a text for [`Operator::meaning`].
    pub fn meaning(&self) -> String {
        let nodes = self.nodes.iter().map(|node| {
            let op = match &node.op {
                Op::Operator(op) => op.meaning(),
                op => format!("{op:?}"),
            };
            format!("{op} {:?} {:?}", node.inputs, node.shape)
        });
        nodes.collect::<Vec<_>>().join("\n")
    }

    /// The nodes for whose sake the others are there.
    pub fn roots(&self) -> Vec<NodeId> {
        let mut roots: Vec<NodeId> = self.inputs.iter().map(|input| input.node).collect();
        roots.push(self.output);
        if let Some(loss) = &self.loss {
            roots.push(loss.total);
        }
        roots.extend(self.updates.iter().map(|update| update.gradient));
        roots.extend(self.tracking.iter().map(|tracking| tracking.value));
        roots.extend(self.carried.iter().map(|carried| carried.value));
        roots.extend(&self.results);
        roots
    }

    /// Whether it is the step of a scan.
    pub fn is_step(&self) -> bool {
        !self.results.is_empty()
    }

    /// Adds a node and returns its id. Operands must be in the graph already.
    pub fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// How the value of a node lies in memory.
    pub fn layout(&self, id: NodeId) -> ValueLayout {
        match &self.node(id).op {
            Op::Operator(op) => op.layout(),
            Op::Parameter(_) | Op::Constant(..) => ValueLayout::Parameter,
            _ => ValueLayout::BatchLane,
        }
    }

    /// Whether a node turns a value round, so that lanes are features: it has to know which panels it computes.
    pub fn turns(&self, id: NodeId) -> bool {
        self.layout(id) == ValueLayout::SampleRows || self.turns_operand(self.node(id))
    }

    /// Whether a node turns its last operand round by itself.
    pub fn turns_operand(&self, node: &Node) -> bool {
        let is_lanes = |operand: &NodeId| self.layout(*operand) == ValueLayout::BatchLane;
        matches!(&node.op, Op::Operator(op) if op.can_turn()) && node.inputs.last().is_some_and(is_lanes)
    }

    /// Whether a node is a sum that another operator may make on the way.
    pub fn adds_up(&self, id: NodeId) -> bool {
        let node = self.node(id);
        matches!(&node.op, Op::Operator(op) if op.adds_up()) && self.turns_operand(node)
    }

    /// Whether a node can make such a sum: it is of the same layer, and takes the same value as it was computed.
    pub fn makes_sum(&self, id: NodeId, sum: NodeId) -> bool {
        let (node, sum_node) = (self.node(id), self.node(sum));
        let can = matches!(&node.op, Op::Operator(op) if op.can_add_up()) && self.turns_operand(node);
        can && self.adds_up(sum)
            && node.inputs.last() == sum_node.inputs.last()
            && (node.layer, node.direction) == (sum_node.layer, sum_node.direction)
    }

    /// Of how many positions a node is made, each from the same one of its operands and from nothing else.
    pub fn positions(&self, id: NodeId) -> Option<usize> {
        let node = self.node(id);
        let &[positions, _] = node.shape.as_slice() else { return None };
        let is_of_position = |input: &NodeId| {
            let operand = self.node(*input);
            // What is spread out in another way, by channels, has no positions.
            let is_own = self.source(*input) == *input && operand.shape.first() == Some(&positions);
            match &node.op {
                _ if operand.batched => is_own,
                Op::Pointwise(_) => {
                    matches!(self.spread(node, *input), Some(Spread::One | Spread::Features))
                }
                _ => true,
            }
        };
        let is_alike = match &node.op {
            Op::Operator(op) => op.at_position(positions).is_some(),
            Op::Pointwise(scalar) => !scalar.depends_on(crate::scalar::Variable::Index),
            _ => false,
        };
        (positions > 1 && node.batched && is_alike && node.inputs.iter().all(is_of_position))
            .then_some(positions)
    }

    /// The graph as it is for one of so many positions, as far as nodes are made of them ([`Graph::positions`]): other
    /// nodes mean nothing in it.
    pub fn at_position(&self, positions: usize) -> Self {
        let mut graph = self.clone();
        for node in graph.nodes.iter_mut().filter(|node| node.batched) {
            if node.shape.first() == Some(&positions) {
                node.shape.remove(0);
            }
            if let Op::Operator(op) = &node.op
                && let Some(op) = op.at_position(positions)
            {
                node.op = Op::Operator(op);
            }
        }
        graph
    }

    /// Whether a node is computed of all samples of a batch at once, rather than for each group of them by itself.
    pub fn needs_batch(&self, id: NodeId) -> bool {
        let node = self.node(id);
        let is_mixed = matches!(&node.op, Op::Operator(op) if op.mixes_samples());
        let is_turned = !matches!(self.layout(id), ValueLayout::BatchLane | ValueLayout::Splat);
        let is_sum = !node.batched && node.inputs.iter().any(|input| self.node(*input).batched);
        is_mixed || is_turned || is_sum
    }
}

impl PartialEq for Op {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Target, Self::Target)
            | (Self::SampleScale, Self::SampleScale)
            | (Self::Total, Self::Total)
            | (Self::Reshape, Self::Reshape) => true,
            (Self::Input(a), Self::Input(b)) | (Self::Carried(a), Self::Carried(b)) => a == b,
            (Self::Parameter(a), Self::Parameter(b)) => a == b,
            (Self::Broadcast { inner: a, len: n }, Self::Broadcast { inner: b, len: m }) => (a, n) == (b, m),
            (Self::Operand(a), Self::Operand(b)) | (Self::Part(a), Self::Part(b)) => a == b,
            (Self::Constant(a, x), Self::Constant(b, y)) => a == b && x == y,
            (Self::Pointwise(a), Self::Pointwise(b)) => a == b,
            (Self::Reduce(a), Self::Reduce(b)) => a == b,
            (Self::Operator(a), Self::Operator(b)) => format!("{a:?}") == format!("{b:?}"),
            _ => false,
        }
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "%{}", self.0)
    }
}
