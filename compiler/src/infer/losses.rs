//! What a model gives, and what its losses compare it with.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::ValueLowering;
use crate::gain::Gain;
use crate::graph::{
    Builder, Direction, Graph, LayerId, LayerOrigin, Loss, NodeId, Op, Output, OutputTarget, reduced,
};
use crate::ops::concat::concat;
use crate::ops::slice;
use crate::ops::weighted_scale::WeightedScale;
use crate::plan::thousands;
use crate::program::{LossUse, MOST_CLASSES, OutputScale, Program, Reduction, TargetKind, ValueExpr};
use crate::scalar::{Binary, Scalar};

/// Says what the model gives: its only output as it is, or several one after the other in one row.
pub(super) fn add_outputs(graph: &mut Graph, program: &Program, nodes: &[NodeId]) {
    graph.outputs = nodes
        .iter()
        .zip(&program.outputs)
        .map(|(node, output)| Output {
            name: output.name.clone(),
            shape: graph.node(*node).shape.clone(),
            target: None,
        })
        .collect();
    let ([_, _, ..], Some(named)) = (nodes, program.outputs.first()) else {
        graph.output = nodes.first().copied().unwrap_or(graph.output);
        return;
    };
    let span = program.outputs.last().map_or(named.span, |last| named.span.to(last.span));
    let names: Vec<&str> = program.outputs.iter().map(|output| output.name.as_str()).collect();
    let text = format!("output {}", names.join(", "));
    let mut cx = builder(graph, "output".to_owned(), text, span, Direction::Forward);
    let vectors: Vec<NodeId> = nodes
        .iter()
        .map(|id| match cx.shape(*id) {
            [_] => *id,
            shape => {
                let len = shape.iter().product();
                cx.node(Op::Reshape, vec![*id], vec![len], true)
            }
        })
        .collect();
    let row = concat(&mut cx, vectors, 0);
    graph.output = row;
}

fn builder<'a>(
    graph: &'a mut Graph,
    name: String,
    text: String,
    span: nnc_grammar::span::Span,
    direction: Direction,
) -> Builder<'a> {
    let layer = LayerId(graph.layers.len() as u32);
    graph.layers.push(LayerOrigin { name, text, span, is_frozen: false, recompute: None });
    Builder { graph, layer, direction, span, trainable: false, gain: Gain::default() }
}

/// Adds targets, losses and their total.
///
/// # Errors
/// E0305 for outputs or targets that do not fit a loss, and what is wrong with the shapes in one.
pub(super) fn add_losses(
    graph: &mut Graph,
    program: &Program,
    nodes: &[NodeId],
    values: &[Option<NodeId>],
) -> Result<(), Box<Diagnostic>> {
    let Some(first) = program.losses.first() else { return Ok(()) };
    let several = program.losses.len() > 1;
    // The target of each output, and the shape in which a loss takes it.
    let mut target_shapes: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for loss in &program.losses {
        let (target, shape) = target_of(graph, loss)?;
        if let Some(within) = within(loss, values) {
            check_within(graph, loss, within, target.len)?;
        }
        let Some(output) = graph.outputs.get_mut(loss.output) else { continue };
        if loss.within.is_some() {
            // Nothing of the data is needed.
            output.target.get_or_insert(OutputTarget {
                kind: TargetKind::Values,
                len: 0,
                positions: 1,
                ignored: None,
                range: ANY,
                only_ends: false,
                scale: OutputScale::Same,
            });
            continue;
        }
        match output.target {
            None => output.target = Some(target),
            Some(before) if before.width() == 0 => output.target = Some(target),
            Some(before)
                if (before.kind, before.len, before.positions)
                    == (target.kind, target.len, target.positions) =>
            {
                let range = (before.range.0.max(target.range.0), before.range.1.min(target.range.1));
                let ignored = before.ignored.or(target.ignored);
                let only_ends = before.only_ends || target.only_ends;
                output.target = Some(OutputTarget { ignored, range, only_ends, ..before });
            }
            Some(before) => return Err(other_target(program, loss, before, target)),
        }
        if let Some(place) = target_shapes.get_mut(loss.output) {
            *place = shape;
        }
    }
    let widths: Vec<usize> =
        graph.outputs.iter().map(|output| output.target.map_or(0, |target| target.width())).collect();
    let n_targets = widths.iter().filter(|width| **width > 0).count();
    let mut row: Option<NodeId> = None;
    let mut targets: Vec<Option<NodeId>> = vec![None; nodes.len()];
    let mut scale: Option<NodeId> = None;
    let mut pairs = Vec::new();
    for loss in &program.losses {
        let name = match several {
            true => loss_name(program, loss),
            false => "loss".to_owned(),
        };
        let mut cx = builder(graph, name, format!("loss {}", loss.text), loss.span, Direction::Loss);
        let shape = target_shapes.get(loss.output).cloned().unwrap_or_default();
        let known = within(loss, values).or_else(|| targets.get(loss.output).copied().flatten());
        let target = match known {
            Some(target) => target,
            None if n_targets == 1 => cx.node(Op::Target, Vec::new(), shape, true),
            None => {
                let whole = *row
                    .get_or_insert_with(|| cx.node(Op::Target, Vec::new(), vec![widths.iter().sum()], true));
                let from = widths.iter().take(loss.output).sum();
                slice::of_row(&mut cx, whole, from, shape)
            }
        };
        if let Some(place) = targets.get_mut(loss.output).filter(|_| loss.within.is_none()) {
            *place = Some(target);
        }
        let Some(value) = nodes.get(loss.output).copied() else { continue };
        let mut lowering = ValueLowering {
            cx,
            value,
            target: Some(target),
            by_position: loss.is_of_classes,
            parameters: Vec::new(),
            known: Vec::new(),
        };
        let mut sample = lowering.value(&loss.body)?;
        let weight = loss.sample_weight.as_ref().map(|weight| lowering.value(weight)).transpose()?;
        let by_position = lowering.by_position;
        let mut cx = lowering.cx;
        let rank = if by_position { reduced(cx.shape(value)) } else { Vec::new() };
        if cx.shape(sample) != rank {
            return Err(cx.error(
                Code::E0217,
                format!("`{}` is not one number a sample", loss.name),
                "its body needs a reduction such as `mean` or `sum`",
            ));
        }
        // The mean over a batch is one over all positions; that of weighted ones divides by their weights already.
        let positions = rank.iter().product::<usize>();
        let is_weighted = weight.is_some_and(|weight| cx.shape(weight) == rank);
        let is_mean = !is_weighted && loss.reduction == Reduction::Mean;
        let share = if is_mean { loss.weight / positions as f64 } else { loss.weight };
        if share != 1.0 {
            let weighted = Scalar::binary(Binary::Mul, Scalar::Number(share), Scalar::input(0));
            sample = cx.pointwise(weighted, vec![sample], rank);
        }
        let mut scale = *scale.get_or_insert_with(|| cx.node(Op::SampleScale, Vec::new(), Vec::new(), true));
        if let Some(weight) = weight {
            let shape = cx.shape(weight).to_vec();
            scale = cx.operator(WeightedScale, vec![scale, weight], shape);
        }
        pairs.extend([sample, scale]);
    }
    let total = if several {
        let texts: Vec<&str> = program.losses.iter().map(|loss| loss.text.as_str()).collect();
        let text = format!("loss {}", texts.join(" + "));
        let mut cx = builder(graph, "loss".to_owned(), text, first.span, Direction::Loss);
        cx.node(Op::Total, pairs, Vec::new(), false)
    } else {
        let layer = LayerId(graph.layers.len().saturating_sub(1) as u32);
        let direction = Direction::Loss;
        let mut cx =
            Builder { graph, layer, direction, span: first.span, trainable: false, gain: Gain::default() };
        cx.node(Op::Total, pairs, Vec::new(), false)
    };
    graph.loss = Some(Loss { total, reduction: first.reduction });
    Ok(())
}

/// Any target is allowed.
const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// The value of the model that a loss compares with.
fn within(loss: &LossUse, values: &[Option<NodeId>]) -> Option<NodeId> {
    values.get(loss.within?.0.0 as usize).copied().flatten()
}

/// E0305 for a value of the model that has another number of values than a target of the loss.
fn check_within(graph: &Graph, loss: &LossUse, value: NodeId, len: usize) -> Result<(), Box<Diagnostic>> {
    let (node, Some((_, span))) = (graph.node(value), loss.within) else { return Ok(()) };
    if node.len() == len {
        return Ok(());
    }
    let made = graph.layer(node.layer);
    let output = graph.outputs.get(loss.output).map_or_else(Vec::new, |output| output.shape.clone());
    Err(Box::new(
        Diagnostic::new(
            Code::E0305,
            format!("`{}` compares {output:?} with {:?}", loss.name, node.shape),
            span,
            format!("expected {len} values, found {}", node.len()),
        )
        .with_label(made.span, format!("`{}` is {:?}", made.name, node.shape))
        .with_help("a target has as many values as what it is compared with"),
    ))
}

/// What a loss compares its output with, and the shape of that.
fn target_of(graph: &mut Graph, loss: &LossUse) -> Result<(OutputTarget, Vec<usize>), Box<Diagnostic>> {
    let mut shape = graph.outputs.get(loss.output).map_or_else(Vec::new, |output| output.shape.clone());
    let values = shape.iter().product::<usize>();
    let range = loss.range.unwrap_or(ANY);
    let target = OutputTarget {
        kind: loss.target,
        len: values,
        positions: 1,
        ignored: loss.ignored,
        range,
        only_ends: loss.only_ends,
        scale: loss.scale,
    };
    // Of `[positions, classes]` each position has a class.
    let (positions, classes) = match *shape.as_slice() {
        [positions, classes] => (positions, classes),
        _ => (1, values),
    };
    if loss.is_of_classes && shape.len() > 2 {
        return Err(Box::new(
            Diagnostic::new(
                Code::E0305,
                format!("`{}` compares one row of outputs, or one for each position", loss.name),
                loss.span,
                format!("expected [classes] or [positions, classes], found {shape:?}"),
            )
            .with_help("put `flatten` and `dense(classes)` before the end of the model"),
        ));
    }
    match loss.target {
        TargetKind::Class if classes < 2 => Err(Box::new(
            Diagnostic::new(
                Code::E0305,
                format!("`{}` needs at least two outputs", loss.name),
                loss.span,
                format!("expected one output a class, found {shape:?}"),
            )
            .with_help(
                "for two classes use `dense(2)`, or `sigmoid` with `binary_cross_entropy` and one output",
            ),
        )),
        TargetKind::Class if classes > MOST_CLASSES => Err(Box::new(Diagnostic::new(
            Code::E0502,
            format!("`{}` has too many classes", loss.name),
            loss.span,
            format!("expected up to {} classes, found {}", thousands(MOST_CLASSES), thousands(classes)),
        ))),
        TargetKind::Class => Ok((OutputTarget { len: classes, positions, ..target }, reduced(&shape))),
        TargetKind::Values => {
            let parts = parts_of_output(&loss.body).unwrap_or(1);
            // As `part` divides a value: of two axes the last, which are the features of a position.
            let axis = usize::from(shape.len() == 2);
            if let Some(axis) = shape.get_mut(axis).filter(|axis| axis.is_multiple_of(parts)) {
                *axis /= parts;
            }
            Ok((OutputTarget { len: shape.iter().product(), ..target }, shape))
        }
    }
}

/// E0305: two losses want different targets for one output.
fn other_target(
    program: &Program,
    loss: &LossUse,
    before: OutputTarget,
    target: OutputTarget,
) -> Box<Diagnostic> {
    let of = |target: OutputTarget| match target.kind {
        TargetKind::Class if target.positions > 1 => format!("a class at {} positions", target.positions),
        TargetKind::Class => "a class".to_owned(),
        TargetKind::Values => format!("{} values", target.len),
    };
    let message = "two losses compare one output with different targets";
    let label = format!("expected {}, found {}", of(before), of(target));
    let mut diagnostic = Diagnostic::new(Code::E0305, message, loss.span, label);
    if let Some(first) = program.losses.iter().find(|first| first.output == loss.output) {
        diagnostic = diagnostic.with_label(first.span, format!("this compares with {}", of(before)));
    }
    Box::new(diagnostic.with_help("give each an output of its own: `output first, second`"))
}

/// `mse_position`; of the only output `mse`.
fn loss_name(program: &Program, loss: &LossUse) -> String {
    match program.outputs.get(loss.output).filter(|_| program.outputs.len() > 1) {
        Some(output) => format!("{}_{}", loss.name, output.name),
        None => loss.name.clone(),
    }
}

/// Into how many parts a loss divides the output, if it looks at nothing but parts of it.
fn parts_of_output(expr: &ValueExpr) -> Option<usize> {
    // `Some(0)` for an expression without the output, `None` where the output stands by itself.
    fn parts(expr: &ValueExpr) -> Option<usize> {
        match expr {
            ValueExpr::Value => None,
            ValueExpr::Part(_, of, x) if **x == ValueExpr::Value => Some(*of),
            ValueExpr::Target
            | ValueExpr::Parameter(_)
            | ValueExpr::List(_)
            | ValueExpr::Count
            | ValueExpr::Number(_) => Some(0),
            ValueExpr::Unary(_, x)
            | ValueExpr::Part(_, _, x)
            | ValueExpr::Reduce(_, x)
            | ValueExpr::Softmax(x)
            | ValueExpr::LogSoftmax(x)
            | ValueExpr::OneHot(x) => parts(x),
            ValueExpr::Binary(_, a, b) => Some(parts(a)?.max(parts(b)?)),
            ValueExpr::Select(_, a, b, c, d) => Some(parts(a)?.max(parts(b)?).max(parts(c)?).max(parts(d)?)),
        }
    }
    parts(expr).filter(|parts| *parts > 0)
}
