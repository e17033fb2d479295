//! What is computed where: functions, strategies, stored values, and memory.
//!
//! A plan is made from graphs and prints (`nnc expand --stage plan`); it knows nothing of Rust tokens.

mod along;
mod broadcast;
mod functions;
mod memory;
mod order;
mod print;
pub mod rows;
mod strategy;

use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

pub use along::{Along, Work, along_groups};
pub use functions::{Access, Function, Step};
pub(crate) use memory::unique;
pub use memory::{Slot, Value};
pub use strategy::{
    PRODUCTS_UNROLLED, Strategy, StrategyKind, Unroll, matrix_strategy, most_unrolled, thousands,
};

use crate::graph::{Direction, Graph};

/// Samples in one row of lanes.
pub const LANES: usize = 16;

/// The plan of a model.
#[derive(Debug, Clone)]
pub struct Plan {
    /// A training step, for a model with a loss and an optimizer.
    pub train: Option<Pass>,
    /// The loss alone, as in evaluation.
    pub evaluate: Option<Pass>,
    /// A batch of predictions.
    pub predict: Pass,
    /// One prediction: lanes over features.
    pub single: Pass,
    /// Groups of 16 samples in a training batch.
    pub groups: usize,
    /// Groups of 16 samples that are predicted at once.
    pub predict_groups: usize,
}

/// The functions of one way through a graph, in the order in which they run.
#[derive(Debug, Clone)]
pub struct Pass {
    /// What is computed.
    pub graph: Graph,
    /// In order.
    pub functions: Vec<Function>,
    /// Values that are kept in memory, by node.
    pub values: Vec<Value>,
    /// The memory that they share.
    pub slots: Vec<Slot>,
    /// What is computed at one position, for each number of them that work is divided along.
    at_position: Vec<(usize, Graph)>,
    /// Whether the work for one sample is divided between threads.
    pub divides_one: bool,
    /// Whether it is a step that is repeated for two groups of samples at a time, side by side: what it reads of the
    /// weights of its products serves both.
    pub is_of_pairs: bool,
}

/// The graphs that a plan is made from, each simplified.
#[derive(Debug, Clone)]
pub struct Graphs {
    /// From input to output.
    pub predict: Graph,
    /// With the loss.
    pub evaluate: Option<Graph>,
    /// With gradients and updates.
    pub train: Option<Graph>,
}

/// Groups of samples that are predicted at once, at most.
const MOST_PREDICT_GROUPS: usize = 16;

/// Bytes of the values of those groups, about, at most: more gain nothing.
const MOST_PREDICT_BYTES: usize = 64 << 20;

/// Plans a model.
///
/// # Errors
/// E0503 when an invariant does not hold.
pub fn plan(graphs: &Graphs) -> Result<Plan, Box<Diagnostic>> {
    let pass = |graph: &Graph| make_pass(&broadcast::broadcast(graph), true);
    let predict = pass(&graphs.predict)?;
    let single = make_pass(&broadcast::broadcast_rows(&crate::simplify::apart(&graphs.predict)), false)?;
    let evaluate = graphs.evaluate.as_ref().map(pass).transpose()?;
    let train = graphs.train.as_ref().map(pass).transpose()?;
    let groups = graphs.predict.batch.div_ceil(LANES).max(1);
    let most = (MOST_PREDICT_BYTES / predict.bytes(1, predict.graph.precision.bytes()).max(1))
        .clamp(1, MOST_PREDICT_GROUPS);
    let parameters: usize = graphs.predict.parameters.iter().map(crate::graph::Parameter::len).sum();
    Ok(Plan {
        train,
        evaluate,
        predict,
        single,
        groups,
        predict_groups: match &graphs.train {
            // The functions of a training step are used again as they are, and compiled once.
            Some(_) => groups.min(most),
            // Weights beyond the second-level cache are streamed once a chunk: fewer, larger chunks pay for that.
            None if parameters > 200_000 => most,
            None => most.min(4),
        },
    })
}

fn make_pass(graph: &Graph, is_batch: bool) -> Result<Pass, Box<Diagnostic>> {
    let functions =
        functions::functions(graph, is_batch).map_err(|fault| Box::new(internal(graph, &fault)))?;
    let values = memory::values(graph, &functions);
    let slots = memory::slots(&values);
    let mut at_position: Vec<(usize, Graph)> = Vec::new();
    for division in functions.iter().filter_map(|function| function.division(graph)) {
        if let Along::Positions(positions) = division
            && at_position.iter().all(|(known, _)| *known != positions)
        {
            at_position.push((positions, graph.at_position(positions)));
        }
    }
    let divides_one = !is_batch && along::wakes_for_one(graph, &functions);
    Ok(Pass { graph: graph.clone(), functions, values, slots, at_position, divides_one, is_of_pairs: false })
}

/// A broken invariant, as a diagnostic that asks for a report.
pub fn internal(graph: &Graph, fault: &str) -> Diagnostic {
    let span = graph.layers.first().map_or_else(Span::default, |layer| layer.span);
    Diagnostic::new(Code::E0503, "the compiler contradicts itself", span, fault.to_owned())
        .with_help("this is a fault of nnc, not of the model: please report it with the model's text")
}

impl Plan {
    /// Whether the work of some function is divided between threads.
    pub fn is_divided(&self) -> bool {
        let passes = [Some(&self.predict), self.evaluate.as_ref(), self.train.as_ref()];
        self.single.divides_one || passes.into_iter().flatten().any(Pass::is_divided)
    }
}

impl Pass {
    /// Whether the work of some function is divided between threads.
    fn is_divided(&self) -> bool {
        self.functions.iter().any(|function| function.division(&self.graph).is_some())
    }

    /// What the work of a function for one sample is divided along.
    pub fn division_of_one(&self, function: &Function) -> Option<Along> {
        function.division_of_one(&self.graph).filter(|_| self.divides_one)
    }

    /// Rows for a group of samples of what functions keep while they run: those with as many share them.
    pub fn partials(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = self.functions.iter().filter_map(|function| function.partial).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// Bytes of the values of `groups` groups of samples, and of what functions keep, in numbers of `number` bytes.
    pub fn bytes(&self, groups: usize, number: usize) -> usize {
        let slots: usize = self.slots.iter().map(|slot| slot.bytes(groups, number)).sum();
        slots + self.partials().iter().sum::<usize>() * groups * LANES * number
    }

    /// The plan of a step that is repeated: one function, or none where it only hands on what it is given. Where its
    /// values lie is up to what repeats it.
    ///
    /// # Errors
    /// What does not hold, as a sentence for an internal-error message.
    pub fn of_step(graph: &Graph) -> Result<Self, String> {
        let functions = functions::functions(graph, false)?;
        if functions.len() > 1 {
            return Err("a step that is repeated is more than one function".to_owned());
        }
        let values = memory::values(graph, &functions);
        let is_of_pairs = functions.iter().any(|function| function.gains_by_pairs(graph));
        let (slots, at_position) = (Vec::new(), Vec::new());
        Ok(Self {
            graph: graph.clone(),
            functions,
            values,
            slots,
            at_position,
            divides_one: false,
            is_of_pairs,
        })
    }

    /// What is computed at one position of a function whose work is divided along them.
    pub fn at_position(&self, function: &Function) -> Option<&Graph> {
        let Some(Along::Positions(positions)) = function.division(&self.graph) else { return None };
        self.at_position.iter().find(|(known, _)| *known == positions).map(|(_, graph)| graph)
    }

    /// The value kept for a node.
    pub fn value(&self, id: crate::graph::NodeId) -> Option<&Value> {
        self.values.iter().find(|value| value.node == id)
    }

    /// Functions of one direction.
    pub fn of(&self, direction: Direction) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(move |function| function.direction == direction)
    }
}
