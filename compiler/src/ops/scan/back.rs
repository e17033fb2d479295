//! The gradient of a scan: one step backward, and what is done for all positions at once.
//!
//! The reverse walk runs over the body from seeds, the gradients of the value and of the next states, and makes a graph
//! that holds the step forward and behind it the step backward. That graph is then divided. What has a value for each
//! sample becomes the body of the scan that runs back. What has none, and the rows that it is made of, are put behind
//! that scan: there the same operators work on sequences, `[positions, features]` instead of `[features]`. A value of the
//! step forward that either of them looks at is a value that the scan forward gives too.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Scan, State};
use crate::differentiate::{Gradient, reaches_parameter, walk};
use crate::graph::{Direction, Graph, LayerId, LayerOrigin, Node, NodeId, Op, ValueLayout};

/// Adds the gradients of the operands of a scan, as pairs of operand number and node.
pub(super) fn gradient(scan: &Scan, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
    let needed = needed(scan, cx);
    let mut is_carried: Vec<bool> =
        scan.body.results.iter().take(scan.states.len()).map(|next| is_set(&needed, *next)).collect();
    // A state whose gradient no step hands on has none at all.
    let step = loop {
        let step = Step::new(scan, cx, &needed, &is_carried);
        let handed_on: Vec<bool> = (0..scan.states.len())
            .map(|n| is_carried.get(n) == Some(&true) && step.of_operand(n).is_some())
            .collect();
        if handed_on == is_carried {
            break step;
        }
        is_carried = handed_on;
    };
    Division::new(scan, &step).apply(cx)
}

fn is_set(flags: &[bool], id: NodeId) -> bool {
    flags.get(id.0 as usize).copied().unwrap_or(false)
}

/// Which nodes of the body lead to something that is trained, now or in a step before.
fn needed(scan: &Scan, cx: &Gradient<'_>) -> Vec<bool> {
    let n_states = scan.states.len();
    let mut body = scan.body.clone();
    body.parameters.clone_from(&cx.graph.parameters);
    let mut states = vec![false; n_states];
    loop {
        let needed = reaches_parameter(&body, |n| match (n as usize).checked_sub(n_states) {
            Some(sequence) => cx.needs(sequence),
            None => states.get(n as usize).copied().unwrap_or(false),
        });
        let next: Vec<bool> = body.results.iter().take(n_states).map(|next| is_set(&needed, *next)).collect();
        if next == states {
            return needed;
        }
        states = next;
    }
}

/// The step forward with the step backward behind it.
struct Step {
    graph: Graph,
    /// How many of the nodes are those of the step forward.
    n_forward: usize,
    /// The gradient of the value, and of each next state that has one.
    d_value: NodeId,
    d_states: Vec<Option<NodeId>>,
    /// Leaves with their gradients.
    leaves: Vec<(NodeId, NodeId)>,
}

impl Step {
    fn new(scan: &Scan, cx: &Gradient<'_>, needed: &[bool], is_carried: &[bool]) -> Self {
        let mut graph = scan.body.clone();
        graph.parameters.clone_from(&cx.graph.parameters);
        let n_forward = graph.nodes.len();
        let mut adjoints: Vec<Vec<NodeId>> = vec![Vec::new(); n_forward];
        let mut seed = |graph: &mut Graph, result: Option<NodeId>, name: &str| {
            let result = result.unwrap_or(NodeId(0));
            let shape = graph.node(result).shape.clone();
            let layer = named(graph, graph.node(result).layer, name);
            let direction = Direction::Backward;
            // Operands get their numbers when the body is put together.
            let op = Op::Operand(u32::MAX);
            let node = Node { op, inputs: vec![], shape, batched: true, layer, direction, gradient_of: None };
            let id = graph.push(node);
            if let Some(adjoint) = adjoints.get_mut(result.0 as usize) {
                adjoint.push(id);
            }
            id
        };
        let d_value = seed(&mut graph, scan.result(scan.states.len()), "d_output");
        let d_states = scan
            .states
            .iter()
            .zip(is_carried)
            .enumerate()
            .map(|(n, (state, is_carried))| {
                is_carried.then(|| seed(&mut graph, scan.result(n), &format!("d_{}_next", state.name)))
            })
            .collect();
        let leaves = walk(&mut graph, needed, adjoints);
        Self { graph, n_forward, d_value, d_states, leaves }
    }

    fn is_forward(&self, id: NodeId) -> bool {
        (id.0 as usize) < self.n_forward
    }

    /// The gradient of operand `n` of the step forward.
    fn of_operand(&self, n: usize) -> Option<NodeId> {
        let is_it = |leaf: NodeId| matches!(self.graph.node(leaf).op, Op::Operand(m) if m as usize == n);
        self.leaves.iter().find(|(leaf, _)| is_it(*leaf)).map(|(_, gradient)| *gradient)
    }

    /// Whether a node is computed once for all positions.
    fn is_of_all(&self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        !self.is_forward(id) && (!node.batched || self.graph.layout(id) != ValueLayout::BatchLane)
    }
}

/// A layer of this name at the place of another, in a graph whose layers give values their names.
fn named(graph: &mut Graph, of: LayerId, name: &str) -> LayerId {
    let origin = LayerOrigin { name: name.to_owned(), ..graph.layer(of).clone() };
    graph.layers.push(origin);
    LayerId(graph.layers.len() as u32 - 1)
}

/// What each part of a step's gradient is given and gives.
struct Division<'a> {
    scan: &'a Scan,
    step: &'a Step,
    /// Values of the step forward that are looked at: further values of the scan forward.
    saved: Vec<NodeId>,
    /// What the scan back gives: gradients of sequences first, then what is put together for all positions.
    values: Vec<NodeId>,
    /// Operand numbers of the sequences whose gradients are among the values, at their place.
    sequences: Vec<usize>,
}

impl<'a> Division<'a> {
    fn new(scan: &'a Scan, step: &'a Step) -> Self {
        let mut division = Self { scan, step, saved: vec![], values: vec![], sequences: vec![] };
        for n in 0..scan.n_sequences {
            if let Some(gradient) = step.of_operand(scan.states.len() + n) {
                division.values.push(gradient);
                division.sequences.push(n);
            }
        }
        for (leaf, gradient) in &step.leaves {
            if matches!(step.graph.node(*leaf).op, Op::Parameter(_)) {
                division.look_for_all(*gradient);
            }
        }
        let carried = (0..scan.states.len()).filter_map(|n| step.of_operand(n));
        let roots: Vec<NodeId> = division.values.iter().copied().chain(carried).collect();
        let mut seen = vec![false; step.graph.nodes.len()];
        for root in roots {
            division.look_in_step(root, &mut seen);
        }
        division
    }

    /// Finds what the nodes behind the scan back look at.
    fn look_for_all(&mut self, id: NodeId) {
        let graph = &self.step.graph;
        if self.step.is_of_all(id) {
            let inputs = graph.node(id).inputs.clone();
            return inputs.into_iter().for_each(|input| self.look_for_all(input));
        }
        match &graph.node(id).op {
            Op::Parameter(_) | Op::Constant(..) => {}
            _ if id == self.step.d_value || self.sequence(id).is_some() => {}
            _ if self.step.is_forward(id) => push_new(&mut self.saved, id),
            _ => push_new(&mut self.values, id),
        }
    }

    /// Finds what the step back looks at.
    fn look_in_step(&mut self, id: NodeId, seen: &mut [bool]) {
        match seen.get_mut(id.0 as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => return,
        }
        let node = self.step.graph.node(id);
        if self.step.is_forward(id) && node.batched {
            if self.sequence(id).is_none() {
                push_new(&mut self.saved, id);
            }
            return;
        }
        let inputs = node.inputs.clone();
        inputs.into_iter().for_each(|input| self.look_in_step(input, seen));
    }

    /// Which sequence of the scan forward a node of the step stands for.
    fn sequence(&self, id: NodeId) -> Option<usize> {
        match self.step.graph.node(id).op {
            Op::Operand(n) if self.step.is_forward(id) => (n as usize).checked_sub(self.scan.states.len()),
            _ => None,
        }
    }

    fn apply(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        let saved = self.save(cx);
        let (back, mut inputs, parameters) = self.back();
        // Where each operand of the step back comes from.
        inputs = inputs
            .into_iter()
            .map(|id| match (self.sequence(id), saved.get(&id)) {
                (Some(n), _) => cx.operand(n),
                (None, Some(part)) => *part,
                (None, None) => cx.d_y,
            })
            .collect();
        let parameter_nodes: Vec<NodeId> = parameters.iter().map(|id| self.parameter(cx, *id)).collect();
        inputs.extend(parameter_nodes);
        let shapes: Vec<Vec<usize>> = (0..self.values.len()).filter_map(|n| back.shape(n)).collect();
        let Some(shape) = shapes.first() else { return Vec::new() };
        let scan_back = cx.operator(back, inputs, shape.clone(), true);
        let mut known = saved;
        known.insert(self.step.d_value, cx.d_y);
        for (n, (value, shape)) in self.values.iter().zip(shapes).enumerate() {
            let part = match n {
                0 => scan_back,
                _ => cx.node(Op::Part(n as u32), vec![scan_back], shape, true),
            };
            known.insert(*value, part);
        }
        let mut gradients = Vec::new();
        for (n, value) in self.sequences.iter().zip(&self.values) {
            if let Some(part) = known.get(value) {
                gradients.push((*n, *part));
            }
        }
        for (leaf, gradient) in &self.step.leaves {
            if !matches!(self.step.graph.node(*leaf).op, Op::Parameter(_)) {
                continue;
            }
            let parameter = self.parameter(cx, *leaf);
            let inputs = &cx.graph.node(cx.id).inputs;
            let Some(operand) = inputs.iter().position(|input| *input == parameter) else { continue };
            gradients.push((operand, self.for_all(cx, &mut known, *gradient)));
        }
        gradients
    }

    /// Makes the scan forward give what is looked at. Returns the sequences, by their nodes in the step.
    fn save(&self, cx: &mut Gradient<'_>) -> BTreeMap<NodeId, NodeId> {
        let mut forward = self.scan.clone();
        let mut known = BTreeMap::new();
        let layer = cx.graph.node(cx.id).layer;
        for id in &self.saved {
            let n = match forward.body.results.iter().skip(forward.states.len()).position(|known| known == id)
            {
                Some(n) => n,
                None => {
                    forward.body.results.push(*id);
                    let name = forward.body.layer(forward.body.node(*id).layer).name.clone();
                    let is_taken = |name: &String| forward.values.contains(name);
                    let name = if is_taken(&name) {
                        (2..).map(|n| format!("{name}_{n}")).find(|name| !is_taken(name)).unwrap_or(name)
                    } else {
                        name
                    };
                    forward.values.push(name);
                    forward.values.len() - 1
                }
            };
            let Some(shape) = forward.shape(n) else { continue };
            let (op, direction) = (Op::Part(n as u32), Direction::Forward);
            let part = match n {
                0 => cx.id,
                _ => cx.graph.push(Node {
                    op,
                    inputs: vec![cx.id],
                    shape,
                    batched: true,
                    layer,
                    direction,
                    gradient_of: None,
                }),
            };
            known.insert(*id, part);
        }
        if let Some(node) = cx.graph.nodes.get_mut(cx.id.0 as usize) {
            node.op = Op::Operator(Arc::new(forward));
        }
        known
    }

    /// The model's node for a parameter of the step.
    fn parameter(&self, cx: &Gradient<'_>, id: NodeId) -> NodeId {
        let op = &self.step.graph.node(id).op;
        let inputs = &cx.graph.node(cx.id).inputs;
        inputs.iter().copied().find(|input| cx.graph.node(*input).op == *op).unwrap_or(cx.id)
    }

    /// The scan back, with the nodes of the step that its sequences and its parameters are.
    fn back(&self) -> (Scan, Vec<NodeId>, Vec<NodeId>) {
        let step = self.step;
        let carried: Vec<usize> = (0..self.scan.states.len())
            .filter(|n| step.d_states.get(*n).is_some_and(Option::is_some))
            .collect();
        let d_states: Vec<NodeId> =
            carried.iter().filter_map(|n| step.d_states.get(*n).copied().flatten()).collect();
        let mut body = Body {
            step,
            graph: Graph { nodes: Vec::new(), results: Vec::new(), ..step.graph.clone() },
            known: BTreeMap::new(),
            d_states: &d_states,
            sequences: Vec::new(),
            parameters: Vec::new(),
        };
        let next = carried.iter().filter_map(|n| step.of_operand(*n));
        let results: Vec<NodeId> = next.chain(self.values.iter().copied()).map(|id| body.node(id)).collect();
        let first = results.first().copied().unwrap_or(NodeId(0));
        let Body { mut graph, sequences, parameters, .. } = body;
        graph.results = results;
        graph.output = first;
        let states = carried.iter().filter_map(|n| self.scan.states.get(*n));
        let values = self.values.iter().enumerate().map(|(n, id)| match self.sequences.get(n) {
            // Named after what it is the gradient of.
            Some(_) => String::new(),
            None => value_name(&step.graph, *id),
        });
        let scan = Scan {
            body: graph,
            states: states.map(|state| State { name: format!("d_{}", state.name), initial: 0.0 }).collect(),
            n_sequences: sequences.len(),
            values: values.collect(),
            positions: self.scan.positions,
            is_reverse: !self.scan.is_reverse,
            is_carried: false,
        };
        (scan, sequences, parameters)
    }

    /// The node that computes for all positions what a node of the step computes for one.
    fn for_all(&self, cx: &mut Gradient<'_>, known: &mut BTreeMap<NodeId, NodeId>, id: NodeId) -> NodeId {
        if let Some(known) = known.get(&id) {
            return *known;
        }
        if let Some(sequence) = self.sequence(id) {
            return cx.operand(sequence);
        }
        let node = self.step.graph.node(id).clone();
        if matches!(node.op, Op::Parameter(_)) {
            return self.parameter(cx, id);
        }
        let inputs = node.inputs.iter().map(|input| self.for_all(cx, known, *input)).collect();
        let shape = match (node.batched, node.len()) {
            (true, len) => vec![self.scan.positions, len],
            (false, _) => node.shape,
        };
        let new = cx.node(node.op, inputs, shape, node.batched);
        known.insert(id, new);
        new
    }
}

/// What a gradient is called: after the value whose it is.
fn value_name(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    match node.gradient_of {
        Some(of) => format!("d_{}", value_name(graph, of)),
        None => graph.layer(node.layer).name.clone(),
    }
}

/// The body of the scan back, while it is put together.
struct Body<'a> {
    step: &'a Step,
    graph: Graph,
    known: BTreeMap<NodeId, NodeId>,
    d_states: &'a [NodeId],
    sequences: Vec<NodeId>,
    parameters: Vec<NodeId>,
}

impl Body<'_> {
    /// The node of the body for a node of the step.
    fn node(&mut self, id: NodeId) -> NodeId {
        if let Some(known) = self.known.get(&id) {
            return *known;
        }
        let step = self.step;
        let old = step.graph.node(id);
        let mut new = old.clone();
        let is_given = self.step.is_forward(id) && old.batched || id == self.step.d_value;
        if let Some(state) = self.d_states.iter().position(|state| *state == id) {
            new.op = Op::Operand(state as u32);
        } else if is_given {
            new.op = Op::Operand((self.d_states.len() + self.sequences.len()) as u32);
            new.inputs = Vec::new();
            self.sequences.push(id);
        } else {
            if matches!(old.op, Op::Parameter(_)) {
                push_new(&mut self.parameters, id);
            }
            new.inputs = old.inputs.iter().map(|input| self.node(*input)).collect();
        }
        // What it is the gradient of is not there any more: its name is kept.
        if let Some(of) = old.gradient_of {
            let name = format!("d_{}", value_name(&self.step.graph, of));
            new.layer = named(&mut self.graph, old.layer, &name);
            new.gradient_of = None;
        }
        new.direction = Direction::Backward;
        let new = self.graph.push(new);
        self.known.insert(id, new);
        new
    }
}

fn push_new(list: &mut Vec<NodeId>, id: NodeId) {
    if !list.contains(&id) {
        list.push(id);
    }
}
