//! What can be seen of data and model together before training: inputs of very different scale, and values that are
//! kinds of things.

use nnc_compiler::CompiledModel;
use nnc_compiler::graph::{LayerId, Op};
use nnc_compiler::program::Kind;
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_runtime::data::{DataSet, Targets};

/// Deviations that differ by more than this are told.
const RATIO: f64 = 100.0;
/// Numbers larger than this are told.
const LARGE: f64 = 100.0;
/// Different whole numbers up to which a column may well hold kinds of things.
const KINDS: usize = 20;
/// Rows that are looked at.
const ROWS: usize = 10_000;

/// What there is to say about a model and the rows that it will be trained on.
pub fn lints(model: &CompiledModel, train: &DataSet) -> Vec<Diagnostic> {
    [scales(model, train), kinds(model, train)].into_iter().flatten().collect()
}

/// W0109: columns of very different scale, with nothing at the input that brings them together.
fn scales(model: &CompiledModel, train: &DataSet) -> Option<Diagnostic> {
    let first = model.program.applications.first()?;
    if let Kind::Layer(layer, _) = &first.kind
        && layer.has_parameters()
        && layer.keeps_gain()
    {
        return None;
    }
    let width = train.features.max(1);
    let rows = train.inputs.chunks_exact(width).take(ROWS);
    let n = rows.len() as f64;
    if n < 2.0 {
        return None;
    }
    let mut sums = vec![(0.0, 0.0, 0.0f64); width];
    for row in rows {
        for ((sum, squares, largest), x) in sums.iter_mut().zip(row) {
            let x = f64::from(*x);
            *sum += x;
            *squares += x * x;
            *largest = largest.max(x.abs());
        }
    }
    let names = train.feature_names();
    let name =
        |at: usize| names.get(at).map_or_else(|| format!("number {}", at + 1), |name| format!("`{name}`"));
    // Columns that never vary have no scale.
    let figures: Vec<(usize, f64, f64)> = sums
        .iter()
        .enumerate()
        .map(|(at, (sum, squares, largest))| {
            (at, (squares / n - (sum / n).powi(2)).max(0.0).sqrt(), *largest)
        })
        .filter(|(_, deviation, largest)| *deviation > 1e-6 * largest.max(1e-30))
        .collect();
    let by = |(_, a, _): &&(usize, f64, f64), (_, b, _): &&(usize, f64, f64)| a.total_cmp(b);
    let (narrow, wide) = (figures.iter().min_by(by)?, figures.iter().max_by(by)?);
    let large = figures.iter().max_by(|(.., a), (.., b)| a.total_cmp(b))?;
    let (message, note) = if wide.1 > RATIO * narrow.1 {
        let message = "inputs are of very different scale".to_owned();
        let note = format!(
            "{} varies by {:.3}, {} by {:.3} in the training rows",
            name(wide.0),
            wide.1,
            name(narrow.0),
            narrow.1
        );
        (message, note)
    } else if large.2 > LARGE {
        (
            "inputs are far from 1".to_owned(),
            format!("{} is as large as {:.1} in the training rows", name(large.0), large.2),
        )
    } else {
        return None;
    };
    let input = model.graph.layer(LayerId(0));
    Some(
        Diagnostic::new(Code::W0109, message, input.span, "these go into the model as they are")
            .with_note(note)
            .with_help("put `normalize` behind the input"),
    )
}

/// W0110: a target of few whole numbers for a loss that compares with values.
fn kinds(model: &CompiledModel, train: &DataSet) -> Option<Diagnostic> {
    let [loss] = model.program.losses.as_slice() else { return None };
    let Targets::Values(values, 1) = &train.targets else { return None };
    // Losses of probabilities and counts say so of their target; and a text of two kinds was made 0 and 1.
    let is_counted = loss.range.is_some() || !train.class_names().is_empty();
    let outputs = model.graph.node(model.graph.output).len();
    if is_counted || outputs != 1 || matches!(model.graph.node(model.graph.output).op, Op::Input(_)) {
        return None;
    }
    let mut known: Vec<f32> = Vec::new();
    for value in values.iter().take(ROWS) {
        if value.fract() != 0.0 || *value < 0.0 {
            return None;
        }
        if !known.contains(value) {
            known.push(*value);
        }
        if known.len() > KINDS {
            return None;
        }
    }
    // Two values are as often a yes or no as a measure; many rows with few values are kinds.
    if known.len() < 3 || values.len() < 10 * known.len() {
        return None;
    }
    let column = train.schema.target_columns().next().unwrap_or("the target");
    Some(
        Diagnostic::new(
            Code::W0110,
            format!("`{}` compares kinds of things as if they were numbers", loss.name),
            loss.span,
            "expected a target that measures something",
        )
        .with_note(format!("`{column}` has {} different whole numbers in {} rows", known.len(), values.len()))
        .with_help(format!("if they are kinds: `dense({})` and `loss cross_entropy`", known.len())),
    )
}
