//! Nodes become steps, and steps become functions: one a layer and direction.
//!
//! A step is an operator with the scalar functions that are computed in its tile before it is stored (its epilogue),
//! or a pass over rows that computes scalar functions and reductions together. An update is done in the step that
//! computes its gradient.

use crate::graph::{Direction, Graph, LayerId, Node, NodeId, Op, ParameterId, Role, ValueLayout};

use super::order::order;
use super::{Along, LANES, Pass, Strategy, StrategyKind, Work, rows};
use crate::scalar::cost;

/// One function of the emitted code.
#[derive(Debug, Clone)]
pub struct Function {
    /// `hidden_forward`
    pub name: String,
    /// The layer that it is named after.
    pub layer: LayerId,
    /// Its part of a step.
    pub direction: Direction,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// What its work is like.
    pub work: Work,
    /// Values that it reads from memory.
    pub reads: Vec<NodeId>,
    /// Values that it writes to memory.
    pub writes: Vec<NodeId>,
    /// Values that it alone needs, and keeps while it runs.
    pub locals: Vec<NodeId>,
    /// What it does with parameters.
    pub parameters: Access,
    /// Whether it draws random numbers.
    pub draws: bool,
    /// Rows for a group of samples of what an operator keeps while it runs: partial sums of a blocked one, tiles of a
    /// convolution.
    pub partial: Option<usize>,
}

/// What a function does with parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing.
    None,
    /// It reads them.
    Read,
    /// It updates some of them.
    Update,
}

/// A part of a function.
#[derive(Debug, Clone)]
pub enum Step {
    /// An operator.
    Kernel {
        /// The operator's node.
        node: NodeId,
        /// Scalar functions of its value, computed before it is stored, and at last what halves it.
        epilogue: Vec<NodeId>,
        /// The parameter that is updated by its value, instead of storing it.
        update: Option<ParameterId>,
        /// How it is computed.
        strategy: Strategy,
        /// Its other values, if it has several.
        parts: Vec<NodeId>,
        /// The step that it repeats, if it repeats one.
        body: Option<Box<Pass>>,
    },
    /// Scalar functions and reductions over the same samples.
    Rows {
        /// In order.
        nodes: Vec<NodeId>,
    },
}

impl Function {
    /// Whether it stores a value, in memory or in a local of its own.
    pub fn stores(&self, id: NodeId) -> bool {
        self.writes.contains(&id) || self.locals.contains(&id)
    }

    /// Whether it treats each group of samples by itself: its values of a batch are slices, and it may be given a part of
    /// the groups.
    pub fn is_by_group(&self, graph: &Graph) -> bool {
        !self.steps.iter().flat_map(Step::nodes).any(|id| graph.needs_batch(id))
    }

    /// What its work is divided along, if there are threads for it and it is worth their while.
    pub fn division(&self, graph: &Graph) -> Option<Along> {
        let groups = graph.batch.div_ceil(LANES);
        let along = match (self.work.along?, self.work.positions) {
            (Along::Groups, Some(positions)) if groups < 2 => Along::Positions(positions),
            (along, _) => along,
        };
        if along.units(groups) < 2 {
            return None;
        }
        let is_by_itself = |id: &NodeId| match along {
            Along::Groups | Along::Positions(_) => graph.layout(*id) == ValueLayout::BatchLane,
            Along::Panels(_) => graph.layout(*id) == ValueLayout::SampleRows,
            Along::Taps(..) | Along::Rows(..) => false,
        };
        let is_divided = match along {
            Along::Groups | Along::Positions(_) => {
                self.is_by_group(graph) && self.parameters != Access::Update
            }
            Along::Panels(_) => self.partial.is_none(),
            Along::Taps(..) | Along::Rows(..) => true,
        };
        let has_total =
            self.steps.iter().flat_map(Step::nodes).any(|id| matches!(graph.node(id).op, Op::Total));
        let is_whole = graph.is_step() || has_total || !self.work.is_long;
        (!is_whole && is_divided && self.writes.iter().all(is_by_itself)).then_some(along)
    }

    /// What its work for one sample is divided along: one kernel writes all that it gives, each row at its place.
    pub fn division_of_one(&self, graph: &Graph) -> Option<Along> {
        let is_local = |step: &Step| step.nodes().iter().all(|id| self.locals.contains(id));
        let mut steps = self.steps.iter().filter(|step| !is_local(step));
        let (Some(Step::Kernel { node, epilogue, .. }), None) = (steps.next(), steps.next()) else {
            return None;
        };
        let len = graph.node(*node).len();
        let is_written = |id: &NodeId| (id == node || epilogue.contains(id)) && graph.node(*id).len() == len;
        along_one(graph, *node).filter(|_| self.writes.iter().all(is_written))
    }

    /// The first parameter that it updates, if it does nothing else but make ready for that.
    pub fn updates(&self, graph: &Graph) -> Option<ParameterId> {
        let is_ready =
            |id: &NodeId| matches!(graph.layout(*id), ValueLayout::SampleRows | ValueLayout::Table);
        let update = |step: &Step| match step {
            Step::Kernel { update, .. } => *update,
            Step::Rows { .. } => None,
        };
        let is_update = |step: &Step| update(step).is_some() || step.nodes().iter().all(is_ready);
        self.steps.iter().find_map(update).filter(|_| self.steps.iter().all(is_update))
    }

    /// Whether it is worth its while to be run for two groups of samples at a time, if it is a step that is repeated: a
    /// product looks at all of its weights in each step.
    pub fn gains_by_pairs(&self, graph: &Graph) -> bool {
        let kernels = || {
            self.steps.iter().filter_map(|step| match step {
                Step::Kernel { node, strategy, .. } => Some((graph.node(*node), strategy.kind)),
                Step::Rows { .. } => None,
            })
        };
        let takes_them = |node: &Node| match &node.op {
            Op::Operator(op) => op.takes_groups_apart(node),
            _ => true,
        };
        kernels().any(|(_, kind)| matches!(kind, StrategyKind::Tiled | StrategyKind::Blocked(_)))
            && kernels().all(|(node, _)| takes_them(node))
    }

    /// Whether the kernel of a node is followed by one that it makes the value of.
    pub fn is_followed_by_sum(&self, id: NodeId) -> bool {
        let next = self.steps.iter().skip_while(|step| !step.nodes().contains(&id)).nth(1);
        matches!(next, Some(Step::Kernel { strategy, .. }) if strategy.kind == StrategyKind::Beside)
    }

    /// Whether it runs a step over and over.
    pub fn repeats(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Kernel { body: Some(_), .. }))
    }
}

impl Step {
    /// Whether it is a kernel that makes a sum on the way, or that sum for another parameter.
    fn makes_sum(&self, graph: &Graph, sum: NodeId) -> bool {
        match self {
            Self::Kernel { node, strategy, .. } => {
                graph.makes_sum(*node, sum)
                    || strategy.kind == StrategyKind::Beside
                        && graph.node(*node).inputs == graph.node(sum).inputs
            }
            Self::Rows { .. } => false,
        }
    }

    /// The nodes that it computes, in order.
    pub fn nodes(&self) -> Vec<NodeId> {
        match self {
            Self::Kernel { node, epilogue, parts, .. } => {
                std::iter::once(node).chain(parts).chain(epilogue).copied().collect()
            }
            Self::Rows { nodes } => nodes.clone(),
        }
    }
}

/// Whether a node is computed by a step, rather than given.
fn is_computed(op: &Op) -> bool {
    !matches!(
        op,
        Op::Input(_)
            | Op::Target
            | Op::SampleScale
            | Op::Carried(_)
            | Op::Parameter(_)
            | Op::Constant(..)
            | Op::Broadcast { .. }
            | Op::Operand(_)
    )
}

/// Divides a graph into functions. Those of a batch halve images on the way.
///
/// # Errors
/// What does not hold, as a sentence for an internal-error message.
pub fn functions(graph: &Graph, is_batch: bool) -> Result<Vec<Function>, String> {
    let mut functions: Vec<Function> = Vec::new();
    // Which function and step computes each node.
    let mut place: Vec<Option<(usize, usize)>> = vec![None; graph.nodes.len()];
    for id in order(graph) {
        let node = graph.node(id);
        if !is_computed(&node.op) {
            continue;
        }
        if matches!(node.op, Op::Part(_)) {
            let operator = node.inputs.first().and_then(|of| place.get(of.0 as usize).copied().flatten());
            add_part(&mut functions, operator, id)?;
            if let Some(slot) = place.get_mut(id.0 as usize) {
                *slot = operator;
            }
            continue;
        }
        let at = match &node.op {
            Op::Pointwise(_) => epilogue_of(graph, id, &functions, &place),
            Op::Operator(op) if is_batch && op.halves() => tile_before(graph, id, &functions, &place),
            _ => None,
        };
        let at = match at {
            Some((at, step)) => {
                if let Some(function) = functions.get_mut(at) {
                    function.work = function.work.joined(Work::of(graph, id));
                    if let Some(Step::Kernel { epilogue, .. }) = function.steps.get_mut(step) {
                        epilogue.push(id);
                    }
                }
                (at, step)
            }
            None => append(graph, id, !is_batch && along_one(graph, id).is_some(), &mut functions)?,
        };
        if let Some(slot) = place.get_mut(id.0 as usize) {
            *slot = Some(at);
        }
    }
    join_figures(graph, &mut functions, &mut place);
    name(graph, &mut functions);
    memory_use(graph, &mut functions, &place)?;
    Ok(functions)
}

/// A further value of an operator is computed with it.
fn add_part(functions: &mut [Function], at: Option<(usize, usize)>, id: NodeId) -> Result<(), String> {
    let step = at.and_then(|(function, step)| functions.get_mut(function)?.steps.get_mut(step));
    let Some(Step::Kernel { parts, .. }) = step else {
        return Err(format!("{id} is a value of an operator that is not computed"));
    };
    parts.push(id);
    Ok(())
}

/// The kernel in whose tile a scalar function can be computed: the one that computes its latest operand.
fn epilogue_of(
    graph: &Graph,
    id: NodeId,
    functions: &[Function],
    place: &[Option<(usize, usize)>],
) -> Option<(usize, usize)> {
    let node = graph.node(id);
    if !node.batched || node.is_empty() {
        return None;
    }
    let places = node.inputs.iter().filter_map(|input| {
        let source = graph.source(*input);
        place.get(source.0 as usize).copied().flatten()
    });
    let latest = places.max()?;
    let (root, epilogue) = tile_at(functions, latest)?;
    let kernel = graph.node(root);
    // What halves the tile's value is the last that is done there.
    if epilogue.last().is_some_and(|id| matches!(graph.node(*id).op, Op::Operator(_))) {
        return None;
    }
    // Running figures, on request, are used in a pass of their own.
    if graph.no_fold && reads_buffer(graph, id) {
        return None;
    }
    // In a tile a value has one place: what looks at positions is computed in a pass of its own.
    if rows::looks_at_positions(graph, id) {
        return None;
    }
    let in_tile = |input: &NodeId| *input == root || epilogue.contains(input);
    // Of two long functions, one of the other's value, a processor does not see the next sample's while it waits: what is
    // in memory anyway is read again in a pass of its own.
    let is_handed_on = |input: &NodeId| in_tile(input) && graph.results.contains(input);
    if is_long(graph, id)
        && epilogue.iter().any(|id| is_long(graph, *id))
        && node.inputs.iter().any(is_handed_on)
    {
        return None;
    }
    let fits = kernel.len() == node.len()
        && kernel.batched
        && graph.layout(root) == ValueLayout::BatchLane
        && kernel.direction == node.direction
        // The gradient of the loss stays in the loss's own function.
        && node.inputs.iter().any(in_tile);
    fits.then_some(latest)
}

/// The least [`cost`] of a function that is computed from polynomials.
const LONG: u32 = 20;

/// Whether a scalar function takes long.
fn is_long(graph: &Graph, id: NodeId) -> bool {
    matches!(&graph.node(id).op, Op::Pointwise(scalar) if cost(scalar) >= LONG)
}

/// The operator of a step and what is computed in its tile, unless it repeats a step.
fn tile_at(functions: &[Function], at: (usize, usize)) -> Option<(NodeId, &[NodeId])> {
    match functions.get(at.0)?.steps.get(at.1)? {
        Step::Kernel { node, epilogue, body: None, .. } => Some((*node, epilogue)),
        _ => None,
    }
}

/// The kernel in whose tile an operator that halves its operand can be computed.
fn tile_before(
    graph: &Graph,
    id: NodeId,
    functions: &[Function],
    place: &[Option<(usize, usize)>],
) -> Option<(usize, usize)> {
    let node = graph.node(id);
    let [operand] = node.inputs.as_slice() else { return None };
    let at = place.get(operand.0 as usize).copied().flatten()?;
    let (root, epilogue) = tile_at(functions, at)?;
    let kernel = graph.node(root);
    let fits = [graph.layout(root), graph.layout(id)] == [ValueLayout::BatchLane; 2]
        && kernel.direction == node.direction
        && graph.layer(kernel.layer).block() == graph.layer(node.layer).block()
        && matches!(&kernel.op, Op::Operator(op) if op.can_be_halved(graph, kernel))
        // What is stored last in the tile is what comes next.
        && epilogue.last().unwrap_or(&root) == operand;
    fits.then_some(at)
}

/// Whether a node looks at state that is kept with the weights.
fn reads_buffer(graph: &Graph, id: NodeId) -> bool {
    graph.node(id).inputs.iter().map(|input| graph.source(*input)).any(|input| {
        let node = graph.node(input);
        match node.op {
            Op::Parameter(parameter) => graph.parameter(parameter).role == Role::Buffer,
            // Figures that were made of them.
            _ => !node.batched && reads_buffer(graph, input),
        }
    })
}

/// What the work of a node for one sample is divided along, if it may be and takes long.
fn along_one(graph: &Graph, id: NodeId) -> Option<Along> {
    let Op::Operator(op) = &graph.node(id).op else { return None };
    let along = op.along_one(graph.node(id)).filter(|along| along.units(1) > 1)?;
    (!graph.is_step() && Work::is_long_for_one(graph, id)).then_some(along)
}

/// Puts a node behind all others; one that is first begins a function.
fn append(
    graph: &Graph,
    id: NodeId,
    is_first: bool,
    functions: &mut Vec<Function>,
) -> Result<(usize, usize), String> {
    let node = graph.node(id);
    // A step that is repeated is one function, whatever its values are called.
    let new = Work::of(graph, id);
    let work = functions.last().and_then(|function| {
        let is_same = function.layer == node.layer && function.direction == node.direction && !is_first;
        if graph.is_step() { Some(new) } else { function.work.with(new).filter(|_| is_same) }
    });
    if work.is_none() {
        functions.push(Function {
            name: String::new(),
            layer: if graph.is_step() { LayerId(0) } else { node.layer },
            direction: node.direction,
            steps: Vec::new(),
            work: new,
            reads: Vec::new(),
            writes: Vec::new(),
            locals: Vec::new(),
            parameters: Access::None,
            draws: false,
            partial: None,
        });
    }
    let at = functions.len() - 1;
    let Some(function) = functions.last_mut() else { return Ok((0, 0)) };
    function.work = work.unwrap_or(new);
    match &node.op {
        Op::Operator(op) => {
            let updated =
                graph.updates.iter().find(|update| update.gradient == id).map(|update| update.parameter);
            let body = match op.scan() {
                Some(scan) => Some(Box::new(Pass::of_step(&scan.body)?)),
                None => None,
            };
            let mut strategy = op.strategy(graph, node);
            if function.steps.last().is_some_and(|step| step.makes_sum(graph, id)) {
                strategy = Strategy::new(StrategyKind::Beside, "summed by the kernel before it");
            }
            if body.as_ref().is_some_and(|body| body.is_of_pairs) {
                strategy.reason.push_str(", for two groups of samples at a time");
            }
            function.steps.push(Step::Kernel {
                node: id,
                epilogue: Vec::new(),
                update: updated,
                strategy,
                parts: Vec::new(),
                body,
            });
        }
        _ => {
            let last = match function.steps.last_mut() {
                Some(Step::Rows { nodes }) => Some(nodes),
                _ => None,
            };
            let joined = last.filter(|nodes| {
                let with: Vec<NodeId> = nodes.iter().copied().chain([id]).collect();
                rows::frame(graph, &with).is_some()
            });
            match joined {
                Some(nodes) => nodes.push(id),
                None => function.steps.push(Step::Rows { nodes: vec![id] }),
            }
        }
    }
    Ok((at, function.steps.len() - 1))
}

/// Figures of parameters alone, such as the factors of a normalisation in prediction, are computed by the function that
/// uses them, if it is the only one.
fn join_figures(graph: &Graph, functions: &mut Vec<Function>, place: &mut [Option<(usize, usize)>]) {
    if graph.is_step() {
        return;
    }
    for figures in (0..functions.len()).rev() {
        let Some(function) = functions.get(figures) else { continue };
        let nodes: Vec<NodeId> = function.steps.iter().flat_map(Step::nodes).collect();
        let is_joined = function.steps.iter().all(|step| is_of_parameters(graph, step))
            && nodes.iter().all(|id| fits_local(graph, *id));
        if !is_joined {
            continue;
        }
        let reads =
            |node: NodeId| graph.node(node).inputs.iter().any(|input| nodes.contains(&graph.source(*input)));
        let mut users: Vec<usize> = Vec::new();
        for id in graph.ids().filter(|id| reads(*id)) {
            if let Some((at, _)) = place.get(id.0 as usize).copied().flatten() {
                push_new(&mut users, at);
            }
        }
        users.retain(|at| *at != figures);
        let [user] = users.as_slice() else { continue };
        let (user, steps) = (*user, std::mem::take(&mut functions[figures].steps));
        let n_steps = steps.len();
        for at in place.iter_mut().flatten() {
            match at.0 {
                function if function == user => at.1 += n_steps,
                function if function == figures => at.0 = user,
                _ => {}
            }
        }
        if let Some(function) = functions.get_mut(user) {
            function.steps.splice(0..0, steps);
        }
        functions.remove(figures);
        for at in place.iter_mut().flatten().filter(|at| at.0 > figures) {
            at.0 -= 1;
        }
    }
}

/// Bytes up to which a function keeps a value by itself, on the stack.
const LOCAL_BYTES: usize = 16 << 10;

/// Whether a function may keep a value by itself: one that is the same for all samples, and small.
fn fits_local(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    let is_root = graph.roots().contains(&id);
    !node.batched
        && !is_root
        && graph.layout(id) == ValueLayout::Splat
        && node.len() * LANES * 4 <= LOCAL_BYTES
}

/// Names functions after layer and direction; a layer that comes again is counted.
fn name(graph: &Graph, functions: &mut [Function]) {
    let mut known: Vec<String> = Vec::new();
    let of_layers: Vec<(LayerId, Direction)> =
        functions.iter().map(|function| (function.layer, function.direction)).collect();
    for function in functions {
        let layer = graph.layer(function.layer).name.replace('.', "_");
        let is_one_of_several =
            of_layers.iter().filter(|of| **of == (function.layer, function.direction)).count() > 1;
        let stem = match function.direction {
            Direction::Forward if function.steps.iter().all(|step| is_of_parameters(graph, step)) => {
                format!("{layer}_fold")
            }
            Direction::Forward if function.steps.iter().all(|step| is_statistic(graph, step)) => {
                format!("{layer}_statistics")
            }
            Direction::Forward => match part(graph, function).filter(|_| is_one_of_several) {
                Some(part) => format!("{layer}_{part}"),
                None => format!("{layer}_forward"),
            },
            // One of several losses, which are put together in the layer `loss`.
            Direction::Loss if layer != "loss" => {
                let total = graph.loss.as_ref().map(|loss| loss.total);
                let first = function.steps.first().and_then(|step| step.nodes().first().copied());
                format!("{layer}_{}", if first > total { "gradient" } else { "loss" })
            }
            Direction::Loss if graph.outputs.len() < 2 && !graph.updates.is_empty() => {
                "loss_and_gradient".to_owned()
            }
            Direction::Loss => "loss_value".to_owned(),
            Direction::Recompute => format!("{layer}_recompute"),
            Direction::Backward => match function.updates(graph) {
                Some(_) if !known.contains(&format!("{layer}_update")) => format!("{layer}_update"),
                Some(parameter) => format!("{}_update", graph.parameter(parameter).name.replace('.', "_")),
                None if function.steps.iter().all(|step| is_statistic(graph, step)) => {
                    format!("{layer}_backward_sums")
                }
                None => format!("{layer}_backward"),
            },
        };
        let mut name = stem.clone();
        let mut n = 1;
        while known.contains(&name) {
            n += 1;
            name = format!("{stem}_{n}");
        }
        known.push(name.clone());
        function.name = name;
    }
}

/// What a function's value is called behind the layer's name, if the function makes a part of the layer alone.
fn part<'a>(graph: &'a Graph, function: &Function) -> Option<&'a str> {
    let [Step::Kernel { node, .. }] = function.steps.as_slice() else { return None };
    match &graph.node(*node).op {
        Op::Operator(op) => op.part(),
        _ => None,
    }
}

/// Whether a step computes what is the same for all samples, of a batch.
fn is_statistic(graph: &Graph, step: &Step) -> bool {
    step.nodes().iter().all(|id| !graph.node(*id).batched)
}

/// Whether a step computes what is the same for all samples, from parameters alone.
fn is_of_parameters(graph: &Graph, step: &Step) -> bool {
    step.nodes().iter().all(|id| {
        let node = graph.node(*id);
        !node.batched
            && !node.inputs.is_empty()
            && node.inputs.iter().all(|input| !graph.node(*input).batched)
    })
}

/// Finds which values pass through memory, and checks that every parameter is read before it is updated.
fn memory_use(
    graph: &Graph,
    functions: &mut [Function],
    place: &[Option<(usize, usize)>],
) -> Result<(), String> {
    let place_of = |id: NodeId| place.get(id.0 as usize).copied().flatten();
    let mut reads: Vec<Vec<NodeId>> = vec![Vec::new(); functions.len()];
    let mut stored: Vec<NodeId> = Vec::new();
    let mut last_read: Vec<Option<(usize, usize)>> = vec![None; graph.parameters.len()];
    for id in graph.ids() {
        let node = graph.node(id);
        let Some(here) = place_of(id) else { continue };
        for input in &node.inputs {
            let is_spread = graph.source(*input) != *input;
            let input = &graph.source(*input);
            let source = graph.node(*input);
            if matches!(source.op, Op::Constant(..)) {
                continue;
            }
            if let Op::Parameter(parameter) = source.op {
                if let Some(slot) = last_read.get_mut(parameter.0 as usize) {
                    *slot = (*slot).max(Some(here));
                }
                continue;
            }
            // A value stays in registers only within its own step. What is spread out is read number by number.
            let from_memory = is_spread || place_of(*input) != Some(here);
            if from_memory {
                push_new(&mut stored, *input);
                if let Some(list) = reads.get_mut(here.0) {
                    push_new(list, *input);
                }
            }
        }
    }
    push_new(&mut stored, graph.output);
    graph.results.iter().for_each(|result| push_new(&mut stored, *result));
    graph.tracking.iter().for_each(|tracking| push_new(&mut stored, tracking.value));
    graph.carried.iter().for_each(|carried| push_new(&mut stored, carried.value));
    for step in functions.iter().flat_map(|function| &function.steps) {
        if let Step::Rows { nodes } = step {
            rows::kept(graph, nodes).into_iter().for_each(|id| push_new(&mut stored, id));
        }
    }
    for (n, function) in functions.iter_mut().enumerate() {
        let mut computed: Vec<NodeId> = function.steps.iter().flat_map(Step::nodes).collect();
        computed.sort();
        function.writes = computed.into_iter().filter(|id| stored.contains(id)).collect();
        let mut list = reads.get(n).cloned().unwrap_or_default();
        list.retain(|id| !function.writes.contains(id));
        let elsewhere = |id: &NodeId| reads.iter().enumerate().any(|(m, list)| m != n && list.contains(id));
        let is_local = |id: &NodeId| !graph.is_step() && fits_local(graph, *id) && !elsewhere(id);
        (function.locals, function.writes) =
            std::mem::take(&mut function.writes).into_iter().partition(is_local);
        // Last what all layers read, so that the order is the same for all that share the function.
        list.sort_by_key(|id| (matches!(graph.node(*id).op, Op::SampleScale), *id));
        function.reads = list;
        function.parameters = access(graph, function);
        function.draws = function.steps.iter().any(|step| match step {
            Step::Kernel { node, .. } => {
                matches!(&graph.node(*node).op, Op::Operator(op) if op.draw().is_some())
            }
            Step::Rows { .. } => false,
        });
        let blocked = function.steps.iter().filter_map(|step| match step {
            Step::Kernel { node, strategy, .. } => strategy.kind.partial(graph.node(*node).len()),
            Step::Rows { .. } => None,
        });
        function.partial = blocked.max();
    }
    share_tiles(functions);
    // Where gradients are kept until all are there, no update is made on the way.
    let is_stored = graph.optimizer.as_ref().is_some_and(|optimizer| optimizer.stores_gradients());
    for (f, function) in functions.iter().enumerate().filter(|_| !is_stored) {
        for (s, step) in function.steps.iter().enumerate() {
            if let Step::Kernel { update: Some(parameter), .. } = step {
                let read_at = last_read.get(parameter.0 as usize).copied().flatten();
                if read_at.is_some_and(|read_at| read_at > (f, s)) {
                    return Err(format!("{} is updated before it is read", graph.parameter(*parameter).name));
                }
            }
        }
    }
    let updated = functions
        .iter()
        .flat_map(|function| &function.steps)
        .filter(|step| matches!(step, Step::Kernel { update: Some(_), .. }));
    if updated.count() != graph.updates.len() {
        return Err("a parameter's gradient is not computed by one operator".to_owned());
    }
    Ok(())
}

/// Gives all convolutions that need memory for tiles the most that one of them needs: they share it.
fn share_tiles(functions: &mut [Function]) {
    let has_tiles = |function: &&mut Function| {
        function.steps.iter().any(|step| match step {
            Step::Kernel { strategy, .. } => matches!(strategy.kind, StrategyKind::Winograd(_)),
            Step::Rows { .. } => false,
        })
    };
    let most = functions.iter_mut().filter(has_tiles).filter_map(|function| function.partial).max();
    functions.iter_mut().filter(has_tiles).for_each(|function| function.partial = most);
}

fn access(graph: &Graph, function: &Function) -> Access {
    let mut access = Access::None;
    for step in &function.steps {
        if matches!(step, Step::Kernel { update: Some(_), .. }) {
            return Access::Update;
        }
        let reads = step
            .nodes()
            .iter()
            .flat_map(|id| graph.node(*id).inputs.clone())
            .any(|input| matches!(graph.node(graph.source(input)).op, Op::Parameter(_)));
        if reads {
            access = Access::Read;
        }
    }
    access
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
