//! The optimizer of a graph: what a step does to each element of each parameter.

use nnc_grammar::span::Span;

use crate::program::Assign;
use crate::scalar::Scalar;

/// An optimizer whose numbers are known for every parameter.
#[derive(Debug, Clone)]
pub struct Optimizer {
    /// Its name.
    pub name: String,
    /// As written: `adam(lr = 0.01)`.
    pub text: String,
    /// States that something depends on, each of the form of all parameters: name and initial value.
    pub states: Vec<(String, f64)>,
    /// Names of local values.
    pub locals: Vec<String>,
    /// The learning rate at the start, `Hyper(0)` in formulas; it can change while training runs.
    pub rate: Option<f64>,
    /// Parameters that are updated alike.
    pub groups: Vec<Group>,
    /// The group of each parameter of the graph.
    pub group_of: Vec<usize>,
    /// The largest norm of all gradients together.
    pub clip_norm: Option<f64>,
    /// Steps whose gradients are averaged before an update.
    pub accumulate: usize,
    /// Whether a parameter has several gradients, for layers share it: they are added up before an update. Known once
    /// the graph is differentiated.
    pub adds_up: bool,
    /// The state that is the moving average of the weights.
    pub average: Option<usize>,
    /// What schedules remember: name and initial value.
    pub schedule_states: Vec<(String, f64)>,
    /// What each of them becomes at the end of an epoch, over `ScheduleState`, `EpochLoss`, and the time.
    pub schedule_updates: Vec<Scalar>,
    /// The learning rate that schedules make, over `Hyper(0)`, `ScheduleState` and the time.
    pub scheduled_rate: Option<Scalar>,
    /// The longest warm-up of a schedule, in epochs.
    pub warmup: f64,
    /// The use.
    pub span: Span,
}

/// Parameters that are updated alike.
#[derive(Debug, Clone)]
pub struct Group {
    /// Passes over a tensor: the norms of one must be there before the next. One where there are no norms.
    pub phases: Vec<Phase>,
}

/// One pass over the elements of a tensor.
#[derive(Debug, Clone, Default)]
pub struct Phase {
    /// What is done to each element, in order, over `Weight`, `Gradient`, `State`, `Local`, `Hyper(0)` and what is the
    /// same for a whole step. A `Local` is one of this phase, or a norm of an earlier one.
    pub assignments: Vec<Assign>,
    /// Norms over the tensor: the local value that each becomes, and the formula of an element.
    pub norms: Vec<(u32, Scalar)>,
}

impl Group {
    /// All assignments, in order.
    pub fn assignments(&self) -> impl Iterator<Item = &Assign> {
        self.phases.iter().flat_map(|phase| &phase.assignments)
    }

    /// The local values that are norms, in order.
    pub fn norms(&self) -> Vec<u32> {
        self.phases.iter().flat_map(|phase| &phase.norms).map(|(local, _)| *local).collect()
    }
}

impl Optimizer {
    /// Whether gradients are kept until all are there, rather than used as they come.
    pub fn stores_gradients(&self) -> bool {
        self.clip_norm.is_some() || self.accumulate > 1 || self.adds_up || self.has_norms()
    }

    /// Whether something looks at a whole tensor.
    pub fn has_norms(&self) -> bool {
        self.groups.iter().any(|group| group.phases.len() > 1)
    }

    /// The group of a parameter.
    pub fn group(&self, parameter: usize) -> Option<&Group> {
        self.groups.get(self.group_of.get(parameter).copied().unwrap_or(0))
    }
}
