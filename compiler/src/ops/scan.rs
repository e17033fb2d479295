//! One step over and over: what a recurrent cell is in the graph.
//!
//! A [`Scan`] owns the graph of one step, its body, and runs it at each position of its sequences, from the first to the
//! last or the other way round. What a step gives as the next states the step after it is given as its states; the rest
//! of what it gives makes sequences of their own, the values of the scan: value 0 is its node, the others are
//! [`Op::Part`]s of it. The body names parameters of the model by the same numbers.
//!
//! The gradient of a scan is a scan the other way round, whose states are the gradients that flow from step to step.
//! Only what a step must wait for is done in it: the gradient of a weight is one large product over the samples and all
//! of their positions, behind it. A step backward is given the values of the step forward that it looks at; these are
//! then values of the scan, and nothing else is kept.

mod back;

use std::fmt;

use proc_macro2::TokenStream;

use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{self, Graph, Node, NodeId, Op, Operator};
use crate::plan::{Strategy, StrategyKind};

/// A step that is repeated.
#[derive(Clone)]
pub struct Scan {
    /// The step. Operands are the states, and behind them the sequences; results are the next states, and behind them
    /// the values.
    pub body: Graph,
    /// What goes from step to step.
    pub states: Vec<State>,
    /// How many sequences there are: the scan's first operands. Parameters come behind them.
    pub n_sequences: usize,
    /// Names of the values.
    pub values: Vec<String>,
    /// How many steps.
    pub positions: usize,
    /// Whether the last position is the first.
    pub is_reverse: bool,
    /// Whether it begins with states that it is given, operands behind the sequences, rather than with numbers.
    pub is_carried: bool,
}

/// What goes from step to step.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Its name.
    pub name: String,
    /// What all of its features are before the first step.
    pub initial: f64,
}

impl Scan {
    /// The shape of value `n`.
    pub fn shape(&self, n: usize) -> Option<Vec<usize>> {
        let result = self.body.results.get(self.states.len() + n)?;
        Some(vec![self.positions, self.body.node(*result).len()])
    }

    /// The node of the body that is the next state `n`, or behind all of these a value.
    pub fn result(&self, n: usize) -> Option<NodeId> {
        self.body.results.get(n).copied()
    }

    /// The number of the value that shows state `n` behind each position, which is one of them from now on.
    pub fn shown(&mut self, n: usize) -> usize {
        let n_states = self.states.len();
        let Some(next) = self.result(n) else { return 0 };
        let values = self.body.results.iter().skip(n_states);
        if let Some(known) = values.clone().position(|value| *value == next) {
            return known;
        }
        self.body.results.push(next);
        self.values.push(self.states.get(n).map_or_else(String::new, |state| state.name.clone()));
        self.values.len() - 1
    }

    /// The operands with which its states begin.
    pub fn given(&self) -> std::ops::Range<usize> {
        let n_given = if self.is_carried { self.states.len() } else { 0 };
        self.n_sequences..self.n_sequences + n_given
    }

    /// What holds of its body, beside what holds of every graph.
    ///
    /// # Errors
    /// What does not hold, as a sentence.
    pub fn verify(&self, outer: &Graph, node: &Node) -> Result<(), String> {
        graph::verify(&self.body)?;
        if self.body.results.len() != self.states.len() + self.values.len() || self.values.is_empty() {
            return Err("it has not as many results as it should have".to_owned());
        }
        for inner in &self.body.nodes {
            let Op::Operand(n) = inner.op else { continue };
            let expected = match (n as usize).checked_sub(self.states.len()) {
                None => self.result(n as usize).map(|next| self.body.node(next).len()),
                Some(n) if n < self.n_sequences => {
                    node.inputs.get(n).map(|id| outer.node(*id).len() / self.positions.max(1))
                }
                Some(_) => None,
            };
            if expected != Some(inner.len()) {
                return Err(format!("operand {n} has {} values, and is given {expected:?}", inner.len()));
            }
        }
        for (n, at) in self.given().enumerate() {
            let expected = self.result(n).map(|next| self.body.node(next).len());
            let found = node.inputs.get(at).map(|id| outer.node(*id).len());
            if found != expected {
                return Err(format!("state {n} has {expected:?} values, and begins with {found:?}"));
            }
        }
        Ok(())
    }

    /// The body, for dumps.
    pub(crate) fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, way) = (self.positions, if self.is_reverse { "last to first" } else { "first to last" });
        writeln!(f, "    {count} times, {way}:")?;
        for id in self.body.ids() {
            let node = self.body.node(id);
            writeln!(f, "      {id} = {} : {:?}", self.body.operation(node), node.shape)?;
        }
        let mut results = self.body.results.iter();
        for (state, next) in self.states.iter().zip(results.by_ref()) {
            writeln!(f, "      state {} = {}, then {next}", state.name, state.initial)?;
        }
        for (value, result) in self.values.iter().zip(results) {
            writeln!(f, "      value {value} = {result}")?;
        }
        Ok(())
    }
}

/// Two scans are the same when they compute the same: names and places do not count.
impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let initial: Vec<f64> = self.states.iter().map(|state| state.initial).collect();
        write!(f, "Scan({} {} {} {initial:?}", self.positions, self.is_reverse, self.is_carried)?;
        for node in &self.body.nodes {
            write!(f, " {:?} {:?} {:?}", node.op, node.inputs, node.shape)?;
        }
        write!(f, " {:?})", self.body.results)
    }
}

impl Operator for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn meaning(&self) -> String {
        let initial: Vec<f64> = self.states.iter().map(|state| state.initial).collect();
        let (positions, is_reverse, results) = (self.positions, self.is_reverse, &self.body.results);
        format!("Scan {positions} {is_reverse} {initial:?} {} {results:?}", self.body.meaning())
    }

    fn scan(&self) -> Option<&Scan> {
        Some(self)
    }

    fn part(&self) -> Option<&str> {
        // The first value of a cell is the layer's own.
        self.values.first().map(String::as_str).filter(|name| !name.is_empty())
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        back::gradient(self, cx)
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        let body = &self.body;
        let step = body.nodes.iter().map(|node| match &node.op {
            Op::Operator(op) => op.flops(body, node),
            Op::Pointwise(scalar) => (scalar.size() * node.len()) as u64,
            _ => 0,
        });
        step.sum::<u64>() * self.positions as u64
    }

    fn formula(&self, names: &[String]) -> String {
        let sequences = names.get(..self.n_sequences).unwrap_or_default().join(", ");
        let way = if self.is_reverse { ", the last first" } else { "" };
        format!("step({sequences}) at each of {} positions{way}", self.positions)
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::new(StrategyKind::Loop, format!("{} steps, one after the other", self.positions))
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.repeated(self)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.repeated(self)
    }

    #[cfg(feature = "reference")]
    fn reference(&self, _: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        // The interpreter runs the body itself.
        ndarray::ArrayD::zeros(vec![0])
    }
}
