//! The reference: a slow, obvious f64 interpreter of graphs on `ndarray`.
//!
//! It gives operators their meaning. It runs the graph as `infer` and `differentiate` made it, before any rewrite, so
//! that a fault in a rewrite or in emitted code shows as a difference. Without a Rust compiler at hand, `nnc train`
//! trains with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{ArrayD, Axis, IxDyn};

use crate::differentiate::differentiate;
use crate::graph::{Carried, Graph, Node, NodeId, Op, ParameterId, Spread};
use crate::graph::{Draw as StepDraw, Optimizer};
use crate::infer::scale_of;
use crate::ops::scan::Scan;
use crate::program::Reduction;
use crate::scalar::{Scalar, Variable, evaluate};
use crate::simplify::{frozen, inference};

/// A model that is interpreted.
#[derive(Debug, Clone)]
pub struct Interpreter {
    /// Forward and loss.
    graph: Graph,
    /// With gradients.
    training: Option<Graph>,
    /// Parameters and buffers.
    parameters: Vec<ArrayD<f64>>,
    /// States of the optimizer, each of the form of all parameters.
    states: Vec<Vec<ArrayD<f64>>>,
    /// Gradients since the last update, where those of several steps are averaged.
    gradients: Vec<ArrayD<f64>>,
    /// What schedules remember.
    schedule: Vec<f64>,
    /// States of cells that the next step begins with, one row a sample.
    carried: Vec<ArrayD<f64>>,
    /// Steps of an epoch, and epochs.
    horizon: (f64, f64),
    /// Forward and loss as in prediction.
    inference: Graph,
    draws: StepDraws,
    steps: u64,
    lr: f64,
}

/// Where random draws come from: step, layer, sample in the batch, feature.
type StepDrawFunction = dyn Fn(u64, StepDraw, usize, usize) -> f64 + Send + Sync;

#[derive(Clone)]
struct StepDraws(Option<Arc<StepDrawFunction>>);

impl std::fmt::Debug for StepDraws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "draws" } else { "no draws" })
    }
}

/// What one pass computed.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The loss, if there is one.
    pub loss: f64,
    /// The output, samples first.
    pub output: ArrayD<f64>,
    /// The gradient of each trained parameter.
    pub gradients: BTreeMap<ParameterId, ArrayD<f64>>,
    /// The value of every node.
    pub values: Vec<ArrayD<f64>>,
}

/// The targets of a batch.
#[derive(Debug, Clone, Copy)]
pub enum Targets<'a> {
    /// A class index a sample.
    Classes(&'a [u32]),
    /// Rows of values.
    Values(&'a [f64]),
    /// None: the loss is not computed.
    None,
}

/// A distribution that initial values are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// Uniform on [0, 1).
    Uniform,
    /// Standard normal.
    Normal,
    /// Standard normal within [-2, 2].
    Truncated,
}

/// Where random numbers for initial values come from.
pub trait Draws {
    /// Number `index` for parameter or buffer number `tensor`.
    fn draw(&self, tensor: usize, index: u64, draw: Draw) -> f64;

    /// A matrix `[rows, columns]`, row-major, whose rows or columns are orthonormal, made from `normal` numbers.
    fn orthogonal(&self, shape: (usize, usize), normal: &dyn Fn(u64) -> f64) -> Vec<f64>;
}

/// States of cells before the first step.
fn carried_at_first(graph: &Graph) -> Vec<ArrayD<f64>> {
    let rows = |carried: &Carried| {
        let shape = [graph.batch, graph.node(carried.value).row()];
        ArrayD::from_elem(IxDyn(&shape), carried.initial)
    };
    graph.carried.iter().map(rows).collect()
}

impl Interpreter {
    /// A model whose parameters are zero.
    ///
    /// # Errors
    /// As [`differentiate`].
    pub fn new(graph: &Graph) -> Result<Self, Vec<nnc_grammar::diagnostic::Diagnostic>> {
        let training = if graph.loss.is_some() && graph.optimizer.is_some() {
            let (stable, _) = crate::simplify::stable_forms(graph.clone());
            Some(differentiate(frozen(stable))?)
        } else {
            None
        };
        let parameters: Vec<ArrayD<f64>> =
            graph.parameters.iter().map(|parameter| ArrayD::zeros(IxDyn(&parameter.shape))).collect();
        let optimizer = graph.optimizer.as_ref();
        let of_parameters =
            |value: f64| parameters.iter().map(|parameter| parameter.mapv(|_| value)).collect::<Vec<_>>();
        let states: Vec<Vec<ArrayD<f64>>> = optimizer
            .map(|optimizer| optimizer.states.iter().map(|(_, initial)| of_parameters(*initial)).collect())
            .unwrap_or_default();
        let accumulates = optimizer.is_some_and(|optimizer| optimizer.accumulate > 1);
        let gradients = if accumulates { of_parameters(0.0) } else { Vec::new() };
        let schedule = optimizer
            .map(|optimizer| optimizer.schedule_states.iter().map(|(_, initial)| *initial).collect())
            .unwrap_or_default();
        let lr = optimizer.and_then(|optimizer| optimizer.rate).unwrap_or(0.0);
        let horizon = (1.0, 1.0);
        Ok(Self {
            graph: graph.clone(),
            training,
            parameters,
            states,
            gradients,
            schedule,
            carried: carried_at_first(graph),
            horizon,
            inference: inference(crate::simplify::stable_forms(graph.clone()).0),
            draws: StepDraws(None),
            steps: 0,
            lr,
        })
    }

    /// Says where the random numbers of layers such as dropout come from. Without it they are no numbers.
    pub fn set_draws(&mut self, draw: impl Fn(u64, StepDraw, usize, usize) -> f64 + Send + Sync + 'static) {
        self.draws = StepDraws(Some(Arc::new(draw)));
    }

    /// The graph, forward and loss.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph with gradients, whose values [`Self::gradients`] gives; `None` for a model that is not trained.
    pub fn training_graph(&self) -> Option<&Graph> {
        self.training.as_ref()
    }

    /// Gives each parameter its initial value.
    pub fn initialize(&mut self, draws: &impl Draws) {
        for (n, (parameter, value)) in self.graph.parameters.iter().zip(&mut self.parameters).enumerate() {
            let scalar = &parameter.initializer.scalar;
            let mut count = 0;
            scalar.variables(&mut |variable| {
                count = count.max(variable.draw().map_or(0, |draw| u64::from(draw) + 1));
            });
            let mut matrices: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
            scalar.variables(&mut |variable| {
                if let Variable::RandomOrthogonal(k) = variable {
                    let normal = |index| draws.draw(n, index * count + u64::from(k), Draw::Normal);
                    let shape = parameter.as_matrix();
                    matrices.entry(k).or_insert_with(|| draws.orthogonal(shape, &normal));
                }
            });
            for (index, element) in value.iter_mut().enumerate() {
                let at = |k: u32| index as u64 * count + u64::from(k);
                *element = evaluate(scalar, &mut |variable| match variable {
                    Variable::FanIn => parameter.fan_in as f64,
                    Variable::FanOut => parameter.fan_out as f64,
                    Variable::RandomUniform(k) => draws.draw(n, at(k), Draw::Uniform),
                    Variable::RandomNormal(k) => draws.draw(n, at(k), Draw::Normal),
                    Variable::RandomTruncated(k) => draws.draw(n, at(k), Draw::Truncated),
                    Variable::RandomOrthogonal(k) => {
                        matrices.get(&k).and_then(|matrix| matrix.get(index)).copied().unwrap_or(f64::NAN)
                    }
                    _ => f64::NAN,
                });
            }
        }
    }

    /// Parameter or buffer number `n`.
    pub fn parameter(&self, n: usize) -> Option<&ArrayD<f64>> {
        self.parameters.get(n)
    }

    /// Parameter or buffer number `n`.
    pub fn parameter_mut(&mut self, n: usize) -> Option<&mut ArrayD<f64>> {
        self.parameters.get_mut(n)
    }

    /// State number `state` of parameter number `n`; behind the optimizer's own, gradients since the last update.
    pub fn state(&self, state: usize, n: usize) -> Option<&ArrayD<f64>> {
        if state == self.states.len() { self.gradients.get(n) } else { self.states.get(state)?.get(n) }
    }

    /// State number `state` of parameter number `n`; behind the optimizer's own, gradients since the last update.
    pub fn state_mut(&mut self, state: usize, n: usize) -> Option<&mut ArrayD<f64>> {
        if state == self.states.len() {
            self.gradients.get_mut(n)
        } else {
            self.states.get_mut(state)?.get_mut(n)
        }
    }

    /// Says how long training is, for schedules.
    pub fn set_horizon(&mut self, steps_per_epoch: u64, epochs: u64) {
        let accumulate = self.graph.optimizer.as_ref().map_or(1, |optimizer| optimizer.accumulate);
        self.horizon = (steps_per_epoch.max(1) as f64 / accumulate as f64, epochs.max(1) as f64);
    }

    /// What schedules remember.
    pub fn schedule(&self) -> &[f64] {
        &self.schedule
    }

    /// Sets what schedules remember.
    pub fn set_schedule(&mut self, values: &[f64]) {
        for (to, from) in self.schedule.iter_mut().zip(values) {
            *to = *from;
        }
    }

    /// Ends an epoch of this loss.
    pub fn end_epoch(&mut self, loss: f64) {
        let Some(optimizer) = &self.graph.optimizer else { return };
        let values = optimizer.schedule_updates.iter().map(|value| {
            evaluate(value, &mut |variable| match variable {
                Variable::EpochLoss => loss,
                other => self.of_step(other, self.updates(optimizer) as f64, 1.0),
            })
        });
        self.schedule = values.collect();
    }

    /// The learning rate of the next step, as a schedule makes it.
    pub fn scheduled_rate(&self) -> Option<f64> {
        let optimizer = self.graph.optimizer.as_ref()?;
        match &optimizer.scheduled_rate {
            Some(rate) => {
                let step = self.updates(optimizer) as f64 + 1.0;
                Some(evaluate(rate, &mut |variable| self.of_step(variable, step, 1.0)))
            }
            None => self.learning_rate(),
        }
    }

    /// Updates done.
    fn updates(&self, optimizer: &Optimizer) -> u64 {
        self.steps / optimizer.accumulate.max(1) as u64
    }

    /// What is the same for a whole step.
    fn of_step(&self, variable: Variable, step: f64, clip_scale: f64) -> f64 {
        match variable {
            Variable::Step => step,
            Variable::Hyper(_) => self.lr,
            Variable::StepsPerEpoch => self.horizon.0,
            Variable::Epochs => self.horizon.1,
            Variable::ClipScale => clip_scale,
            Variable::ScheduleState(n) => self.schedule.get(n as usize).copied().unwrap_or(f64::NAN),
            _ => f64::NAN,
        }
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Sets the steps done.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// The learning rate.
    pub fn learning_rate(&self) -> Option<f64> {
        let optimizer = self.graph.optimizer.as_ref()?;
        optimizer.rate.map(|_| self.lr)
    }

    /// Lets the states of cells begin anew with the next step.
    pub fn reset_state(&mut self) {
        self.carried = carried_at_first(&self.graph);
    }

    /// The states that the next step begins with: for each of them a row a sample of the largest batch.
    pub fn carried(&self) -> &[ArrayD<f64>] {
        &self.carried
    }

    /// The same, to be changed.
    pub fn carried_mut(&mut self) -> &mut [ArrayD<f64>] {
        &mut self.carried
    }

    /// Sets the learning rate.
    pub fn set_learning_rate(&mut self, lr: f64) {
        self.lr = lr;
    }

    /// Predicts rows of samples.
    pub fn predict(&self, x: &[f64]) -> ArrayD<f64> {
        self.run(&self.inference, x, Targets::None).output
    }

    /// The loss of a batch.
    pub fn loss(&self, x: &[f64], target: Targets<'_>) -> f64 {
        self.run(&self.inference, x, target).loss
    }

    /// Loss, output and gradients of a batch; nothing is updated.
    pub fn gradients(&self, x: &[f64], target: Targets<'_>) -> Option<Outcome> {
        self.training.as_ref().map(|training| self.run(training, x, target))
    }

    /// One step of the optimizer; returns the loss. When that is not finite nothing changes.
    pub fn step(&mut self, x: &[f64], target: Targets<'_>) -> f64 {
        let Some(outcome) = self.gradients(x, target) else { return f64::NAN };
        let Some(optimizer) = self.graph.optimizer.clone() else { return outcome.loss };
        // As f32, for that is what a step reports in every precision.
        if !(outcome.loss as f32).is_finite() {
            return outcome.loss;
        }
        self.steps += 1;
        let tracking = self.training.iter().flat_map(|training| &training.tracking);
        for tracking in tracking {
            let value = outcome.values.get(tracking.value.0 as usize);
            let buffer = self.parameters.get_mut(tracking.buffer.0 as usize);
            let (Some(value), Some(buffer)) = (value, buffer) else { continue };
            for (buffer, value) in buffer.iter_mut().zip(value) {
                *buffer += tracking.momentum * (value - *buffer);
            }
        }
        let samples = x.len() / self.graph.input_len().max(1);
        let carried = self.training.iter().flat_map(|training| &training.carried);
        for (carried, rows) in carried.zip(&mut self.carried) {
            let Some(value) = outcome.values.get(carried.value.0 as usize) else { continue };
            let last = value.index_axis(Axis(1), carried.position);
            // Samples that the step does not have keep their state.
            for (mut to, from) in rows.axis_iter_mut(Axis(0)).zip(last.axis_iter(Axis(0))).take(samples) {
                to.assign(&from);
            }
        }
        let mut gradients = outcome.gradients;
        if optimizer.accumulate > 1 {
            for (parameter, gradient) in &mut gradients {
                let Some(sum) = self.gradients.get_mut(parameter.0 as usize) else { continue };
                *sum += &*gradient;
                gradient.assign(sum);
            }
            if !self.steps.is_multiple_of(optimizer.accumulate as u64) {
                return outcome.loss;
            }
            self.gradients.iter_mut().for_each(|gradient| gradient.fill(0.0));
        }
        let clip_scale = optimizer.clip_norm.map_or(1.0, |largest| {
            let squares: f64 = gradients.values().flatten().map(|gradient| gradient * gradient).sum();
            (largest / (squares.sqrt() / optimizer.accumulate as f64 + 1e-6)).min(1.0)
        });
        for (parameter, gradient) in &gradients {
            self.update(&optimizer, parameter.0 as usize, gradient, clip_scale);
        }
        outcome.loss
    }

    fn update(&mut self, optimizer: &Optimizer, n: usize, gradient: &ArrayD<f64>, clip_scale: f64) {
        let step = self.updates(optimizer) as f64;
        let (Some(weights), Some(group)) = (self.parameters.get(n), optimizer.group(n)) else { return };
        let mut weights: Vec<f64> = weights.iter().copied().collect();
        let gradient: Vec<f64> = gradient.iter().copied().collect();
        let mut states: Vec<Vec<f64>> = self
            .states
            .iter()
            .map(|state| state.get(n).map(|values| values.iter().copied().collect()).unwrap_or_default())
            .collect();
        let mut norms: BTreeMap<Variable, f64> = BTreeMap::new();
        for phase in &group.phases {
            let mut squares = vec![0.0; phase.norms.len()];
            for at in 0..weights.len() {
                let value_at = |values: &[f64]| values.get(at).copied().unwrap_or(f64::NAN);
                let mut values = norms.clone();
                values.insert(Variable::Weight, value_at(&weights));
                values.insert(Variable::Gradient, value_at(&gradient));
                for (s, state) in states.iter().enumerate() {
                    values.insert(Variable::State(s as u32), value_at(state));
                }
                let read = |values: &BTreeMap<Variable, f64>, scalar: &Scalar| {
                    evaluate(scalar, &mut |variable| {
                        let known = values.get(&variable).copied();
                        known.unwrap_or_else(|| self.of_step(variable, step, clip_scale))
                    })
                };
                for assign in &phase.assignments {
                    let value = read(&values, &assign.value);
                    values.insert(assign.target, value);
                }
                for ((_, scalar), square) in phase.norms.iter().zip(&mut squares) {
                    *square += read(&values, scalar).powi(2);
                }
                let new = |variable| values.get(&variable).copied().unwrap_or(f64::NAN);
                if let Some(weight) = weights.get_mut(at) {
                    *weight = new(Variable::Weight);
                }
                for (s, state) in states.iter_mut().enumerate() {
                    if let Some(slot) = state.get_mut(at) {
                        *slot = new(Variable::State(s as u32));
                    }
                }
            }
            norms.extend(
                phase
                    .norms
                    .iter()
                    .zip(squares)
                    .map(|((local, _), sum)| (Variable::Local(*local), sum.sqrt())),
            );
        }
        let put = |to: Option<&mut ArrayD<f64>>, from: Vec<f64>| {
            to.into_iter().flatten().zip(from).for_each(|(to, from)| *to = from);
        };
        put(self.parameters.get_mut(n), weights);
        for (state, values) in self.states.iter_mut().zip(states) {
            put(state.get_mut(n), values);
        }
    }

    /// The first layer whose value is not finite on these samples: its number in the graph.
    pub fn first_non_finite(&self, x: &[f64]) -> Option<usize> {
        let values = self.run(&self.inference, x, Targets::None).values;
        let nodes = self.inference.nodes.iter().zip(&values);
        let mut batched = nodes.filter(|(node, _)| node.batched);
        batched
            .find(|(_, value)| value.iter().any(|x| !(*x as f32).is_finite()))
            .map(|(node, _)| node.layer.0 as usize)
    }

    fn run(&self, graph: &Graph, x: &[f64], target: Targets<'_>) -> Outcome {
        let features = graph.input_len().max(1);
        let samples = x.len() / features;
        let has_target = !matches!(target, Targets::None);
        let mut values: Vec<ArrayD<f64>> = Vec::with_capacity(graph.nodes.len());
        // All values of operators that have several.
        let mut parts: BTreeMap<NodeId, Vec<ArrayD<f64>>> = BTreeMap::new();
        for (id, node) in graph.ids().zip(&graph.nodes) {
            let skipped = !has_target && node.direction != crate::graph::Direction::Forward;
            let scan = match &node.op {
                Op::Operator(op) => op.scan(),
                _ => None,
            };
            let part = |n: usize, of: Option<&NodeId>| {
                of.and_then(|of| parts.get(of)?.get(n).cloned()).unwrap_or_else(|| ArrayD::zeros(IxDyn(&[0])))
            };
            let value = match (&node.op, scan) {
                _ if skipped => ArrayD::zeros(IxDyn(&[0])),
                (Op::Part(n), _) => part(*n as usize, node.inputs.first()),
                (_, Some(scan)) => {
                    let operands: Vec<&ArrayD<f64>> =
                        node.inputs.iter().filter_map(|id| values.get(id.0 as usize)).collect();
                    let made = self.scan(scan, &operands, samples);
                    let first = made.first().cloned().unwrap_or_else(|| ArrayD::zeros(IxDyn(&[0])));
                    parts.insert(id, made);
                    first
                }
                _ => self.node(graph, node, x, samples, target, &values),
            };
            values.push(value);
        }
        let value =
            |id: NodeId| values.get(id.0 as usize).cloned().unwrap_or_else(|| ArrayD::zeros(IxDyn(&[0])));
        let loss = graph
            .loss
            .as_ref()
            .map_or(0.0, |loss| value(loss.total).iter().next().copied().unwrap_or(f64::NAN));
        let mut gradients: BTreeMap<ParameterId, ArrayD<f64>> = BTreeMap::new();
        for update in &graph.updates {
            let shape = &graph.parameter(update.parameter).shape;
            let gradient = value(update.gradient);
            let gradient = gradient.to_shape(IxDyn(shape)).map(|g| g.to_owned()).unwrap_or(gradient.clone());
            gradients
                .entry(update.parameter)
                .and_modify(|sum| *sum += &gradient)
                .or_insert_with(|| gradient.clone());
        }
        Outcome { loss, output: value(graph.output), gradients, values: values.clone() }
    }

    /// The values of a scan: the step at each position, from the first to the last or the other way round.
    fn scan(&self, scan: &Scan, operands: &[&ArrayD<f64>], samples: usize) -> Vec<ArrayD<f64>> {
        let (body, n_states) = (&scan.body, scan.states.len());
        let len = |n: usize| scan.result(n).map_or(0, |id| body.node(id).len());
        let mut states: Vec<ArrayD<f64>> = scan
            .states
            .iter()
            .enumerate()
            .map(|(n, state)| match scan.given().nth(n).and_then(|at| operands.get(at)) {
                Some(before) => (*before).clone(),
                None => ArrayD::from_elem(IxDyn(&[samples, len(n)]), state.initial),
            })
            .collect();
        let mut made: Vec<ArrayD<f64>> = (0..scan.values.len())
            .map(|n| ArrayD::zeros(IxDyn(&[samples, scan.positions, len(n_states + n)])))
            .collect();
        for step in 0..scan.positions {
            let t = if scan.is_reverse { scan.positions - 1 - step } else { step };
            let mut values: Vec<ArrayD<f64>> = Vec::with_capacity(body.nodes.len());
            for node in &body.nodes {
                let value = match node.op {
                    Op::Operand(n) => match (n as usize).checked_sub(n_states) {
                        None => states.get(n as usize).cloned().unwrap_or_default(),
                        Some(n) => position(operands.get(n).copied(), samples, scan.positions, t),
                    },
                    _ => self.node(body, node, &[], samples, Targets::None, &values),
                };
                values.push(value);
            }
            let value = |n: usize| scan.result(n).and_then(|id| values.get(id.0 as usize));
            for (n, made) in made.iter_mut().enumerate() {
                let Some(value) = value(n_states + n) else { continue };
                let mut at = made.index_axis_mut(Axis(1), t);
                at.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
            }
            states = (0..n_states).filter_map(value).cloned().collect();
        }
        made
    }

    fn node(
        &self,
        graph: &Graph,
        node: &Node,
        x: &[f64],
        samples: usize,
        target: Targets<'_>,
        values: &[ArrayD<f64>],
    ) -> ArrayD<f64> {
        let mut shape = node.shape.clone();
        if node.batched {
            shape.insert(0, samples);
        }
        let zeros = || ArrayD::zeros(IxDyn(&shape));
        let filled = |data: Vec<f64>| ArrayD::from_shape_vec(IxDyn(&shape), data).unwrap_or_else(|_| zeros());
        let operands: Vec<&ArrayD<f64>> =
            node.inputs.iter().filter_map(|id| values.get(id.0 as usize)).collect();
        match &node.op {
            Op::Input(n) => {
                let (at, len) = graph.input_place(*n);
                let rows = x.chunks_exact(graph.input_len().max(1));
                filled(rows.take(samples).flat_map(|row| row.iter().skip(at).take(len)).copied().collect())
            }
            Op::Target => filled(match target {
                Targets::Classes(classes) => classes.iter().map(|class| f64::from(*class)).collect(),
                Targets::Values(values) => values.to_vec(),
                Targets::None => Vec::new(),
            }),
            Op::SampleScale => {
                let reduction = graph.loss.as_ref().map_or(Reduction::Mean, |loss| loss.reduction);
                ArrayD::from_elem(IxDyn(&shape), scale_of(reduction, samples))
            }
            Op::Carried(n) => {
                let rows =
                    self.carried.get(*n as usize).map(|rows| rows.iter().copied()).into_iter().flatten();
                filled(rows.take(samples * node.len()).collect())
            }
            Op::Parameter(id) => self.parameters.get(id.0 as usize).cloned().unwrap_or_else(zeros),
            Op::Constant(_, values) => filled(values.to_vec()),
            Op::Pointwise(scalar) => pointwise(scalar, graph, node, &operands, &shape),
            Op::Reduce(reduction) => {
                filled(operands.first().map(|x| reduce(x, node.len(), *reduction)).unwrap_or_default())
            }
            Op::Total => {
                // A loss of each position, and one weight for the sample or for each of them.
                let terms = operands.chunks_exact(2).flat_map(|pair| match pair {
                    [loss, scale] => {
                        let positions = (loss.len() / scale.len().max(1)).max(1);
                        let scales: Vec<f64> = scale.iter().copied().collect();
                        let scale_of = |n: usize| scales.get(n / positions).copied().unwrap_or(f64::NAN);
                        loss.iter().enumerate().map(|(n, loss)| loss * scale_of(n)).collect()
                    }
                    _ => Vec::new(),
                });
                ArrayD::from_elem(IxDyn(&[]), terms.sum())
            }
            Op::Broadcast { inner, len } => {
                let is_batched = node.inputs.first().is_some_and(|input| graph.node(*input).batched);
                let spread = crate::ops::spread::Spread { inner: *inner, len: *len };
                let value = crate::graph::Operator::reference_of(&spread, &operands, &shape, is_batched);
                filled(value.iter().copied().collect())
            }
            // What a step is given, and values of scans, are there without being computed here.
            Op::Operand(_) | Op::Part(_) => zeros(),
            Op::Reshape => filled(operands.first().map(|x| x.iter().copied().collect()).unwrap_or_default()),
            Op::Operator(op) => {
                if let Some(draw) = op.draw() {
                    let features = node.len();
                    let at = |k: usize| (k / features.max(1), k % features.max(1));
                    let values = (0..samples * features).map(|k| match &self.draws.0 {
                        Some(draws) => draws(self.steps, draw, at(k).0, at(k).1),
                        None => f64::NAN,
                    });
                    return filled(values.collect());
                }
                let is_batched = node.inputs.first().is_some_and(|input| graph.node(*input).batched);
                let value = op.reference_of(&operands, &shape, is_batched);
                // Operators work on matrices of samples; the node knows the shape.
                filled(value.iter().copied().collect())
            }
        }
    }
}

/// The features of a position of a sequence.
fn position(sequence: Option<&ArrayD<f64>>, samples: usize, positions: usize, t: usize) -> ArrayD<f64> {
    let Some(sequence) = sequence else { return ArrayD::zeros(IxDyn(&[0])) };
    let len = sequence.len() / (samples * positions).max(1);
    let values = sequence.to_shape(IxDyn(&[samples, positions, len]));
    values.map_or_else(|_| ArrayD::zeros(IxDyn(&[0])), |values| values.index_axis(Axis(1), t).to_owned())
}

/// A scalar function of each element, operands broadcast.
fn pointwise(
    scalar: &Scalar,
    graph: &Graph,
    node: &Node,
    operands: &[&ArrayD<f64>],
    shape: &[usize],
) -> ArrayD<f64> {
    let len = node.len().max(1);
    let samples = if node.batched { shape.first().copied().unwrap_or(0) } else { 1 };
    let mut out = Vec::with_capacity(samples * len);
    let flat: Vec<Vec<f64>> = operands.iter().map(|x| x.iter().copied().collect()).collect();
    let row = node.row().max(1);
    let sources: Vec<(bool, usize, Option<Spread>)> = node
        .inputs
        .iter()
        .map(|id| {
            let operand = graph.node(*id);
            (operand.batched, operand.len().max(1), graph.spread(node, *id))
        })
        .collect();
    for sample in 0..samples {
        for k in 0..len {
            out.push(evaluate(scalar, &mut |variable| match variable {
                Variable::Input(n) => {
                    let (batched, width, spread) =
                        sources.get(n as usize).copied().unwrap_or((true, 1, None));
                    let feature = match spread {
                        Some(Spread::Elements) | None => k,
                        Some(Spread::One) => 0,
                        Some(Spread::Positions) => k / row,
                        Some(Spread::Features) => k % row,
                    };
                    let at = if batched { sample * width + feature } else { feature };
                    flat.get(n as usize).and_then(|values| values.get(at)).copied().unwrap_or(f64::NAN)
                }
                Variable::Index => (k % row) as f64,
                _ => f64::NAN,
            }));
        }
    }
    ArrayD::from_shape_vec(IxDyn(shape), out).unwrap_or_else(|_| ArrayD::zeros(IxDyn(shape)))
}

/// Over the values of each sample, or of each of its positions.
fn reduce(x: &ArrayD<f64>, positions: usize, reduction: Reduction) -> Vec<f64> {
    let samples = x.shape().first().copied().unwrap_or(0);
    let values: Vec<f64> = x.iter().copied().collect();
    let row = (values.len() / (samples * positions).max(1)).max(1);
    let reduced = values.chunks(row).map(|row| {
        let sum: f64 = row.iter().sum();
        match reduction {
            Reduction::Sum => sum,
            Reduction::Mean => sum / row.len().max(1) as f64,
            Reduction::Max => row.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    });
    reduced.collect()
}
