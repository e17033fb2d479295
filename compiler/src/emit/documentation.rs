//! What is said of an emitted function: where it stands in the source, its formulas, its shapes and its strategy.

use std::collections::HashMap;

use super::function::adds_to_earlier;
use super::locals::locals;
use super::{Domain, PassCx, comments};
use crate::graph::{Direction, Graph, NodeId, Op};
use crate::plan::{Along, Function, Step};
use crate::scalar::{Variable, formula};

/// The doc comment: place, shapes, formulas, strategy with its reason.
pub(super) fn function_docs(cx: PassCx<'_>, function: &Function) -> Vec<String> {
    let graph = cx.graph();
    let stores = graph.optimizer.as_ref().is_some_and(|optimizer| optimizer.stores_gradients());
    let layer = graph.layer(function.layer);
    let mut fused: Vec<&str> = Vec::new();
    for id in function.steps.iter().flat_map(Step::nodes) {
        let other = graph.layer(graph.node(id).layer);
        if other.name != layer.name && !fused.contains(&other.text.as_str()) {
            fused.push(&other.text);
        }
    }
    let with = fused.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ");
    let with = if with.is_empty() { with } else { format!(" with {with}") };
    let place = cx.sources.place(layer.span);
    let mut formulas: Vec<String> = Vec::new();
    let mut notes: Vec<String> = Vec::new();
    let mut note = |text: String| {
        if !notes.contains(&text) {
            notes.push(text);
        }
    };
    for step in &function.steps {
        match step {
            Step::Kernel { node, epilogue, update, strategy, .. } => {
                let speaker = Speaker::new(cx, &[]);
                formulas.push(speaker.formula(*node));
                formulas.extend(epilogue.iter().map(|id| speaker.formula(*id)));
                let sizes = sizes(cx, *node);
                note(match cx.domain {
                    Domain::Batch => format!("{sizes}, {strategy}."),
                    Domain::Single => format!("{sizes}, lanes over features."),
                });
                if let Some(parameter) = update {
                    note(if adds_to_earlier(graph, *parameter, *node) {
                        "Each sum is added to that of the layer's other use.".to_owned()
                    } else if stores {
                        "Each sum is kept until all gradients are there.".to_owned()
                    } else {
                        "Each sum goes straight into the update; it is not stored.".to_owned()
                    });
                }
            }
            Step::Rows { nodes } => {
                let speaker = Speaker::new(cx, nodes);
                formulas.extend(nodes.iter().map(|id| speaker.formula(*id)));
            }
        }
    }
    match cx.division(function) {
        Some(Along::Positions(positions)) => {
            notes.push(format!(
                "Rows are those of one position: threads share the {positions} of each group."
            ));
        }
        Some(Along::Rows(units, rows)) => {
            let rows = if rows == 1 { "rows".to_owned() } else { format!("parts of {rows} rows") };
            notes.push(format!("Threads share its {units} {rows}."));
        }
        _ => {}
    }
    let mut lines =
        vec![format!("`{}` at `{place}`{}{with}", layer.text, direction(graph, function)), String::new()];
    lines.extend(comments::formulas(formulas));
    if !notes.is_empty() {
        lines.push(String::new());
        lines.extend(notes);
    }
    lines
}

fn direction(graph: &Graph, function: &Function) -> &'static str {
    match function.direction {
        Direction::Forward if graph.is_step() => ", one step forward",
        Direction::Backward if graph.is_step() => ", one step backward",
        Direction::Forward => ", forward",
        Direction::Loss => "",
        Direction::Recompute => ", forward once more, on the way back",
        Direction::Backward => ", backward",
    }
}

/// Formulas for comments.
struct Speaker<'a> {
    cx: PassCx<'a>,
    /// What the code of the step calls values that are not kept.
    locals: HashMap<NodeId, String>,
}

impl<'a> Speaker<'a> {
    fn new(cx: PassCx<'a>, nodes: &[NodeId]) -> Self {
        Self { cx, locals: locals(cx, nodes) }
    }

    /// What a value is called, whether or not it is kept.
    fn name(&self, id: NodeId) -> String {
        let graph = self.cx.graph();
        let id = graph.source(id);
        let node = graph.node(id);
        match (&node.op, self.cx.pass.value(id)) {
            (Op::Parameter(parameter), _) => self.cx.names.short(&graph.parameter(*parameter).name),
            (_, Some(value)) => self.cx.names.value(id, &value.name),
            (Op::Total, _) => "loss".to_owned(),
            _ => match (self.locals.get(&id), node.gradient_of) {
                (Some(name), _) => name.clone(),
                (None, Some(of)) => match format!("d_{}", self.name(of)) {
                    // The code has no name for it but that of the tile.
                    name if self.cx.names.is_taken(&name) => "z".to_owned(),
                    name => name,
                },
                (None, None) => self.cx.names.short(&graph.layer(node.layer).name),
            },
        }
    }

    /// `relu = max(hidden, 0)`
    fn formula(&self, id: NodeId) -> String {
        let graph = self.cx.graph();
        let node = graph.node(id);
        let operand = |n: usize| node.inputs.get(n).map_or_else(String::new, |id| self.name(*id));
        let value = match &node.op {
            Op::Pointwise(scalar) => formula(scalar, &|variable| match variable {
                Variable::Input(n) => operand(n as usize),
                _ => "index".to_owned(),
            }),
            Op::Reduce(reduction) => format!("{}({})", format!("{reduction:?}").to_lowercase(), operand(0)),
            Op::Total => {
                let terms = (0..node.inputs.len() / 2)
                    .map(|n| format!("{} * {}", operand(2 * n), operand(2 * n + 1)));
                format!("sum over samples of {}", terms.collect::<Vec<_>>().join(" + "))
            }
            Op::Operator(op) => {
                let names: Vec<String> = node.inputs.iter().map(|id| self.name(*id)).collect();
                op.formula(&names)
            }
            _ => String::new(),
        };
        if let Some(update) = graph.updates.iter().find(|update| update.gradient == id) {
            return format!("d_{} = {value}", self.cx.names.short(&graph.parameter(update.parameter).name));
        }
        format!("{} = {value}", self.name(id))
    }
}

/// `[4] -> [16]`, with the quotes.
fn sizes(cx: PassCx<'_>, id: NodeId) -> String {
    let graph = cx.graph();
    let node = graph.node(id);
    let from = node.inputs.first().map_or(&[] as &[usize], |id| graph.node(*id).shape.as_slice());
    format!("`{from:?} -> {:?}`", node.shape)
}

/// What a step computes, for a comment before its code.
pub(super) fn step_comment(cx: PassCx<'_>, step: &Step) -> String {
    match step {
        Step::Kernel { node, .. } => Speaker::new(cx, &[]).formula(*node),
        Step::Rows { nodes } => {
            let speaker = Speaker::new(cx, nodes);
            nodes.last().map_or_else(String::new, |id| speaker.formula(*id))
        }
    }
}
