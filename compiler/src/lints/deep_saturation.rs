//! W0104: sigmoids, hyperbolic tangents and their like stacked deep.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::{Cx, formula_of, layer_name};
use crate::ops;
use crate::scalar::{Scalar, Variable, differentiate, evaluate};

/// So many in a row are deep.
const DEEP: usize = 4;
/// A derivative below this share of the largest has vanished.
const VANISHED: f64 = 0.01;

/// Activations that saturate at both ends, one behind another with nothing but products between: with each of them the
/// gradient shrinks.
pub(super) fn deep_saturation(cx: Cx<'_>) -> Vec<Diagnostic> {
    // How many saturating activations in a row end at each value, and the first of them.
    let mut rows: Vec<(usize, Option<nnc_grammar::span::Span>)> = vec![(0, None); cx.program.inputs.len()];
    let mut deepest: Option<(usize, nnc_grammar::span::Span, nnc_grammar::span::Span, String)> = None;
    for (_, application) in cx.applications() {
        let [input] = application.inputs.as_slice() else {
            rows.push((0, None));
            continue;
        };
        let (row, first) = rows.get(input.0 as usize).copied().unwrap_or((0, None));
        let here = match (formula_of(application), layer_name(application)) {
            (Some(scalar), _) if saturates(scalar) => {
                let first = first.unwrap_or(application.span);
                if row + 1 >= DEEP && deepest.as_ref().is_none_or(|(most, ..)| row + 1 > *most) {
                    let name = match &application.kind {
                        crate::program::Kind::Activation { name, .. } => name.clone(),
                        crate::program::Kind::Layer(..) | crate::program::Kind::Cell(_) => String::new(),
                    };
                    deepest = Some((row + 1, first, application.span, name));
                }
                (row + 1, Some(first))
            }
            // Another activation, or one of whole values, lets the gradient pass.
            (None, Some(name)) if passes(name) => (row, first),
            _ => (0, None),
        };
        rows.push(here);
    }
    deepest
        .map(|(count, first, last, name)| {
            Diagnostic::new(
                Code::W0104,
                format!("{count} saturating activations in a row"),
                last,
                format!("`{name}` is the last of {count}"),
            )
            .with_label(first, "the first")
            .with_note(
                "the derivative of each is nearly 0 away from 0, so that hardly any gradient reaches the first layers",
            )
            .with_help("use `relu` or `gelu`, put `batch_norm` before each, or add a `residual { … }`")
        })
        .into_iter()
        .collect()
}

/// Whether a layer keeps a row together: a product, or one that moves values alone.
fn passes(name: &str) -> bool {
    let Some(layer) = ops::layer(name) else { return false };
    // What has parameters and is no product brings values to a common size.
    !layer.keeps_gain() || !layer.has_parameters()
}

/// Whether the derivative vanishes far to either side.
pub(super) fn saturates(scalar: &Scalar) -> bool {
    let derivative = differentiate(scalar, Variable::Input(0));
    let at = |x: f64| {
        let value = evaluate(&derivative, &mut |variable| match variable {
            Variable::Input(0) => x,
            // Trained parameters begin as small numbers.
            _ => 0.25,
        });
        value.abs()
    };
    let largest = (-80..=80).map(|n| at(f64::from(n) * 0.1)).fold(0.0, f64::max);
    largest > 0.0 && at(-8.0) < VANISHED * largest && at(8.0) < VANISHED * largest
}
