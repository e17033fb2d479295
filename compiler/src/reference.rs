//! The reference: a slow, obvious f64 interpreter of graphs on `ndarray`.
//!
//! It gives operators their meaning. It runs the graph as `infer` and `differentiate` made it, before any rewrite, so
//! that a fault in a rewrite or in emitted code shows as a difference. Without a Rust compiler at hand, `nnc train`
//! trains with it.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis, IxDyn};

use crate::differentiate::differentiate;
use crate::graph::{Graph, Node, NodeId, Op, ParameterId};
use crate::infer::scale_of;
use crate::program::{OptimizerUse, Reduction, TargetKind};
use crate::scalar::{Scalar, Variable, evaluate};

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
    steps: u64,
    lr: f64,
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

impl Interpreter {
    /// A model whose parameters are zero.
    ///
    /// # Errors
    /// As [`differentiate`].
    pub fn new(graph: &Graph) -> Result<Self, Vec<nnc_grammar::diagnostic::Diagnostic>> {
        let training = if graph.loss.is_some() && graph.optimizer.is_some() {
            let (stable, _) = crate::simplify::stable_forms(graph.clone());
            Some(differentiate(stable)?)
        } else {
            None
        };
        let parameters: Vec<ArrayD<f64>> =
            graph.parameters.iter().map(|parameter| ArrayD::zeros(IxDyn(&parameter.shape))).collect();
        let states = graph
            .optimizer
            .iter()
            .flat_map(|optimizer| &optimizer.states)
            .map(|(_, initial)| {
                let initial = evaluate(initial, &mut |_| 0.0);
                parameters.iter().map(|parameter| parameter.mapv(|_| initial)).collect()
            })
            .collect();
        let lr = graph
            .optimizer
            .as_ref()
            .and_then(|optimizer| optimizer.hyper.first().map(|(_, lr)| *lr))
            .unwrap_or(0.0);
        Ok(Self { graph: graph.clone(), training, parameters, states, steps: 0, lr })
    }

    /// The graph, forward and loss.
    pub fn graph(&self) -> &Graph {
        &self.graph
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

    /// State number `state` of parameter number `n`.
    pub fn state(&self, state: usize, n: usize) -> Option<&ArrayD<f64>> {
        self.states.get(state)?.get(n)
    }

    /// State number `state` of parameter number `n`.
    pub fn state_mut(&mut self, state: usize, n: usize) -> Option<&mut ArrayD<f64>> {
        self.states.get_mut(state)?.get_mut(n)
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
        (!optimizer.hyper.is_empty()).then_some(self.lr)
    }

    /// Sets the learning rate.
    pub fn set_learning_rate(&mut self, lr: f64) {
        self.lr = lr;
    }

    /// Predicts rows of samples.
    pub fn predict(&self, x: &[f64]) -> ArrayD<f64> {
        self.run(&self.graph, x, Targets::None).output
    }

    /// The loss of a batch.
    pub fn loss(&self, x: &[f64], target: Targets<'_>) -> f64 {
        self.run(&self.graph, x, target).loss
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
        for (parameter, gradient) in &outcome.gradients {
            self.update(&optimizer, parameter.0 as usize, gradient);
        }
        outcome.loss
    }

    fn update(&mut self, optimizer: &OptimizerUse, n: usize, gradient: &ArrayD<f64>) {
        let (step, lr) = (self.steps as f64, self.lr);
        let Some(weights) = self.parameters.get_mut(n) else { return };
        let mut states: Vec<_> = self
            .states
            .iter_mut()
            .filter_map(|state| state.get_mut(n))
            .map(|state| state.iter_mut())
            .collect();
        for (weight, gradient) in weights.iter_mut().zip(gradient) {
            let mut slots: Vec<&mut f64> = states.iter_mut().filter_map(Iterator::next).collect();
            let mut values: BTreeMap<Variable, f64> = BTreeMap::from([
                (Variable::Weight, *weight),
                (Variable::Gradient, *gradient),
                (Variable::Step, step),
                (Variable::Hyper(0), lr),
            ]);
            values.extend(slots.iter().enumerate().map(|(s, slot)| (Variable::State(s as u32), **slot)));
            for assign in &optimizer.assignments {
                let value = evaluate(&assign.value, &mut |variable| {
                    values.get(&variable).copied().unwrap_or(f64::NAN)
                });
                values.insert(assign.target, value);
            }
            let new = |variable| values.get(&variable).copied().unwrap_or(f64::NAN);
            *weight = new(Variable::Weight);
            for (s, slot) in slots.iter_mut().enumerate() {
                **slot = new(Variable::State(s as u32));
            }
        }
    }

    /// The first layer whose value is not finite on these samples: its number in the graph.
    pub fn first_non_finite(&self, x: &[f64]) -> Option<usize> {
        let values = self.run(&self.graph, x, Targets::None).values;
        let nodes = self.graph.nodes.iter().zip(&values);
        let mut batched = nodes.filter(|(node, _)| node.batched);
        batched
            .find(|(_, value)| value.iter().any(|x| !(*x as f32).is_finite()))
            .map(|(node, _)| node.layer.0 as usize)
    }

    fn run(&self, graph: &Graph, x: &[f64], target: Targets<'_>) -> Outcome {
        let features = graph.node(graph.input).len().max(1);
        let samples = x.len() / features;
        let has_target = !matches!(target, Targets::None);
        let mut values: Vec<ArrayD<f64>> = Vec::with_capacity(graph.nodes.len());
        for node in &graph.nodes {
            let skipped = !has_target && node.direction != crate::graph::Direction::Forward;
            let value = if skipped {
                ArrayD::zeros(IxDyn(&[0]))
            } else {
                self.node(graph, node, x, samples, target, &values)
            };
            values.push(value);
        }
        let value =
            |id: NodeId| values.get(id.0 as usize).cloned().unwrap_or_else(|| ArrayD::zeros(IxDyn(&[0])));
        let loss = graph
            .loss
            .as_ref()
            .map_or(0.0, |loss| value(loss.total).iter().next().copied().unwrap_or(f64::NAN));
        let gradients = graph.updates.iter().map(|update| {
            let shape = &graph.parameter(update.parameter).shape;
            let gradient = value(update.gradient);
            (
                update.parameter,
                gradient.to_shape(IxDyn(shape)).map(|g| g.to_owned()).unwrap_or(gradient.clone()),
            )
        });
        Outcome { loss, output: value(graph.output), gradients: gradients.collect(), values: values.clone() }
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
            Op::Input => filled(x.get(..shape.iter().product()).unwrap_or(&[]).to_vec()),
            Op::Target => filled(match target {
                Targets::Classes(classes) => classes.iter().map(|class| f64::from(*class)).collect(),
                Targets::Values(values) => values.to_vec(),
                Targets::None => Vec::new(),
            }),
            Op::SampleScale => {
                let reduction = graph.loss.as_ref().map_or(Reduction::Mean, |loss| loss.reduction);
                ArrayD::from_elem(IxDyn(&shape), scale_of(reduction, samples))
            }
            Op::Parameter(id) => self.parameters.get(id.0 as usize).cloned().unwrap_or_else(zeros),
            Op::Constant(_, values) => filled(values.to_vec()),
            Op::Pointwise(scalar) => pointwise(scalar, graph, node, &operands, &shape),
            Op::Reduce(reduction) => {
                filled(operands.first().map(|x| reduce(x, *reduction)).unwrap_or_default())
            }
            Op::Total => match operands.as_slice() {
                [loss, scale] => {
                    ArrayD::from_elem(IxDyn(&[]), loss.iter().zip(scale.iter()).map(|(l, s)| l * s).sum())
                }
                _ => zeros(),
            },
            Op::Reshape => filled(operands.first().map(|x| x.iter().copied().collect()).unwrap_or_default()),
            Op::Operator(op) => {
                let value = op.reference(&operands);
                // Operators work on matrices of samples; the node knows the shape.
                filled(value.iter().copied().collect())
            }
        }
    }
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
    let sources: Vec<(bool, usize)> = node
        .inputs
        .iter()
        .map(|id| {
            let operand = graph.node(*id);
            (operand.batched, operand.len().max(1))
        })
        .collect();
    for sample in 0..samples {
        for k in 0..len {
            out.push(evaluate(scalar, &mut |variable| match variable {
                Variable::Input(n) => {
                    let (batched, width) = sources.get(n as usize).copied().unwrap_or((true, 1));
                    let feature = if width == 1 { 0 } else { k };
                    let at = if batched { sample * width + feature } else { feature };
                    flat.get(n as usize).and_then(|values| values.get(at)).copied().unwrap_or(f64::NAN)
                }
                Variable::Index => k as f64,
                _ => f64::NAN,
            }));
        }
    }
    ArrayD::from_shape_vec(IxDyn(shape), out).unwrap_or_else(|_| ArrayD::zeros(IxDyn(shape)))
}

/// Over the values of each sample.
fn reduce(x: &ArrayD<f64>, reduction: Reduction) -> Vec<f64> {
    let mut out = Vec::new();
    for sample in x.axis_iter(Axis(0)) {
        let sum: f64 = sample.iter().sum();
        out.push(match reduction {
            Reduction::Sum => sum,
            Reduction::Mean => sum / sample.len().max(1) as f64,
            Reduction::Max => sample.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        });
    }
    out
}

/// Whether a class target lies inside the classes of a graph.
pub fn classes_fit(graph: &Graph, target: Targets<'_>) -> bool {
    match (&graph.loss, target) {
        (Some(loss), Targets::Classes(classes)) if loss.target == TargetKind::Class => {
            classes.iter().all(|class| (*class as usize) < loss.target_len)
        }
        _ => true,
    }
}
