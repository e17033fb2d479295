//! What a model costs: arithmetic and memory.

use nnc_compiler::CompiledModel;
use nnc_compiler::graph::{Graph, Node, Op, Role};
use nnc_compiler::plan::LANES;
use nnc_compiler::program::Precision;

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
    let Some(optimizer) = &graph.optimizer else { return 0 };
    let trained =
        graph.parameters.iter().enumerate().filter(|(_, parameter)| parameter.role == Role::Trained);
    let of_group = |n: usize| -> u64 {
        let group = optimizer.group(n);
        group.map_or(0, |group| group.assignments().map(|assign| assign.value.size() as u64).sum())
    };
    trained.map(|(n, parameter)| of_group(n) * parameter.len() as u64).sum()
}

/// Bytes of a model's parameters and buffers, padding included.
pub fn parameter_bytes(graph: &Graph) -> usize {
    bytes_of(graph, |_| true)
}

/// Bytes of the parameters of some roles, padding included.
fn bytes_of(graph: &Graph, is_of: impl Fn(Role) -> bool) -> usize {
    let rows: usize = graph
        .parameters
        .iter()
        .filter(|parameter| is_of(parameter.role))
        .map(|parameter| {
            let (rows, inputs) = parameter.rows();
            rows * inputs.unwrap_or(1)
        })
        .sum();
    rows * LANES * number_bytes(graph)
}

/// What the optimizer keeps of each parameter: how many numbers, its states and the gradient where that is stored.
fn kept_copies(model: &CompiledModel) -> Option<usize> {
    let optimizer = model.plan.train.as_ref()?.graph.optimizer.as_ref()?;
    // Gradients of several steps are a state already.
    let stored = optimizer.stores_gradients() && optimizer.accumulate == 1;
    Some(model.info.states.len() + usize::from(stored))
}

/// Bytes that the optimizer keeps, and those that it would keep more if nothing were frozen.
pub fn optimizer_bytes(model: &CompiledModel) -> Option<(usize, usize)> {
    let (copies, graph) = (kept_copies(model)?, &model.graph);
    let of = |role| bytes_of(graph, |found| found == role) * copies;
    Some((of(Role::Trained), of(Role::Frozen)))
}

/// Bytes to predict: parameters and the values of a batch.
pub fn inference_bytes(model: &CompiledModel) -> usize {
    let graph = &model.plan.predict.graph;
    let size = number_bytes(graph);
    let values: usize =
        model.plan.predict.slots.iter().map(|slot| slot.bytes(model.plan.predict_groups, size)).sum();
    parameter_bytes(graph) + values
}

/// Bytes to train: parameters, the optimizer's states, and the values of a step; `None` for a model that is not trained.
pub fn training_bytes(model: &CompiledModel) -> Option<usize> {
    let train = model.plan.train.as_ref()?;
    let size = number_bytes(&train.graph);
    let values: usize = train.slots.iter().map(|slot| slot.bytes(model.plan.groups, size)).sum();
    let (kept, _) = optimizer_bytes(model)?;
    Some(parameter_bytes(&train.graph) + kept + values)
}

fn number_bytes(graph: &Graph) -> usize {
    if graph.precision == Precision::F64 { 8 } else { 4 }
}
