//! What a model costs: arithmetic and memory.

pub mod calls;

use crate::compile::CompiledModel;
use crate::graph::{Graph, LayerId, Node, Op, Parameter, Role};
use crate::plan::{LANES, Pass, Slot};
use crate::program::Storage;

/// Operations on numbers for one sample: a multiplication and an addition are two, a function such as `exp` is one.
pub fn flops(graph: &Graph, node: &Node) -> u64 {
    match &node.op {
        Op::Operator(operator) => operator.flops(graph, node),
        Op::Pointwise(scalar) => (scalar.size() * node.len()) as u64,
        Op::Reduce(_) => node.inputs.first().map_or(0, |input| graph.node(*input).len() as u64),
        _ => 0,
    }
}

/// Of all nodes.
pub fn total_flops(graph: &Graph) -> u64 {
    graph.nodes.iter().map(|node| flops(graph, node)).sum()
}

/// Operations of an optimizer step that do not depend on the number of samples.
pub fn update_flops(graph: &Graph) -> u64 {
    let trained =
        graph.parameters.iter().enumerate().filter(|(_, parameter)| parameter.role == Role::Trained);
    trained.map(|(n, _)| update_flops_of(graph, n)).sum()
}

/// Of one parameter.
fn update_flops_of(graph: &Graph, n: usize) -> u64 {
    let group = graph.optimizer.as_ref().and_then(|optimizer| optimizer.group(n));
    let an_element: u64 =
        group.map_or(0, |group| group.assignments().map(|assign| assign.value.size() as u64).sum());
    graph.parameters.get(n).map_or(0, |parameter| an_element * parameter.len() as u64)
}

/// Bytes that a layer takes in a model that is trained, padding included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Its parameters and buffers.
    pub parameters: usize,
    /// What the optimizer keeps of its parameters: states, and gradients where they are stored.
    pub optimizer: usize,
    /// The slots of the arena whose first value is of this layer; others may use them later in the step.
    pub values: usize,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> usize {
        self.parameters + self.optimizer + self.values
    }
}

/// What each layer of a model takes while it is trained, or where it is not trained, while it predicts a batch.
pub fn memory(model: &CompiledModel) -> Vec<Memory> {
    let graph = &model.graph;
    let mut layers = vec![Memory::default(); graph.layers.len()];
    let kept = Kept::of(model).unwrap_or_default();
    for parameter in &graph.parameters {
        let Some(layer) = layers.get_mut(parameter.layer.0 as usize) else { continue };
        let bytes = parameter_bytes(graph, parameter);
        layer.parameters += bytes;
        layer.optimizer += if parameter.role == Role::Trained { kept.bytes(graph, parameter) } else { 0 };
    }
    for (layer, bytes) in values(model) {
        if let Some(layer) = layers.get_mut(layer.0 as usize) {
            layer.values += bytes;
        }
    }
    layers
}

/// The slots of values with the layer of their first one. Training and evaluation share an arena.
fn values(model: &CompiledModel) -> Vec<(LayerId, usize)> {
    let plan = &model.plan;
    let size = model.graph.precision.bytes();
    let trained: Vec<&Pass> = plan.train.iter().chain(&plan.evaluate).collect();
    let (passes, groups) =
        if trained.is_empty() { (vec![&plan.predict], plan.predict_groups) } else { (trained, plan.groups) };
    let mut known: Vec<&Slot> = Vec::new();
    let mut partial: Vec<usize> = Vec::new();
    let mut all = Vec::new();
    for pass in passes {
        for (n, slot) in pass.slots.iter().enumerate() {
            let is_same = |other: &&Slot| {
                (&other.name, other.layout, other.len, other.row)
                    == (&slot.name, slot.layout, slot.len, slot.row)
            };
            let first = pass.values.iter().find(|value| value.slot == Some(n));
            if let Some(first) = first.filter(|_| !known.iter().any(is_same)) {
                known.push(slot);
                all.push((pass.graph.node(first.node).layer, slot.bytes(groups, size)));
            }
        }
        for function in &pass.functions {
            if let Some(len) = function.partial.filter(|len| !partial.contains(len)) {
                partial.push(len);
                all.push((function.layer, len * groups * LANES * size));
            }
        }
    }
    all
}

fn parameter_bytes(graph: &Graph, parameter: &Parameter) -> usize {
    let (rows, inputs) = parameter.rows();
    let size = if parameter.storage == Storage::Bf16 { 2 } else { graph.precision.bytes() };
    rows * inputs.unwrap_or(1) * LANES * size
}

/// The same of its gradient, where that is kept: it is not rounded.
fn gradient_bytes(graph: &Graph, parameter: &Parameter) -> usize {
    parameter_bytes(graph, &Parameter { storage: Storage::Full, ..parameter.clone() })
}

/// Bytes of the parameters of some roles, padding included.
fn bytes_of(graph: &Graph, is_of: impl Fn(Role) -> bool) -> usize {
    let parameters = graph.parameters.iter().filter(|parameter| is_of(parameter.role));
    parameters.map(|parameter| parameter_bytes(graph, parameter)).sum()
}

/// Bytes of the parameters that are trained, padding included.
pub fn trained_bytes(graph: &Graph) -> usize {
    bytes_of(graph, |role| role == Role::Trained)
}

/// What the optimizer keeps of each trained parameter.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    /// Numbers that are kept as the parameter is.
    states: usize,
    /// Whether the gradient is kept too.
    gradient: bool,
}

impl Kept {
    fn of(model: &CompiledModel) -> Option<Self> {
        let optimizer = model.plan.train.as_ref()?.graph.optimizer.as_ref()?;
        // Gradients of several steps are a state of the model.
        let of_steps = usize::from(optimizer.accumulate > 1);
        let states = model.info.states.len().saturating_sub(of_steps);
        Some(Self { states, gradient: optimizer.stores_gradients() })
    }

    fn bytes(self, graph: &Graph, parameter: &Parameter) -> usize {
        let gradient = if self.gradient { gradient_bytes(graph, parameter) } else { 0 };
        self.states * parameter_bytes(graph, parameter) + gradient
    }
}

/// Bytes that the optimizer keeps, and those that it would keep more if nothing were frozen.
pub fn optimizer_bytes(model: &CompiledModel) -> Option<(usize, usize)> {
    let (kept, graph) = (Kept::of(model)?, &model.graph);
    let of = |role| {
        let parameters = graph.parameters.iter().filter(|parameter| parameter.role == role);
        parameters.map(|parameter| kept.bytes(graph, parameter)).sum()
    };
    Some((of(Role::Trained), of(Role::Frozen)))
}

/// Bytes to predict: parameters and the values of a batch.
pub fn inference_bytes(model: &CompiledModel) -> usize {
    let graph = &model.plan.predict.graph;
    let size = graph.precision.bytes();
    bytes_of(graph, |_| true) + model.plan.predict.bytes(model.plan.predict_groups, size)
}

/// Bytes to train: parameters, the optimizer's states, and the values of a step; `None` for a model that is not trained.
pub fn training_bytes(model: &CompiledModel) -> Option<usize> {
    model.plan.train.as_ref().map(|_| memory(model).iter().map(Memory::total).sum())
}
