//! The reverse walk: adds to a graph the gradient of its loss with respect to every trained parameter.
//!
//! Only gradients that reach a trained parameter are made: the input gets none, nor does anything below the lowest
//! trained layer. The walk knows scalars, reductions and shapes; an operator brings its own gradient.

use std::sync::Arc;

use nnc_grammar::diagnostic::{Code, Diagnostic};

use crate::graph::{Direction, Graph, Node, NodeId, Op, Operator, Role, Update};
use crate::ops::batch_sum::{BatchSum, SampleRows};
use crate::ops::concat::Concat;
use crate::ops::spread::Gather;
use crate::program::Reduction;
use crate::scalar::{self, Binary, Relation, Scalar, Variable};

/// Adds the backward part and the updates.
///
/// # Errors
/// E0404 for a trained parameter that gets no gradient.
pub fn differentiate(mut graph: Graph) -> Result<Graph, Vec<Diagnostic>> {
    let Some(loss) = graph.loss.clone() else { return Ok(graph) };
    if graph.outputs.len() > 1
        && let Some(first) = graph.node(graph.output).inputs.first()
    {
        // Losses look at the outputs by themselves: a step has no use for the row of all.
        graph.output = *first;
    }
    let needed = reaches_parameter(&graph, |_| false);
    // Contributions to the gradient of each node, in the order in which they were found.
    let mut adjoints: Vec<Vec<NodeId>> = vec![Vec::new(); graph.nodes.len()];
    seed(&graph, &loss, &mut adjoints);
    for (leaf, gradient) in walk(&mut graph, &needed, adjoints) {
        if let Op::Parameter(parameter) = graph.node(leaf).op {
            graph.updates.push(Update { parameter, gradient });
        }
    }
    graph.updates.sort_by_key(|update| (update.parameter, update.gradient));
    let is_shared = graph.updates.windows(2).any(|pair| match pair {
        [one, other] => one.parameter == other.parameter,
        _ => false,
    });
    if let Some(optimizer) = &mut graph.optimizer {
        optimizer.adds_up = is_shared;
    }
    let faults = without_gradient(&graph);
    if faults.is_empty() { Ok(graph) } else { Err(faults) }
}

/// Goes back from the nodes that have contributions to their gradient, and adds the gradients of all `needed` nodes.
/// Returns those of the leaves, parameters and operands, in the order in which they were found: of an operand the sum, of
/// a parameter one for each use.
pub(crate) fn walk(
    graph: &mut Graph,
    needed: &[bool],
    mut adjoints: Vec<Vec<NodeId>>,
) -> Vec<(NodeId, NodeId)> {
    let mut leaves = Vec::new();
    let needs = |id: NodeId| needed.get(id.0 as usize).copied().unwrap_or(false);
    for n in (0..adjoints.len()).rev() {
        let id = NodeId(n as u32);
        let contributions = adjoints.get(n).cloned().unwrap_or_default();
        if !needs(id) || contributions.is_empty() {
            continue;
        }
        if let Op::Parameter(_) = graph.node(id).op {
            // Each kernel adds its gradient to those of the other uses.
            leaves.extend(contributions.iter().map(|gradient| (id, *gradient)));
            continue;
        }
        let d_y = sum(graph, id, &contributions);
        if let Op::Operand(_) = graph.node(id).op {
            leaves.push((id, d_y));
            continue;
        }
        let mut cx = Gradient { graph, id, d_y, needed };
        let gradients = cx.of_node();
        for (operand, gradient) in gradients {
            let Some(target) = graph.node(id).inputs.get(operand).copied() else { continue };
            if let Some(node) = graph.nodes.get_mut(gradient.0 as usize) {
                node.gradient_of.get_or_insert(target);
            }
            if let Some(adjoint) = adjoints.get_mut(target.0 as usize) {
                adjoint.push(gradient);
            }
        }
    }
    leaves
}

/// The gradient of the total with respect to each sample's loss is the sample's scale.
fn seed(graph: &Graph, loss: &crate::graph::Loss, adjoints: &mut [Vec<NodeId>]) {
    for pair in graph.node(loss.total).inputs.chunks_exact(2) {
        if let [sample, scale] = pair
            && let Some(adjoint) = adjoints.get_mut(sample.0 as usize)
        {
            adjoint.push(*scale);
        }
    }
}

/// Whether each node depends on a trained parameter, or on an operand of which `is_needed` says so by its number.
pub(crate) fn reaches_parameter(graph: &Graph, is_needed: impl Fn(u32) -> bool) -> Vec<bool> {
    let mut reaches: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let trained = match node.op {
            Op::Parameter(parameter) => graph.parameter(parameter).role == Role::Trained,
            Op::Operand(n) => is_needed(n),
            _ => false,
        };
        let inherits =
            node.inputs.iter().any(|input| reaches.get(input.0 as usize).copied().unwrap_or(false));
        reaches.push(trained || inherits);
    }
    reaches
}

/// The sum of several contributions, as one pointwise node; of parts that fill a value, as those of `split`, the parts one
/// after the other.
fn sum(graph: &mut Graph, id: NodeId, contributions: &[NodeId]) -> NodeId {
    if let [only] = contributions {
        return *only;
    }
    let (op, inputs) = joined(graph, contributions).unwrap_or_else(|| {
        let scalar = (1..contributions.len() as u32)
            .fold(Scalar::input(0), |sum, n| Scalar::binary(Binary::Add, sum, Scalar::input(n)));
        (Op::Pointwise(scalar), contributions.to_vec())
    });
    let node = graph.node(id);
    let node = Node {
        op,
        inputs,
        shape: node.shape.clone(),
        batched: node.batched,
        layer: node.layer,
        direction: Direction::Backward,
        gradient_of: Some(id),
    };
    graph.push(node)
}

/// Contributions of which each is 0 but for some places of one axis, when these places are all of it, each once: what
/// puts them one after the other.
fn joined(graph: &Graph, contributions: &[NodeId]) -> Option<(Op, Vec<NodeId>)> {
    let mut parts = Vec::new();
    for id in contributions {
        let node = graph.node(*id);
        let Op::Operator(op) = &node.op else { return None };
        let (axis, places) = op.places()?;
        parts.push((places.start, places.end, axis, *node.inputs.first()?));
    }
    parts.sort_unstable_by_key(|(start, ..)| *start);
    let shape = &graph.node(*contributions.first()?).shape;
    let axis = parts.first().map(|(_, _, axis, _)| *axis)?;
    let end = parts.iter().try_fold(0, |end, (from, to, of, _)| (*from == end && *of == axis).then_some(*to));
    (end == shape.get(axis).copied()).then(|| {
        let op = Concat { axis, outer: shape.iter().take(axis).product() };
        (Op::Operator(Arc::new(op)), parts.iter().map(|(.., of)| *of).collect())
    })
}

/// A model that is to be trained, and of which every parameter is frozen.
fn nothing_to_train(graph: &Graph) -> Option<Diagnostic> {
    let has = |role| graph.parameters.iter().any(|parameter| parameter.role == role);
    let optimizer = graph.optimizer.as_ref().filter(|_| has(Role::Frozen) && !has(Role::Trained))?;
    let message = format!("every parameter of `{}` is frozen", graph.name);
    let label = "expected something that it can change, found nothing";
    Some(
        Diagnostic::new(Code::E0404, message, optimizer.span, label)
            .with_help("put a layer behind them that is trained, or take one out of `frozen { … }`"),
    )
}

fn without_gradient(graph: &Graph) -> Vec<Diagnostic> {
    if let Some(fault) = nothing_to_train(graph) {
        return vec![fault];
    }
    let mut faults: Vec<Diagnostic> = Vec::new();
    for (n, parameter) in graph.parameters.iter().enumerate() {
        let updated = graph.updates.iter().any(|update| update.parameter.0 as usize == n);
        if parameter.role != Role::Trained || updated {
            continue;
        }
        let origin = graph.layer(parameter.layer);
        // One message a layer: its weight and bias have one cause.
        if faults.iter().any(|fault| fault.primary.span == origin.span) {
            continue;
        }
        let stopped = gradient_stops_at(graph, n);
        let mut fault = Diagnostic::new(
            Code::E0404,
            format!("`{}` gets no gradient", parameter.name),
            origin.span,
            format!("no path from the loss reaches the parameters of `{}`", origin.name),
        );
        if let Some((layer, derivative)) = stopped {
            fault = fault.with_label(graph.layer(layer).span, derivative);
        }
        faults.push(fault.with_help(
            "use a layer whose derivative is not zero, or take the layer out; or `frozen { … }` keeps it",
        ));
    }
    faults
}

/// The first place above a parameter where the derivative is zero everywhere.
fn gradient_stops_at(graph: &Graph, parameter: usize) -> Option<(crate::graph::LayerId, String)> {
    let mut reached = vec![false; graph.nodes.len()];
    for id in graph.ids() {
        let node = graph.node(id);
        if node.direction == Direction::Backward {
            break;
        }
        let from = |input: &NodeId| reached.get(input.0 as usize).copied().unwrap_or(false);
        let here =
            matches!(node.op, Op::Parameter(p) if p.0 as usize == parameter) || node.inputs.iter().any(from);
        if here && let Op::Pointwise(scalar) = &node.op {
            let through = node.inputs.iter().enumerate().filter(|(_, input)| from(input));
            let mut derivatives =
                through.map(|(n, _)| scalar::differentiate(scalar, Variable::Input(n as u32)));
            if derivatives.all(|derivative| derivative.is(0.0)) {
                return Some((node.layer, "the derivative is zero everywhere".to_owned()));
            }
        }
        if let Some(slot) = reached.get_mut(id.0 as usize) {
            *slot = here;
        }
    }
    None
}

/// The gradient of one node: what an operator is given to build it with.
#[derive(Debug)]
pub struct Gradient<'a> {
    /// The graph; gradient nodes are added to it.
    pub graph: &'a mut Graph,
    /// The node whose operands need a gradient.
    pub id: NodeId,
    /// The gradient of the loss with respect to its value.
    pub d_y: NodeId,
    needed: &'a [bool],
}

impl Gradient<'_> {
    /// Operand `n` of the node.
    pub fn operand(&self, n: usize) -> NodeId {
        self.graph.node(self.id).inputs.get(n).copied().unwrap_or(self.id)
    }

    /// Whether operand `n` leads to a trained parameter.
    pub fn needs(&self, n: usize) -> bool {
        let operands = &self.graph.node(self.id).inputs;
        operands.get(n).is_some_and(|id| self.needed.get(id.0 as usize).copied().unwrap_or(false))
    }

    /// Adds a node to the backward part of the layer.
    pub fn node(&mut self, op: Op, inputs: Vec<NodeId>, shape: Vec<usize>, batched: bool) -> NodeId {
        let node = self.graph.node(self.id);
        let direction = if node.direction == Direction::Loss { Direction::Loss } else { Direction::Backward };
        let layer = node.layer;
        self.graph.push(Node { op, inputs, shape, batched, layer, direction, gradient_of: None })
    }

    /// Adds a scalar function.
    pub fn pointwise(&mut self, scalar: Scalar, inputs: Vec<NodeId>, shape: Vec<usize>) -> NodeId {
        self.node(Op::Pointwise(scalar), inputs, shape, true)
    }

    /// Adds an operator.
    pub fn operator(
        &mut self,
        op: impl Operator + 'static,
        inputs: Vec<NodeId>,
        shape: Vec<usize>,
        batched: bool,
    ) -> NodeId {
        self.node(Op::Operator(Arc::new(op)), inputs, shape, batched)
    }

    fn of_node(&mut self) -> Vec<(usize, NodeId)> {
        let node = self.graph.node(self.id).clone();
        match &node.op {
            Op::Pointwise(function) => self.of_pointwise(&node, function),
            Op::Reduce(reduction) => self.of_reduction(&node, *reduction),
            Op::Reshape => {
                let shape = self.graph.node(self.operand(0)).shape.clone();
                vec![(0, self.node(Op::Reshape, vec![self.d_y], shape, true))]
            }
            Op::Operator(op) => op.gradient(self),
            // A plan makes broadcasts, of graphs that have their gradients.
            Op::Input(_)
            | Op::Target
            | Op::SampleScale
            | Op::Carried(_)
            | Op::Parameter(_)
            | Op::Constant(..)
            | Op::Operand(_)
            | Op::Part(_)
            | Op::Total
            | Op::Broadcast { .. } => Vec::new(),
        }
    }

    /// d_x = d_y * df/dx, with df/dx written over the function's result where that saves keeping its operands.
    fn of_pointwise(&mut self, node: &Node, function: &Scalar) -> Vec<(usize, NodeId)> {
        let mut gradients = Vec::new();
        for n in 0..node.inputs.len() {
            if !self.needs(n) {
                continue;
            }
            let derivative = scalar::differentiate(function, Variable::Input(n as u32));
            let derivative = scalar::in_terms_of_output(&derivative, function);
            if derivative.is(0.0) {
                continue;
            }
            // Operands of the product: the gradient first, then what the derivative still names.
            let mut operands = vec![self.d_y];
            let (inputs, result) = (node.inputs.clone(), self.id);
            let mut operand = |id: NodeId| {
                let at = operands.iter().position(|known| *known == id).unwrap_or_else(|| {
                    operands.push(id);
                    operands.len() - 1
                });
                Some(Scalar::input(at as u32))
            };
            let derivative = derivative.substitute(&mut |variable| match variable {
                Variable::Input(m) => inputs.get(m as usize).and_then(|id| operand(*id)),
                Variable::Output => operand(result),
                _ => None,
            });
            let product = scalar::simplify(&Scalar::binary(Binary::Mul, Scalar::input(0), derivative));
            let gradient = self.pointwise(product, operands, node.shape.clone());
            gradients.push((n, self.onto(gradient, self.operand(n))));
        }
        gradients
    }

    /// The gradient of an operand that was the same for all elements, positions or samples, is the sum over them.
    pub fn onto(&mut self, gradient: NodeId, operand: NodeId) -> NodeId {
        let target = self.graph.node(operand).clone();
        let whole = self.graph.node(gradient).clone();
        let mut gradient = gradient;
        if target.len() < whole.len() && (target.batched || target.len() == 1) {
            // One value a position is what a reduction leaves.
            let shape = if target.len() == 1 { Vec::new() } else { vec![target.len()] };
            gradient = self.node(Op::Reduce(Reduction::Sum), vec![gradient], shape, true);
        }
        if !target.batched {
            let shape = vec![target.len()];
            if target.len() > 1 && target.len() < whole.len() {
                let gather = Gather { inner: 1, len: target.len() };
                gradient = self.operator(gather, vec![gradient], shape.clone(), true);
            }
            let rows = self.operator(SampleRows, vec![gradient], shape, true);
            gradient = self.operator(BatchSum, vec![rows], target.shape, false);
        }
        gradient
    }

    fn of_reduction(&mut self, node: &Node, reduction: Reduction) -> Vec<(usize, NodeId)> {
        if !self.needs(0) {
            return Vec::new();
        }
        let x = self.operand(0);
        let shape = self.graph.node(x).shape.clone();
        let count = (self.graph.node(x).len() / node.len().max(1)) as f64;
        let d_x = match reduction {
            Reduction::Sum => self.pointwise(Scalar::input(0), vec![self.d_y], shape),
            Reduction::Mean => {
                let scaled = Scalar::binary(Binary::Mul, Scalar::input(0), Scalar::Number(1.0 / count));
                self.pointwise(scaled, vec![self.d_y], shape)
            }
            // As in PyTorch: equal largest values share the gradient evenly.
            Reduction::Max => {
                let is_largest = Scalar::select(
                    Relation::Eq,
                    Scalar::input(0),
                    Scalar::input(1),
                    Scalar::Number(1.0),
                    Scalar::Number(0.0),
                );
                let mask = self.pointwise(is_largest, vec![x, self.id], shape.clone());
                let ties = self.node(Op::Reduce(Reduction::Sum), vec![mask], node.shape.clone(), true);
                let share = Scalar::binary(
                    Binary::Mul,
                    Scalar::input(1),
                    Scalar::binary(Binary::Div, Scalar::input(0), Scalar::input(2)),
                );
                self.pointwise(share, vec![self.d_y, mask, ties], shape)
            }
        };
        vec![(0, d_x)]
    }
}
