//! A cell becomes a scan: its step the scan's body, and in front of it what does not wait for a state.
//!
//! A value of the step is either one of all positions, `[positions, features]` in the model's graph, or one of the step,
//! `[features]` in the body. What is made of the sequence alone is of all positions as long as layers treat each of them
//! alike: the product of a weight with the input is one large product before the scan. Where a value of the step is made
//! of it, it becomes a sequence that the scan is given.
//!
//! With a mask a step at a position that does not count changes nothing: each state stays as it was, and what the step
//! gives is 0. The mask is a sequence of single numbers then.

use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::SourceMap;

use super::{ValueLowering, shared, with_label};
use crate::gain::Gain;
use crate::graph::{Builder, Carried, Direction, Graph, LayerId, LayerOrigin, Node, NodeId, Op};
use crate::ops::concat::concat;
use crate::ops::scan::{Scan, State};
use crate::ops::slice;
use crate::ops::{InCells, mask};
use crate::program::{ActivationBody, Application, Cell, Kind};
use crate::scalar::{Relation, Scalar, Unary, Variable, simplify};

/// A value of the step.
#[derive(Debug, Clone, Copy)]
enum Value {
    /// Of all positions: a node of the model.
    Positions(NodeId),
    /// Of one: a node of the body.
    Step(NodeId),
}

/// Adds a cell to the graph; `layer` is its layer.
pub(super) fn apply(
    graph: &mut Graph,
    application: &Application,
    cell: &Cell,
    sources: &SourceMap,
    layer: LayerId,
    (x, mask): (NodeId, Option<NodeId>),
) -> Result<NodeId, Box<Diagnostic>> {
    let [positions, _] = *graph.node(x).shape.as_slice() else {
        return Err(takes_a_sequence(graph, application, cell, x));
    };
    if let (Some(carry), Some(_)) = (cell.carry, application.recompute) {
        let message = format!("`{}` cannot be computed again: it begins where it ended", cell.name);
        let fault = Diagnostic::new(Code::E0501, message, carry, "its states are carried from step to step");
        return Err(Box::new(fault.with_help("take it out of `recompute { … }`, or leave out `carry`")));
    }
    let mask = match mask {
        Some(given) => {
            let mut cx = builder(graph, application, layer);
            mask::check(&cx, &cell.name, cell.mask, &[given], x, &[positions])?;
            Some(cx.node(Op::Reshape, vec![given], vec![positions, 1], true))
        }
        None => None,
    };
    let scan = |graph: &mut Graph, layer, is_reverse| {
        Lowering::new(graph, application, cell, sources, layer, (x, mask)).scan(positions, is_reverse)
    };
    let forward = scan(graph, layer, cell.is_reverse)?;
    let (forward, back) = if cell.is_bidirectional {
        let mut origin = graph.layer(layer).clone();
        origin.name.push_str(".reverse");
        graph.layers.push(origin);
        let layer = LayerId(graph.layers.len() as u32 - 1);
        (forward, Some(scan(graph, layer, true)?))
    } else {
        (forward, None)
    };
    let mut cx = builder(graph, application, layer);
    if !cell.is_last {
        return Ok(match back {
            Some(back) => concat(&mut cx, vec![forward, back], 1),
            None => forward,
        });
    }
    let forward = step_of(&mut cx, forward, if cell.is_reverse { 0 } else { positions - 1 })?;
    Ok(match back {
        Some(back) => {
            let back = step_of(&mut cx, back, 0)?;
            concat(&mut cx, vec![forward, back], 0)
        }
        None => forward,
    })
}

fn takes_a_sequence(graph: &Graph, application: &Application, cell: &Cell, x: NodeId) -> Box<Diagnostic> {
    let node = graph.node(x);
    let layer = graph.layer(node.layer);
    let mut fault = Diagnostic::new(
        Code::E0303,
        format!("`{}` takes a sequence", cell.name),
        application.call_span,
        format!("expected [positions, features], found {:?}", node.shape),
    );
    if layer.span != application.call_span {
        fault = fault.with_label(layer.span, format!("`{}` is {:?}", layer.name, node.shape));
    }
    Box::new(match node.shape.as_slice() {
        [len] => fault.with_help(format!("`reshape([{len}, 1])` makes a sequence of single numbers")),
        _ => fault.with_help("`reshape` brings it to two axes"),
    })
}

fn builder<'a>(graph: &'a mut Graph, application: &Application, layer: LayerId) -> Builder<'a> {
    Builder {
        graph,
        layer,
        direction: Direction::Forward,
        span: application.call_span,
        trainable: application.trainable,
        gain: Gain::default(),
    }
}

/// The features of one position.
fn step_of(cx: &mut Builder<'_>, sequence: NodeId, position: usize) -> Result<NodeId, Box<Diagnostic>> {
    let (len, positions) = (cx.graph.node(sequence).row(), cx.shape(sequence).first().copied().unwrap_or(1));
    let step = slice::part(cx, sequence, 0, position, positions)?;
    Ok(cx.node(Op::Reshape, vec![step], vec![len], true))
}

/// A cell on its way into the graph.
struct Lowering<'a> {
    graph: &'a mut Graph,
    application: &'a Application,
    cell: &'a Cell,
    sources: &'a SourceMap,
    layer: LayerId,
    /// `[positions, 1]`.
    mask: Option<NodeId>,
    body: Graph,
    values: Vec<Value>,
    /// What the scan is given, each with the node of the body that stands for it.
    sequences: Vec<(NodeId, NodeId)>,
}

impl<'a> Lowering<'a> {
    fn new(
        graph: &'a mut Graph,
        application: &'a Application,
        cell: &'a Cell,
        sources: &'a SourceMap,
        layer: LayerId,
        (x, mask): (NodeId, Option<NodeId>),
    ) -> Self {
        let body = Graph {
            nodes: Vec::new(),
            inputs: Vec::new(),
            layers: vec![graph.layer(layer).clone()],
            outputs: Vec::new(),
            loss: None,
            updates: Vec::new(),
            tracking: Vec::new(),
            carried: Vec::new(),
            optimizer: None,
            normalize: Vec::new(),
            ..graph.clone()
        };
        let (values, sequences) = (vec![Value::Positions(x)], Vec::new());
        Self { graph, application, cell, sources, layer, mask, body, values, sequences }
    }

    fn scan(mut self, positions: usize, is_reverse: bool) -> Result<NodeId, Box<Diagnostic>> {
        let cell = self.cell;
        for (n, state) in cell.states.iter().enumerate() {
            let layer = self.named(&format!("{}_before", state.name), self.sources.one_line(state.span));
            let operand = self.operand(n, state.len, layer);
            self.values.push(Value::Step(operand));
        }
        let held = self.holds_output().then(|| {
            let layer = self.named("output_before", self.sources.one_line(cell.span));
            (layer, cell.states.len())
        });
        for (n, step) in cell.steps.iter().enumerate() {
            let use_span = self.application.call_span;
            let in_use = |fault: Box<Diagnostic>| Box::new(fault.with_label(use_span, "in this use"));
            if let Some(clash) = shared::kind_clash(&cell.steps, n) {
                return Err(in_use(clash));
            }
            let n_before = self.graph.parameters.len();
            let value = self.step(step)?;
            self.values.push(value);
            // The same layer in another use is looked at with the model's layers.
            if let Some(first) = shared::first_of_label(&cell.steps, n)
                && let Some(clash) = shared::shape_clash(self.graph, n_before, step, Some(first.call_span))
            {
                return Err(in_use(clash));
            }
        }
        let value = |lowering: &Self, n: u32| lowering.values.get(n as usize).copied();
        for state in &cell.states {
            let Some(next) = value(&self, state.next.0) else { continue };
            let next = self.in_step(next);
            let found = self.body.node(next);
            if found.shape != [state.len] {
                return Err(self.wrong_state(state, next));
            }
            self.body.results.push(next);
        }
        let output = value(&self, cell.output.0).unwrap_or(Value::Positions(NodeId(0)));
        let output = self.in_step(output);
        let len = self.body.node(output).len();
        let output = match self.mask {
            Some(mask) => {
                let before = held.map(|(layer, n)| self.operand(n, len, layer));
                self.masked(mask, output, before)
            }
            None => output,
        };
        self.body.results.push(output);
        let first = self.body.results.first().copied().unwrap_or(output);
        self.body.output = first;
        self.body.parameters.clone_from(&self.graph.parameters);
        Ok(self.finish(positions, is_reverse, len))
    }

    /// Whether what the last step that counts gives goes on to the end in a state of its own: where the last step alone
    /// is asked for, and it gives what is no state.
    fn holds_output(&self) -> bool {
        let is_state = self.cell.states.iter().any(|state| state.next == self.cell.output);
        self.mask.is_some() && self.cell.is_last && !is_state
    }

    fn n_states(&self) -> usize {
        self.cell.states.len() + usize::from(self.holds_output())
    }

    /// Makes the step at a position that does not count hand on the states that it is given. Returns what it gives:
    /// `held` is what the step before gave, where that is handed on too.
    fn masked(&mut self, mask: NodeId, output: NodeId, held: Option<NodeId>) -> NodeId {
        let mask = self.in_step(Value::Positions(mask));
        let unmasked = std::mem::take(&mut self.body.results);
        for (n, next) in unmasked.iter().enumerate() {
            let Some(Value::Step(before)) = self.values.get(n + 1).copied() else { continue };
            let next = self.where_counts(mask, *next, Some(before));
            self.body.results.push(next);
        }
        if let Some(before) = held {
            let output = self.where_counts(mask, output, Some(before));
            self.body.results.push(output);
            return output;
        }
        let state = unmasked.iter().position(|next| self.cell.is_last && *next == output);
        match state.and_then(|n| self.body.results.get(n).copied()) {
            Some(state) => state,
            None => self.where_counts(mask, output, None),
        }
    }

    /// `next` where the mask is not 0, and else `otherwise`, or 0.
    fn where_counts(&mut self, mask: NodeId, next: NodeId, otherwise: Option<NodeId>) -> NodeId {
        let (layer, shape) = (self.body.node(next).layer, self.body.node(next).shape.clone());
        let other = if otherwise.is_some() { Scalar::input(2) } else { Scalar::Number(0.0) };
        let zero = Scalar::Number(0.0);
        let scalar = Scalar::select(Relation::Eq, Scalar::input(0), zero, other, Scalar::input(1));
        let operands = [mask, next].into_iter().chain(otherwise).collect();
        builder(&mut self.body, self.application, layer).pointwise(scalar, operands, shape)
    }

    /// The scan with all that it is given.
    fn finish(mut self, positions: usize, is_reverse: bool, len: usize) -> NodeId {
        let body = std::mem::replace(&mut self.body, Graph { nodes: Vec::new(), ..self.graph.clone() });
        let mut inputs: Vec<NodeId> = self.sequences.iter().map(|(sequence, _)| *sequence).collect();
        for node in body.nodes.iter().filter(|node| matches!(node.op, Op::Parameter(_))) {
            let (op, shape) = (node.op.clone(), node.shape.clone());
            let known = inputs.iter().any(|id| self.graph.node(*id).op == op);
            if !known {
                let mut cx = builder(self.graph, self.application, self.layer);
                inputs.push(cx.node(op, Vec::new(), shape, false));
            }
        }
        let states = self.cell.states.iter();
        let states = states.map(|state| State { name: state.name.clone(), initial: state.initial });
        let held = self.holds_output().then(|| State { name: "output".to_owned(), initial: 0.0 });
        let mut scan = Scan {
            body,
            states: states.chain(held).collect(),
            n_sequences: self.sequences.len(),
            values: vec![String::new()],
            positions,
            is_reverse,
            is_carried: false,
        };
        if self.cell.carry.is_none() {
            return builder(self.graph, self.application, self.layer).operator(
                scan,
                inputs,
                vec![positions, len],
            );
        }
        // States lie behind the sequences, and what is handed on is a value of the scan.
        scan.is_carried = true;
        let places: Vec<usize> = (0..scan.states.len()).map(|n| scan.shown(n)).collect();
        let shapes: Vec<Option<Vec<usize>>> = places.iter().map(|place| scan.shape(*place)).collect();
        let states = scan.states.clone();
        let n_before = self.graph.carried.len();
        let mut cx = builder(self.graph, self.application, self.layer);
        for (n, shape) in shapes.iter().enumerate() {
            let features = shape.as_deref().and_then(|shape| shape.last()).copied().unwrap_or(1);
            let before = cx.node(Op::Carried((n_before + n) as u32), Vec::new(), vec![features], true);
            inputs.insert(scan.n_sequences + n, before);
        }
        let first = cx.operator(scan, inputs, vec![positions, len]);
        let position = if is_reverse { 0 } else { positions - 1 };
        for ((state, place), shape) in states.into_iter().zip(places).zip(shapes) {
            let value = match place {
                0 => first,
                _ => cx.node(Op::Part(place as u32), vec![first], shape.unwrap_or_default(), true),
            };
            let name = format!("{}.{}", cx.graph.layer(cx.layer).name, state.name);
            cx.graph.carried.push(Carried { name, initial: state.initial, value, position });
        }
        first
    }

    /// A layer of the body, which gives a value its name.
    fn named(&mut self, name: &str, text: String) -> LayerId {
        let mut origin = self.graph.layer(self.layer).clone();
        origin.name = name.to_owned();
        origin.text = text;
        self.body.layers.push(origin);
        LayerId(self.body.layers.len() as u32 - 1)
    }

    fn operand(&mut self, n: usize, len: usize, layer: LayerId) -> NodeId {
        self.body.push(Node {
            op: Op::Operand(n as u32),
            inputs: Vec::new(),
            shape: vec![len],
            batched: true,
            layer,
            direction: Direction::Forward,
            gradient_of: None,
        })
    }

    /// The node of the body for a value.
    fn in_step(&mut self, value: Value) -> NodeId {
        let id = match value {
            Value::Step(id) => return id,
            Value::Positions(id) => id,
        };
        if let Some((_, operand)) = self.sequences.iter().find(|(sequence, _)| *sequence == id) {
            return *operand;
        }
        let (len, origin) = (self.graph.node(id).row(), self.graph.layer(self.graph.node(id).layer));
        let is_input = matches!(self.values.first(), Some(Value::Positions(x)) if *x == id);
        let name = if is_input { "input".to_owned() } else { self.short(&origin.name).to_owned() };
        let text = origin.text.clone();
        let layer = self.named(&name, text);
        let operand = self.operand(self.n_states() + self.sequences.len(), len, layer);
        self.sequences.push((id, operand));
        operand
    }

    /// A layer's name without that of the cell's use.
    fn short<'n>(&self, name: &'n str) -> &'n str {
        let own = &self.application.layer;
        name.strip_prefix(own.as_str()).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name)
    }

    /// What the step computes next.
    fn step(&mut self, step: &Application) -> Result<Value, Box<Diagnostic>> {
        let inputs: Vec<Value> =
            step.inputs.iter().filter_map(|id| self.values.get(id.0 as usize).copied()).collect();
        let is_of_all = inputs.iter().all(|value| matches!(value, Value::Positions(_)));
        let treats_alike = match &step.kind {
            Kind::Layer(layer, _) => layer.in_cells() == InCells::Positions,
            // A trained parameter has a number for each feature.
            Kind::Activation { parameters, .. } => parameters.is_empty(),
            Kind::Cell(_) => false,
        };
        self.check(step)?;
        if is_of_all && treats_alike {
            let inputs = inputs.iter().map(|value| match value {
                Value::Positions(id) | Value::Step(id) => *id,
            });
            let inputs: Vec<NodeId> = inputs.collect();
            let layer = match &step.kind {
                Kind::Layer(..) => self.layer_of_model(step),
                _ => self.layer,
            };
            let made = lower(builder(self.graph, step, layer), step, &inputs, Names::Layers)?;
            return Ok(Value::Positions(made));
        }
        let inputs: Vec<NodeId> = inputs.into_iter().map(|value| self.in_step(value)).collect();
        // Parameters belong to the model; the body borrows them while it is built.
        let n_before = self.graph.parameters.len();
        let layer = self.named(&self.full(step), self.text(step));
        std::mem::swap(&mut self.body.parameters, &mut self.graph.parameters);
        let made = lower(builder(&mut self.body, step, layer), step, &inputs, Names::Own);
        std::mem::swap(&mut self.body.parameters, &mut self.graph.parameters);
        // They are the cell's: the body's layers are there for names alone.
        let of_cell = self.layer;
        self.graph.parameters.iter_mut().skip(n_before).for_each(|parameter| parameter.layer = of_cell);
        let short = self.short(&step.layer).to_owned();
        if let Some(origin) = self.body.layers.get_mut(layer.0 as usize) {
            origin.name = short;
        }
        Ok(Value::Step(made?))
    }

    /// Refuses what a step cannot hold.
    fn check(&self, step: &Application) -> Result<(), Box<Diagnostic>> {
        let (what, help) = match &step.kind {
            Kind::Layer(layer, _) if layer.in_cells() == InCells::Never => {
                (layer.name(), "put it before or behind the cell, where it takes the whole sequence")
            }
            Kind::Cell(cell) => {
                (cell.name.as_str(), "one cell behind the other runs over the sequence again")
            }
            _ if step.recompute.is_some() => {
                ("recompute", "put it around the cell: a step in a cell is computed again with all others")
            }
            _ => return Ok(()),
        };
        let fault = Diagnostic::new(
            Code::E0501,
            format!("`{what}` in a cell is not supported"),
            step.call_span,
            "expected a layer that a step can hold",
        );
        Err(Box::new(fault.with_label(self.application.call_span, "in this use").with_help(help)))
    }

    /// A layer of the model for a layer of the step.
    fn layer_of_model(&mut self, step: &Application) -> LayerId {
        let name = self.full(step);
        let text = self.text(step);
        let origin = LayerOrigin { name, text, ..self.graph.layer(self.layer).clone() };
        self.graph.layers.push(origin);
        LayerId(self.graph.layers.len() as u32 - 1)
    }

    /// A layer's whole name: of a way back, `lstm.reverse.ih`.
    fn full(&self, step: &Application) -> String {
        format!("{}.{}", self.graph.layer(self.layer).name, self.short(&step.layer))
    }

    fn text(&self, step: &Application) -> String {
        with_label(self.sources.one_line(step.call_span), self.short(&step.layer), step.labelled)
    }

    /// A state that becomes something of another size.
    fn wrong_state(&self, state: &crate::program::CellState, next: NodeId) -> Box<Diagnostic> {
        let found = &self.body.node(next).shape;
        let made = (state.next.0 as usize).checked_sub(1 + self.cell.states.len());
        let made = made.and_then(|n| self.cell.steps.get(n)).map_or(state.span, |step| step.call_span);
        Box::new(
            Diagnostic::new(
                Code::E0310,
                format!("state `{}` changes its size", state.name),
                made,
                format!("expected [{}], found {found:?}", state.len),
            )
            .with_label(state.span, format!("declared as [{}] here", state.len))
            .with_label(self.application.call_span, "in this use")
            .with_help("what goes from step to step has the same size at each of them"),
        )
    }
}

/// Adds what an application of a step computes.
fn lower(
    mut cx: Builder<'_>,
    step: &Application,
    inputs: &[NodeId],
    names: Names,
) -> Result<NodeId, Box<Diagnostic>> {
    match &step.kind {
        Kind::Layer(layer, arguments) => layer.apply(&mut cx, arguments, inputs),
        Kind::Activation { body, parameters, .. } => {
            let Some(x) = inputs.first() else {
                return Err(cx.error(Code::E0302, "a formula takes a value", "found none"));
            };
            let shape = cx.shape(*x).to_vec();
            let parameters: Vec<NodeId> = parameters
                .iter()
                .map(|(name, initializer)| cx.per_channel(name, &shape, initializer.clone()))
                .collect();
            match body {
                ActivationBody::Scalar(scalar) => {
                    let operands: Vec<NodeId> = inputs.iter().copied().chain(parameters).collect();
                    formula(&mut cx, &simplify(scalar), operands, names)
                }
                ActivationBody::Value(body) => {
                    let mut lowering = ValueLowering {
                        cx,
                        value: *x,
                        target: None,
                        by_position: true,
                        parameters,
                        known: Vec::new(),
                    };
                    lowering.value(body)
                }
            }
        }
        Kind::Cell(_) => Err(cx.error(Code::E0501, "cells in cells are not supported", "found one")),
    }
}

/// Adds a formula over single elements of values of one shape. A costly function in it is a node of its own: what it
/// gives can be kept for the way back, instead of being computed again.
fn formula(
    cx: &mut Builder<'_>,
    scalar: &Scalar,
    operands: Vec<NodeId>,
    names: Names,
) -> Result<NodeId, Box<Diagnostic>> {
    let shapes = operands.iter().map(|id| cx.shape(*id).to_vec());
    let shape = shapes.max_by_key(|shape| shape.iter().product::<usize>()).unwrap_or_default();
    let other = operands.iter().find(|id| cx.graph.node(**id).batched && cx.shape(**id) != shape);
    if let Some(other) = other {
        let found = cx.shape(*other).to_vec();
        let layer = &cx.graph.layer(cx.graph.node(*other).layer).name;
        let message = format!("`{layer}` is put together with values of another size");
        let label = format!("expected {shape:?}, found {found:?}");
        return Err(cx.error(Code::E0304, message, label));
    }
    let mut functions = Functions { cx, operands, shape: shape.clone(), names };
    let outer = functions.apart(scalar, true);
    let operands = functions.operands;
    Ok(cx.pointwise(outer, operands, shape))
}

/// Where values have their names from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// From the layers of the model.
    Layers,
    /// From those of the body, which are there for it.
    Own,
}

/// The functions of a formula on their way to nodes of their own.
struct Functions<'a, 'g> {
    cx: &'a mut Builder<'g>,
    operands: Vec<NodeId>,
    shape: Vec<usize>,
    names: Names,
}

impl Functions<'_, '_> {
    /// The formula with its costly functions replaced by further operands.
    fn apart(&mut self, scalar: &Scalar, is_outermost: bool) -> Scalar {
        match scalar {
            Scalar::Unary(op, x) => {
                let function = Scalar::unary(*op, self.apart(x, false));
                if is_outermost || !is_costly(*op) {
                    return function;
                }
                let of_formula = self.cx.layer;
                if self.names == Names::Own {
                    self.cx.layer = self.named_after(*op, &function);
                }
                let id = self.cx.pointwise(function, self.operands.clone(), self.shape.clone());
                self.cx.layer = of_formula;
                self.operands.push(id);
                Scalar::input(self.operands.len() as u32 - 1)
            }
            Scalar::Binary(op, a, b) => {
                let a = self.apart(a, false);
                Scalar::binary(*op, a, self.apart(b, false))
            }
            // What is not taken need not be computed.
            Scalar::Select(..) | Scalar::Number(_) | Scalar::Variable(_) => scalar.clone(),
        }
    }

    /// `sigmoid_f` for the sigmoid of f.
    fn named_after(&mut self, op: Unary, function: &Scalar) -> LayerId {
        let of = match function {
            Scalar::Unary(_, x) => match x.as_ref() {
                Scalar::Variable(Variable::Input(n)) => self.operands.get(*n as usize).copied(),
                _ => None,
            },
            _ => None,
        };
        let of = of.map_or(self.cx.layer, |id| self.cx.graph.node(id).layer);
        let word = Unary::NAMED.iter().find(|(_, known)| *known == op).map_or("function", |(word, _)| word);
        let name = format!("{word}_{}", self.cx.graph.layer(of).name);
        let origin = LayerOrigin { name, ..self.cx.graph.layer(self.cx.layer).clone() };
        self.cx.graph.layers.push(origin);
        LayerId(self.cx.graph.layers.len() as u32 - 1)
    }
}

fn is_costly(op: Unary) -> bool {
    !matches!(op, Unary::Neg | Unary::Abs | Unary::Sign | Unary::Floor | Unary::Sqrt)
}
