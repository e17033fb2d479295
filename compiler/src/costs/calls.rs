//! The functions that a pass calls, in order, with the arithmetic and the memory traffic of each: what a time that was
//! taken of them is held against.
//!
//! The order is that of `emit/model/`; the tests below hold the two together.

use super::{flops, gradient_bytes, parameter_bytes, update_flops_of};
use crate::compile::CompiledModel;
use crate::graph::{Direction, Graph, LayerId, NodeId, Op, Optimizer, Parameter, ParameterId, Role};
use crate::plan::{Function, LANES, Pass, Step};
use crate::program::TargetKind;

/// What a call does in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Samples or targets become lanes.
    Load,
    /// From the input to the output.
    Forward,
    /// The loss, and its gradient with respect to the output.
    Loss,
    /// The forward part once more, on the way back.
    Recompute,
    /// From the loss back.
    Backward,
    /// That, and the update of the layer's parameters with every gradient that is finished.
    BackwardAndUpdate,
    /// The update of parameters by itself: of a layer's, with the gradients that go into it, or of all, where it waits
    /// for all gradients.
    Update,
    /// Lanes become predictions.
    Store,
}

impl Part {
    /// As a table has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Forward => "forward",
            Self::Loss => "loss",
            Self::Recompute => "recompute",
            Self::Backward => "backward",
            Self::BackwardAndUpdate => "backward + update",
            Self::Update => "update",
            Self::Store => "store",
        }
    }
}

/// A call of an emitted function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The function, as the plan names it; layers of blocks may share the emitted one.
    pub function: String,
    /// The layer, of what belongs to one.
    pub layer: Option<LayerId>,
    /// What it does.
    pub part: Part,
    /// Operations on numbers for each sample.
    pub sample_flops: u64,
    /// Operations that do not depend on the samples.
    pub flops: u64,
    /// Bytes that pass between the function and memory or a cache, each value, parameter and state counted once for
    /// reading and once for writing; padding included.
    pub bytes: u64,
}

/// Calls of a training step; `None` for a model that is not trained.
///
/// With `accumulate`, the update at the end is called in some steps only; none is called behind a loss that is not finite.
pub fn training(model: &CompiledModel) -> Option<Vec<Call>> {
    let pass = model.plan.train.as_ref()?;
    let costs =
        Costs { pass, size: pass.graph.precision.bytes(), samples: Samples::Groups(model.plan.groups) };
    let mut calls = vec![costs.load("load_samples", &inputs(&pass.graph))];
    let target = pass.graph.ids().find(|id| pass.graph.node(*id).op == Op::Target);
    let target = target.filter(|id| pass.value(*id).is_some());
    if let Some(target) = target.filter(|_| !matches!(model.info.target(), Some((TargetKind::Class, _)))) {
        calls.push(costs.load("load_targets", &[target]));
    }
    for direction in [Direction::Forward, Direction::Loss] {
        calls.extend(pass.of(direction).map(|function| costs.call(function)));
    }
    let behind_loss = pass.functions.iter().filter(|function| function.direction.is_behind_loss());
    calls.extend(behind_loss.map(|function| costs.call(function)));
    if let Some(optimizer) = pass.graph.optimizer.as_ref().filter(|optimizer| optimizer.stores_gradients()) {
        calls.extend(updates(&pass.graph, optimizer));
    }
    Some(calls)
}

/// Calls of a prediction of several samples; of [`samples_at_once`] at most, and again for those that are left.
pub fn prediction(model: &CompiledModel) -> Vec<Call> {
    let (pass, groups) = (&model.plan.predict, model.plan.predict_groups);
    let costs = Costs { pass, size: pass.graph.precision.bytes(), samples: Samples::Groups(groups) };
    let mut calls = vec![costs.load("load_samples", &inputs(&pass.graph))];
    calls.extend(pass.functions.iter().map(|function| costs.call(function)));
    calls.push(Call { part: Part::Store, ..costs.load("store_outputs", &[pass.graph.output]) });
    calls
}

/// Samples that [`prediction`] takes at once.
pub fn samples_at_once(model: &CompiledModel) -> usize {
    model.plan.predict_groups * LANES
}

/// Calls of the prediction of a single sample.
pub fn single(model: &CompiledModel) -> Vec<Call> {
    let pass = &model.plan.single;
    let costs = Costs { pass, size: pass.graph.precision.bytes(), samples: Samples::One };
    pass.functions.iter().map(|function| costs.call(function)).collect()
}

fn inputs(graph: &Graph) -> Vec<NodeId> {
    graph.inputs.iter().map(|input| input.node).collect()
}

/// The calls behind the backward part: the norm of all gradients, and the update.
fn updates(graph: &Graph, optimizer: &Optimizer) -> Vec<Call> {
    let trained = || {
        let parameters = graph.parameters.iter().enumerate();
        parameters.filter(|(_, parameter)| parameter.role == Role::Trained)
    };
    let call = |function: &str, flops, bytes: usize| Call {
        function: function.to_owned(),
        layer: None,
        part: Part::Update,
        sample_flops: 0,
        flops,
        bytes: bytes as u64,
    };
    let mut calls = Vec::new();
    if optimizer.clip_norm.is_some() {
        let values: usize = trained().map(|(_, parameter)| parameter.len()).sum();
        let bytes = trained().map(|(_, parameter)| gradient_bytes(graph, parameter)).sum();
        calls.push(call("gradient_squares", 2 * values as u64, bytes));
    }
    let flops = trained().map(|(n, _)| update_flops_of(graph, n)).sum();
    let states = optimizer.states.len();
    let bytes = trained().map(|(n, parameter)| {
        let passes = optimizer.group(n).map_or(1, |group| group.phases.len());
        // Each pass reads the gradient, the weights and the states; the last one writes what has changed, and the
        // gradient, if it is to begin anew.
        parameter_bytes(graph, parameter) * (passes + 1) * (1 + states)
            + gradient_bytes(graph, parameter) * (passes + usize::from(optimizer.accumulate > 1))
    });
    calls.push(call("update_all", flops, bytes.sum()));
    calls
}

/// How many samples a pass holds.
#[derive(Debug, Clone, Copy)]
enum Samples {
    /// Groups of sixteen, lane by lane.
    Groups(usize),
    /// One, its features along the lanes.
    One,
}

/// What the functions of a pass cost.
struct Costs<'a> {
    pass: &'a Pass,
    /// Bytes of a number.
    size: usize,
    samples: Samples,
}

impl Costs<'_> {
    /// Rows become lanes, or the other way round: each value is read and written once.
    fn load(&self, function: &str, values: &[NodeId]) -> Call {
        let bytes: usize = values.iter().map(|id| 2 * self.value_bytes(*id)).sum();
        Call {
            function: function.to_owned(),
            layer: None,
            part: Part::Load,
            sample_flops: 0,
            flops: 0,
            bytes: bytes as u64,
        }
    }

    fn call(&self, function: &Function) -> Call {
        let graph = &self.pass.graph;
        let stored = graph.optimizer.as_ref().is_some_and(Optimizer::stores_gradients);
        let updated = updated(function);
        let part = match function.direction {
            Direction::Forward => Part::Forward,
            Direction::Loss => Part::Loss,
            Direction::Recompute => Part::Recompute,
            Direction::Backward if !stored && function.updates(graph).is_some() => Part::Update,
            Direction::Backward if !updated.is_empty() && !stored => Part::BackwardAndUpdate,
            Direction::Backward => Part::Backward,
        };
        let nodes = function.steps.iter().flat_map(Step::nodes);
        let (mut sample_flops, mut once) = (0, 0);
        for node in nodes.map(|id| graph.node(id)) {
            let depends = node.batched || node.inputs.iter().any(|input| graph.node(*input).batched);
            *(if depends { &mut sample_flops } else { &mut once }) += flops(graph, node);
        }
        if !stored {
            once += updated.iter().map(|id| update_flops_of(graph, id.0 as usize)).sum::<u64>();
        }
        let values = function.reads.iter().chain(&function.writes);
        let values: usize = values.map(|id| self.value_bytes(*id)).sum();
        Call {
            function: function.name.clone(),
            layer: Some(function.layer),
            part,
            sample_flops,
            flops: once,
            bytes: (values + self.read_bytes(function) + self.update_bytes(&updated)) as u64,
        }
    }

    /// Bytes of a value that lies in memory.
    fn value_bytes(&self, id: NodeId) -> usize {
        match (self.samples, self.pass.value(id)) {
            (Samples::Groups(groups), Some(value)) => value.bytes(groups, self.size),
            (Samples::One, Some(value)) => value.len.next_multiple_of(LANES) * self.size,
            (_, None) => 0,
        }
    }

    /// Bytes of the parameters that a function reads, those of repeated steps once.
    fn read_bytes(&self, function: &Function) -> usize {
        let mut read: Vec<(ParameterId, usize)> = Vec::new();
        self.reads(&self.pass.graph, function, &mut read);
        read.iter().map(|(_, bytes)| bytes).sum()
    }

    fn reads(&self, graph: &Graph, function: &Function, read: &mut Vec<(ParameterId, usize)>) {
        for step in &function.steps {
            for id in step.nodes() {
                let node = graph.node(id);
                for input in &node.inputs {
                    let Op::Parameter(parameter) = graph.node(graph.source(*input)).op else { continue };
                    // Parameters are those of the model, in a step that is repeated too.
                    let whole = parameter_bytes(&self.pass.graph, self.pass.graph.parameter(parameter));
                    // What computes nothing picks rows of a table.
                    let is_lookup = matches!(&node.op, Op::Operator(op) if op.flops(graph, node) == 0);
                    let bytes = if is_lookup { whole.min(self.value_bytes(id)) } else { whole };
                    match read.iter_mut().find(|(known, _)| *known == parameter) {
                        Some((_, most)) => *most = bytes.max(*most),
                        None => read.push((parameter, bytes)),
                    }
                }
            }
            if let Step::Kernel { body: Some(body), .. } = step {
                body.functions.iter().for_each(|function| self.reads(&body.graph, function, read));
            }
        }
    }

    /// Bytes of parameters and states that are read and written by updates, or of the gradients that are kept for them.
    fn update_bytes(&self, updated: &[ParameterId]) -> usize {
        let graph = &self.pass.graph;
        let Some(optimizer) = &graph.optimizer else { return 0 };
        let bytes = |parameter: &Parameter| match optimizer.stores_gradients() {
            // Added to what is there.
            true if optimizer.adds_up || optimizer.accumulate > 1 => 2 * gradient_bytes(graph, parameter),
            true => gradient_bytes(graph, parameter),
            false => (2 + 2 * optimizer.states.len()) * parameter_bytes(graph, parameter),
        };
        updated.iter().map(|id| bytes(graph.parameter(*id))).sum()
    }
}

/// The parameters whose gradients a function finishes.
fn updated(function: &Function) -> Vec<ParameterId> {
    let parameter = |step: &Step| match step {
        Step::Kernel { update, .. } => *update,
        Step::Rows { .. } => None,
    };
    function.steps.iter().filter_map(parameter).collect()
}

#[cfg(test)]
mod tests;
