//! The shape walk: a program becomes a typed graph.
//!
//! Each layer checks the shapes that reach it and adds its nodes; the loss becomes scalars and reductions over the
//! output and the target. A layer whose shapes do not fit is reported once, and what follows from it stays silent.

mod cell;
mod losses;
mod shared;

use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::SourceMap;

use crate::gain::{Gain, Gains};
use crate::graph::{Builder, Direction, Graph, LayerId, LayerOrigin, Node, NodeId, Op, reduced};
use crate::ops::slice;
use crate::ops::softmax::{self, LogSoftmax, Softmax};
use crate::plan::PRODUCTS_UNROLLED;
use crate::program::{ActivationBody, Application, Input, Kind, List, Program, Reduction, ValueExpr};
use crate::scalar::{Relation, Scalar, Variable, simplify};
use crate::specialize::{freeze, specialize};

/// Parameters and activations above this many bytes are refused.
const LARGEST_MODEL: u128 = 16 << 30;

/// Makes the graph of a program: forward and, if the model has a loss, the loss.
///
/// # Errors
/// E03xx for shapes that do not fit, E0502 for a model that is too large.
pub fn infer(program: &Program, sources: &SourceMap, batch: usize) -> Result<Graph, Vec<Diagnostic>> {
    if program.inputs.is_empty() {
        return Err(Vec::new());
    }
    let mut graph = Graph {
        name: program.name.clone(),
        nodes: Vec::new(),
        parameters: Vec::new(),
        layers: Vec::new(),
        inputs: Vec::new(),
        output: NodeId(0),
        outputs: Vec::new(),
        results: Vec::new(),
        loss: None,
        updates: Vec::new(),
        optimizer: None,
        tracking: Vec::new(),
        carried: Vec::new(),
        no_fold: false,
        most_unrolled: PRODUCTS_UNROLLED,
        normalize: Vec::new(),
        batch,
        precision: program.train.precision,
        storage: program.train.storage,
    };
    let mut size = Size::default();
    for input in &program.inputs {
        add_input(&mut graph, input, sources);
        size.check(&graph, batch, input.span)?;
    }
    let mut diagnostics = Vec::new();
    // Value n of the program; `None` where a fault was reported.
    let mut values: Vec<Option<NodeId>> = graph.inputs.iter().map(|input| Some(input.node)).collect();
    for n in 0..values.len() {
        check_imports(program, &graph, n, &mut values, &mut diagnostics);
    }
    let mut gains = Gains::new(program);
    let mut n_checked = 0;
    for (n, application) in program.applications.iter().enumerate() {
        let inputs: Option<Vec<NodeId>> =
            application.inputs.iter().map(|id| values.get(id.0 as usize).copied().flatten()).collect();
        let gain = gains.of(n);
        let inputs = match shared::kind_clash(&program.applications, n) {
            Some(clash) => {
                diagnostics.push(*clash);
                None
            }
            None => inputs,
        };
        let n_parameters = graph.parameters.len();
        let value = inputs.and_then(|inputs| match apply(&mut graph, application, sources, &inputs, gain) {
            Ok(value) => Some(value),
            Err(diagnostic) => {
                diagnostics.push(of_use(*diagnostic, application));
                None
            }
        });
        let clash = shared::shape_clash(&graph, n_parameters, application, None);
        let value = value.filter(|_| clash.is_none());
        diagnostics.extend(clash.map(|clash| *clash));
        values.push(value);
        let last = values.len() - 1;
        check_imports(program, &graph, last, &mut values, &mut diagnostics);
        size.check(&graph, batch, application.span)?;
        check_initializers(&graph, &mut n_checked, application, &mut diagnostics);
    }
    let outputs: Option<Vec<NodeId>> =
        program.outputs.iter().map(|output| values.get(output.value.0 as usize).copied().flatten()).collect();
    if let Some(nodes) = outputs {
        losses::add_outputs(&mut graph, program, &nodes);
        if let Err(diagnostic) = losses::add_losses(&mut graph, program, &nodes, &values) {
            diagnostics.push(*diagnostic);
        }
    }
    if diagnostics.is_empty()
        && let Some(optimizer) = &program.optimizer
    {
        let frozen = freeze(optimizer, &mut graph.parameters);
        match frozen.and_then(|()| specialize(optimizer, &graph.parameters)) {
            Ok(optimizer) => graph.optimizer = Some(optimizer),
            Err(faults) => diagnostics.extend(faults),
        }
    }
    if diagnostics.is_empty() { Ok(graph) } else { Err(diagnostics) }
}

/// Adds an input, as a layer of its own.
fn add_input(graph: &mut Graph, input: &Input, sources: &SourceMap) {
    let n = graph.inputs.len() as u32;
    let layer = LayerId(graph.layers.len() as u32);
    graph.layers.push(LayerOrigin {
        name: input.name.clone(),
        text: sources.one_line(input.span),
        span: input.span,
        is_frozen: false,
        recompute: None,
    });
    let node = graph.push(Node {
        op: Op::Input(n),
        inputs: Vec::new(),
        shape: input.shape.clone(),
        batched: true,
        layer,
        direction: Direction::Forward,
        gradient_of: None,
    });
    graph.inputs.push(crate::graph::Input { name: input.name.clone(), node, tokens: None });
}

/// Reports a value that is given to an imported model of another shape. It stays silent from there on.
fn check_imports(
    program: &Program,
    graph: &Graph,
    value: usize,
    values: &mut [Option<NodeId>],
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Some(known) = values.get_mut(value) else { return };
    let Some(node) = *known else { return };
    for import in &program.imports {
        let Some((_, expected, span)) = import.input.as_ref().filter(|(id, ..)| id.0 as usize == value)
        else {
            continue;
        };
        let found = &graph.node(node).shape;
        if found == expected {
            continue;
        }
        let layer = graph.layer(graph.node(node).layer);
        let mut fault = Diagnostic::new(
            Code::E0320,
            format!("the imported model takes {expected:?}"),
            import.span,
            format!("expected {expected:?}, found {found:?}"),
        )
        .with_label(*span, format!("its input is {expected:?}"))
        .with_label(layer.span, format!("`{}` is {found:?}", layer.name));
        if expected.len() == 1 && expected.iter().product::<usize>() == found.iter().product() {
            fault = fault.with_help("put `flatten` before it");
        }
        diagnostics.push(fault);
        *known = None;
        return;
    }
}

/// Reports initializers that need a matrix and were given to a vector.
fn check_initializers(
    graph: &Graph,
    n_checked: &mut usize,
    application: &Application,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for parameter in graph.parameters.iter().skip(*n_checked).filter(|parameter| parameter.shape.len() < 2) {
        let mut needs_matrix = false;
        parameter.initializer.scalar.variables(&mut |variable| {
            needs_matrix |= matches!(variable, Variable::RandomOrthogonal(_));
        });
        if needs_matrix {
            let (name, text) = (&parameter.name, &parameter.initializer.text);
            diagnostics.push(
                Diagnostic::new(
                    Code::E0303,
                    format!("`{text}` starts a matrix"),
                    application.call_span,
                    format!("expected a matrix, found `{name}` {:?}", parameter.shape),
                )
                .with_note("the rows of a matrix can be orthogonal; a vector has nothing to be orthogonal to")
                .with_help("`normal` and `uniform` start vectors too"),
            );
        }
    }
    *n_checked = graph.parameters.len();
}

/// What a graph takes, counted as it grows.
#[derive(Debug, Default)]
struct Size {
    parameters: u128,
    widest: u128,
    n_parameters: usize,
    n_nodes: usize,
}

impl Size {
    /// Refuses a model before anything of its size is allocated.
    fn check(
        &mut self,
        graph: &Graph,
        batch: usize,
        span: nnc_grammar::span::Span,
    ) -> Result<(), Vec<Diagnostic>> {
        let len = |shape: &[usize]| shape.iter().map(|n| *n as u128).product::<u128>();
        for parameter in graph.parameters.iter().skip(self.n_parameters) {
            self.parameters = self.parameters.saturating_add(len(&parameter.shape));
        }
        for node in graph.nodes.iter().skip(self.n_nodes).filter(|node| node.batched) {
            self.widest = self.widest.max(len(&node.shape));
        }
        (self.n_parameters, self.n_nodes) = (graph.parameters.len(), graph.nodes.len());
        let (parameters, widest) = (self.parameters, self.widest);
        let groups = batch.div_ceil(16) as u128 * 16;
        let bytes = widest.saturating_mul(groups).saturating_add(parameters).saturating_mul(4);
        if bytes <= LARGEST_MODEL {
            return Ok(());
        }
        let gib = bytes as f64 / (1u64 << 30) as f64;
        Err(vec![
            Diagnostic::new(
                Code::E0502,
                "the model is too large",
                span,
                format!("with this layer it needs {gib:.1} GiB for parameters and activations"),
            )
            .with_note(format!("{parameters} parameters, at most {widest} values a sample, batch {batch}"))
            .with_help(format!("the limit is {} GiB", LARGEST_MODEL >> 30)),
        ])
    }
}

/// A fault in a block or a cell, which may stand in a file that the user does not have, shows the use in the model as
/// well.
fn of_use(fault: Diagnostic, application: &Application) -> Diagnostic {
    let used = application.span;
    let labels = fault.secondary.iter().chain([&fault.primary]);
    let is_shown = labels.map(|label| label.span).any(|span| span.file == used.file && used.to(span) == used);
    if is_shown { fault } else { fault.with_label(used, "in this use") }
}

fn apply(
    graph: &mut Graph,
    application: &Application,
    sources: &SourceMap,
    inputs: &[NodeId],
    gain: Gain,
) -> Result<NodeId, Box<Diagnostic>> {
    let layer = LayerId(graph.layers.len() as u32);
    graph.layers.push(LayerOrigin {
        name: application.layer.clone(),
        text: with_label(sources.one_line(application.call_span), &application.layer, application.labelled),
        span: application.span,
        is_frozen: !application.trainable,
        recompute: application.recompute,
    });
    let mut cx = Builder {
        graph,
        layer,
        direction: Direction::Forward,
        span: application.call_span,
        trainable: application.trainable,
        gain,
    };
    match &application.kind {
        Kind::Layer(kind, arguments) => kind.apply(&mut cx, arguments, inputs),
        Kind::Cell(cell) => {
            let Some((x, mask)) = inputs.split_first() else {
                return Err(cx.error(Code::E0302, "a cell takes one value", "found none"));
            };
            cell::apply(graph, application, cell, sources, layer, (*x, mask.first().copied()))
        }
        Kind::Activation { body, parameters, .. } => {
            let Some(x) = inputs.first() else {
                return Err(cx.error(Code::E0302, "an activation takes one value", "found none"));
            };
            let shape = cx.shape(*x).to_vec();
            let parameters: Vec<NodeId> = parameters
                .iter()
                .map(|(name, initializer)| cx.per_channel(name, &shape, initializer.clone()))
                .collect();
            match body {
                ActivationBody::Scalar(scalar) => {
                    let operands = std::iter::once(*x).chain(parameters).collect();
                    Ok(cx.pointwise(simplify(scalar), operands, shape))
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
    }
}

/// The call of a layer as one line of a comment, with its label.
fn with_label(text: String, layer: &str, labelled: bool) -> String {
    if labelled { format!("{layer}: {text}") } else { text }
}

/// An expression over values on its way into the graph.
struct ValueLowering<'a> {
    cx: Builder<'a>,
    /// The model's output, or what an activation is given.
    value: NodeId,
    target: Option<NodeId>,
    /// Whether reductions over `[positions, features]` run over each position by itself.
    by_position: bool,
    parameters: Vec<NodeId>,
    /// What was computed already.
    known: Vec<(ValueExpr, NodeId)>,
}

impl ValueLowering<'_> {
    /// The node that computes `expr`; the same expression is computed once.
    fn value(&mut self, expr: &ValueExpr) -> Result<NodeId, Box<Diagnostic>> {
        if let Some((_, id)) = self.known.iter().find(|(known, _)| known == expr) {
            return Ok(*id);
        }
        let id = self.compute(expr)?;
        self.known.push((expr.clone(), id));
        Ok(id)
    }

    /// Scalar parts become one pointwise node, as far as they reach.
    fn compute(&mut self, expr: &ValueExpr) -> Result<NodeId, Box<Diagnostic>> {
        Ok(match expr {
            ValueExpr::Value => self.value,
            ValueExpr::Target => self.target.unwrap_or(self.value),
            ValueExpr::Parameter(n) => self.parameters.get(*n as usize).copied().unwrap_or(self.value),
            ValueExpr::List(list) => self.list(list)?,
            ValueExpr::Part(n, of, x) => {
                let x = self.value(x)?;
                // Of `[positions, features]` the features are divided, else a vector or the channels.
                let axis = usize::from(self.cx.shape(x).len() == 2);
                slice::part(&mut self.cx, x, axis, *n, *of)?
            }
            ValueExpr::Reduce(reduction, x) => {
                let x = self.value(x)?;
                let shape = if self.by_position { reduced(self.cx.shape(x)) } else { Vec::new() };
                self.cx.node(Op::Reduce(*reduction), vec![x], shape, true)
            }
            ValueExpr::Softmax(x) => {
                let x = self.value(x)?;
                softmax::check(&self.cx, Softmax::NAME, x)?;
                let shape = self.cx.shape(x).to_vec();
                self.cx.operator(Softmax, vec![x], shape)
            }
            ValueExpr::LogSoftmax(x) => {
                let x = self.value(x)?;
                softmax::check(&self.cx, LogSoftmax::NAME, x)?;
                let shape = self.cx.shape(x).to_vec();
                self.cx.operator(LogSoftmax, vec![x], shape)
            }
            ValueExpr::OneHot(x) => {
                let x = self.value(x)?;
                let shape = self.cx.shape(self.value).to_vec();
                let hot = Scalar::select(
                    Relation::Eq,
                    Scalar::Variable(Variable::Index),
                    Scalar::input(0),
                    Scalar::Number(1.0),
                    Scalar::Number(0.0),
                );
                self.cx.pointwise(hot, vec![x], shape)
            }
            ValueExpr::Number(_)
            | ValueExpr::Count
            | ValueExpr::Unary(..)
            | ValueExpr::Binary(..)
            | ValueExpr::Select(..) => {
                let mut operands = Vec::new();
                let scalar = self.scalar(expr, &mut operands)?;
                // Elements of the widest operand; one number a sample when all are such.
                let shape = operands
                    .iter()
                    .map(|id| self.cx.shape(*id).to_vec())
                    .max_by_key(|shape| (shape.iter().product::<usize>(), shape.len()))
                    .unwrap_or_default();
                let len: usize = shape.iter().product();
                // With two axes a value may be one for each position, and a list one for each feature.
                let row = shape.get(1).filter(|_| shape.len() == 2).copied().unwrap_or(len);
                let other = operands.iter().map(|id| self.cx.graph.node(*id)).find(|other| {
                    let n = other.len();
                    n != len && n != 1 && (other.batched || n != row) && n * row != len
                });
                let other = other.map(|other| &other.shape);
                if let Some(other) = other {
                    return Err(self.cx.error(
                        Code::E0304,
                        "values of different lengths are put together",
                        format!("expected {shape:?}, found {other:?}"),
                    ));
                }
                self.cx.pointwise(simplify(&scalar), operands, shape)
            }
        })
    }

    /// Numbers of the source, one for each value.
    fn list(&mut self, list: &List) -> Result<NodeId, Box<Diagnostic>> {
        let value = self.cx.graph.node(self.value);
        // The same for all positions.
        let shape = if self.by_position { vec![value.row()] } else { value.shape.clone() };
        let expected = shape.iter().product::<usize>();
        if list.values.len() != expected {
            let mut error = Diagnostic::new(
                Code::E0305,
                format!("`{}` has {} numbers for {expected} outputs", list.name, list.values.len()),
                list.span,
                format!("expected {expected} numbers, found {}", list.values.len()),
            );
            let source = self.cx.graph.layer(self.cx.graph.node(self.value).layer);
            error = error.with_label(source.span, format!("the output has {expected} values"));
            error = error.with_help(one_for_each(list, expected));
            return Err(Box::new(error));
        }
        let constant = Op::Constant(list.name.clone(), list.values.clone());
        Ok(self.cx.node(constant, Vec::new(), shape, false))
    }

    fn scalar(&mut self, expr: &ValueExpr, operands: &mut Vec<NodeId>) -> Result<Scalar, Box<Diagnostic>> {
        Ok(match expr {
            ValueExpr::Number(value) => Scalar::Number(*value),
            ValueExpr::Count => {
                let value = self.cx.graph.node(self.value);
                Scalar::Number(if self.by_position { value.row() } else { value.len() } as f64)
            }
            ValueExpr::Unary(op, x) => Scalar::unary(*op, self.scalar(x, operands)?),
            ValueExpr::Binary(op, a, b) => {
                let a = self.scalar(a, operands)?;
                Scalar::binary(*op, a, self.scalar(b, operands)?)
            }
            ValueExpr::Select(relation, a, b, then, otherwise) => {
                let a = self.scalar(a, operands)?;
                let b = self.scalar(b, operands)?;
                let then = self.scalar(then, operands)?;
                Scalar::select(*relation, a, b, then, self.scalar(otherwise, operands)?)
            }
            _ => {
                let id = self.value(expr)?;
                let n = operands.iter().position(|operand| *operand == id).unwrap_or_else(|| {
                    operands.push(id);
                    operands.len() - 1
                });
                Scalar::input(n as u32)
            }
        })
    }
}

/// The weight of a sample in a total: the mean divides by the samples of the batch.
pub fn scale_of(reduction: Reduction, samples: usize) -> f64 {
    match reduction {
        Reduction::Sum => 1.0,
        Reduction::Mean | Reduction::Max => 1.0 / samples.max(1) as f64,
    }
}

/// As many numbers as there are outputs, those that were given first.
fn one_for_each(list: &List, expected: usize) -> String {
    const MOST: usize = 12;
    if expected > MOST {
        return "give one number for each output, in the order of the classes".to_owned();
    }
    let numbers = list.values.iter().copied().chain(std::iter::repeat(1.0)).take(expected);
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!(
        "one number for each output, in the order of the classes: `{} = [{}]`",
        list.name,
        numbers.join(", ")
    )
}
