//! Memory: which value lies in which slot. Values whose lives do not meet share one.

use std::collections::BTreeSet;

use crate::graph::{Direction, Graph, NodeId, Op, ValueLayout};

use super::{Function, LANES};

/// A value that is kept in memory.
#[derive(Debug, Clone)]
pub struct Value {
    /// The node.
    pub node: NodeId,
    /// Its name in the emitted code.
    pub name: String,
    /// How it lies.
    pub layout: ValueLayout,
    /// Features of a sample.
    pub len: usize,
    /// Features of a position of it: all of them where it has none.
    pub row: usize,
    /// The first function that it is there for; before the first one for what is given.
    pub from: usize,
    /// The last function that needs it.
    pub until: usize,
    /// Its slot; `None` for what a function keeps by itself.
    pub slot: Option<usize>,
}

/// Memory for one value at a time.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Named after the first value in it.
    pub name: String,
    /// How values lie in it.
    pub layout: ValueLayout,
    /// Features of a sample.
    pub len: usize,
    /// Features of a row, where they lie in rows of a sample or a position.
    pub row: usize,
    /// Names of the values in it, in order.
    pub values: Vec<String>,
}

impl Value {
    /// Bytes, for a batch of `groups` groups of numbers of `number` bytes.
    pub fn bytes(&self, groups: usize, number: usize) -> usize {
        numbers(self.layout, self.len, self.row, groups) * number
    }
}

impl Slot {
    /// Bytes, for a batch of `groups` groups of numbers of `number` bytes.
    pub fn bytes(&self, groups: usize, number: usize) -> usize {
        numbers(self.layout, self.len, self.row, groups) * number
    }
}

/// Numbers in memory, padding included.
fn numbers(layout: ValueLayout, len: usize, row: usize, groups: usize) -> usize {
    match layout {
        ValueLayout::Splat => len * LANES,
        ValueLayout::Table => len.next_multiple_of(LANES),
        ValueLayout::SampleRows => row.next_multiple_of(LANES) * (len / row.max(1)) * groups * LANES,
        _ => len * groups * LANES,
    }
}

/// The values that pass between functions, with names and lives. Slots are given out on the way.
pub fn values(graph: &Graph, functions: &[Function]) -> Vec<Value> {
    let mut nodes: BTreeSet<NodeId> =
        functions.iter().flat_map(|f| f.reads.iter().chain(&f.writes).chain(&f.locals)).copied().collect();
    nodes.extend(graph.inputs.iter().map(|input| input.node));
    nodes.insert(graph.output);
    let loss_at = functions.iter().position(|function| function.direction == Direction::Loss);
    let mut values: Vec<Value> = Vec::new();
    for node in nodes {
        let written = functions.iter().position(|function| function.writes.contains(&node));
        let read = functions.iter().rposition(|function| function.reads.contains(&node));
        let from = written.unwrap_or(0);
        let mut until = read.unwrap_or(from).max(from);
        // What the forward part made is looked at when the loss of a step is not finite, as far as it is kept; the output
        // is the result.
        if !graph.updates.is_empty()
            && graph.node(node).direction == Direction::Forward
            && graph.layer(graph.node(node).layer).recompute.is_none()
            && matches!(graph.node(node).op, Op::Pointwise(_) | Op::Operator(_))
        {
            until = until.max(loss_at.unwrap_or(functions.len()));
        }
        // These are looked at behind the loss, too.
        let is_tracked = graph.tracking.iter().any(|tracking| tracking.value == node);
        if node == graph.output || is_tracked || graph.carried.iter().any(|carried| carried.value == node) {
            until = until.max(loss_at.unwrap_or(functions.len()));
        }
        let name = match graph.node(node).op {
            // The one value that these names are meant for.
            Op::Target | Op::SampleScale => name(graph, node, &values),
            _ => unique(name(graph, node, &values), |name| {
                values.iter().any(|value: &Value| value.name == name)
            }),
        };
        values.push(Value {
            node,
            name,
            layout: graph.layout(node),
            len: graph.node(node).len(),
            // Only rows of samples lie otherwise for it.
            row: match graph.layout(node) {
                ValueLayout::SampleRows => graph.node(node).row(),
                _ => graph.node(node).len(),
            },
            from,
            until,
            slot: None,
        });
    }
    assign(graph, functions, &mut values);
    values
}

/// A name from the layer that makes the value.
fn name(graph: &Graph, id: NodeId, values: &[Value]) -> String {
    let node = graph.node(id);
    let layer = graph.layer(node.layer).name.replace('.', "_");
    match &node.op {
        Op::Input(n) => input_name(graph, *n),
        Op::Target => "target".to_owned(),
        Op::SampleScale => "scale".to_owned(),
        Op::Carried(n) => carried_name(graph, *n),
        Op::Operator(op) if op.layout() == ValueLayout::SampleRows => {
            let of = node.inputs.first().and_then(|of| values.iter().find(|value| value.node == *of));
            of.map_or_else(|| format!("{layer}_rows"), |of| format!("{}_rows", of.name))
        }
        Op::Part(n) if node.gradient_of.is_none() => {
            let operator = node.inputs.first().map(|id| &graph.node(*id).op);
            let scan = match operator {
                Some(Op::Operator(op)) => op.scan(),
                _ => None,
            };
            let part = scan.and_then(|scan| scan.values.get(*n as usize));
            format!("{layer}_{}", part.map_or("part", String::as_str).replace('.', "_"))
        }
        Op::Operator(op) if op.part().is_some() && node.gradient_of.is_none() => {
            format!("{layer}_{}", op.part().unwrap_or_default())
        }
        _ => match node.gradient_of {
            Some(of) => {
                let known = values.iter().find(|value| value.node == of);
                format!("d_{}", known.map_or_else(|| plain_name(graph, of), |value| value.name.clone()))
            }
            None if node.direction == Direction::Recompute => format!("{layer}_again"),
            None => layer,
        },
    }
}

/// The name that a value has even when it is not kept.
fn plain_name(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    match node.op {
        Op::Input(n) => input_name(graph, n),
        _ => graph.layer(node.layer).name.replace('.', "_"),
    }
}

/// `lstm_h_carried`
fn carried_name(graph: &Graph, n: u32) -> String {
    let name = graph.carried.get(n as usize).map_or("state", |carried| carried.name.as_str());
    format!("{}_carried", name.replace('.', "_"))
}

fn input_name(graph: &Graph, n: u32) -> String {
    graph.inputs.get(n as usize).map_or_else(|| "input".to_owned(), |input| input.name.clone())
}

/// A name like this one that is not taken, and that emitted functions do not use for something else.
pub fn unique(name: String, taken: impl Fn(&str) -> bool) -> String {
    // `_` is no name in Rust, and would become that of `__`.
    let is_blank = name.bytes().all(|byte| byte == b'_');
    let name = if is_blank || is_reserved(&name) { format!("{name}_value") } else { name };
    if !taken(&name) {
        return name;
    }
    (2..).map(|n| format!("{name}_{n}")).find(|name| !taken(name)).unwrap_or(name)
}

/// Names of arguments and local values in emitted functions, with or without a number behind them.
const RESERVED: &[&str] = &[
    "arena",
    "bias",
    "d",
    "d_x",
    "d_y",
    "flat",
    "first_group",
    "g",
    "groups",
    "i",
    "index",
    "joined",
    "k",
    "lanes",
    "loss",
    "lr",
    "o",
    "out",
    "outputs",
    "p",
    "paired",
    "panels",
    "parameters",
    "part",
    "partial",
    "parts",
    "rates",
    "rows",
    "rt",
    "s",
    "sample",
    "samples",
    "scale",
    "scratch",
    "simd",
    "state",
    "step",
    "sums",
    "t",
    "target",
    "targets",
    "threads",
    "total",
    "u",
    "units",
    "update",
    "weight",
    "x",
    "y",
    "z",
];

fn is_reserved(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_');
    RESERVED.contains(&stem) || crate::emit::is_item(name)
}

/// Gives each value the first slot of its form that is free for its life.
fn assign(graph: &Graph, functions: &[Function], values: &mut [Value]) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|n| values.get(*n).map_or((0, 0), |value| (value.from, value.node.0)));
    // Form of each slot, and the last function that needs what is in it.
    let mut slots: Vec<(ValueLayout, (usize, usize), usize)> = Vec::new();
    for n in order {
        let Some(value) = values.get_mut(n) else { continue };
        if functions.iter().any(|function| function.locals.contains(&value.node)) {
            continue;
        }
        // What is given stays where it was put: the caller fills it before the first function.
        let given =
            matches!(graph.node(value.node).op, Op::Input(_) | Op::Target | Op::SampleScale | Op::Carried(_));
        let free = slots.iter().position(|(layout, len, until)| {
            !given && *layout == value.layout && *len == (value.len, value.row) && *until < value.from
        });
        let until = if given { usize::MAX } else { value.until };
        match free {
            Some(slot) => {
                value.slot = Some(slot);
                if let Some(known) = slots.get_mut(slot) {
                    known.2 = until;
                }
            }
            None => {
                value.slot = Some(slots.len());
                slots.push((value.layout, (value.len, value.row), until));
            }
        }
    }
}

/// The slots that the values were given.
pub fn slots(values: &[Value]) -> Vec<Slot> {
    let count = values.iter().filter_map(|value| value.slot).map(|slot| slot + 1).max().unwrap_or(0);
    (0..count)
        .map(|slot| {
            let mut inside: Vec<&Value> = values.iter().filter(|value| value.slot == Some(slot)).collect();
            inside.sort_by_key(|value| value.from);
            let first = inside.first();
            Slot {
                name: first.map_or_else(String::new, |value| value.name.clone()),
                layout: first.map_or(ValueLayout::BatchLane, |value| value.layout),
                len: first.map_or(0, |value| value.len),
                row: first.map_or(0, |value| value.row),
                values: inside.iter().map(|value| value.name.clone()).collect(),
            }
        })
        .collect()
}
