//! W0107: a loss for values behind a softmax, where one for classes is meant.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::{Cx, is_softmax};
use crate::program::TargetKind;

/// A loss like `mse` of probabilities: its gradient vanishes where the model is sure and wrong.
pub(super) fn values_behind_softmax(cx: Cx<'_>) -> Vec<Diagnostic> {
    // Losses of probabilities say so of their target.
    let of_values =
        cx.program.losses.iter().filter(|loss| loss.target == TargetKind::Values && loss.range.is_none());
    of_values
        .filter_map(|loss| {
            let last = cx.program.compared(loss).and_then(|value| cx.made_by(value))?;
            is_softmax(last).then(|| {
                Diagnostic::new(
                    Code::W0107,
                    format!("`{}` compares probabilities as if they were any numbers", loss.name),
                    loss.span,
                    "expected a loss of classes",
                )
                .with_label(last.span, "this makes probabilities")
                .with_note(
                    "where the model is sure and wrong, softmax is flat and hardly any gradient is left",
                )
                .with_help("use `loss cross_entropy`, with `target = values` for rows of probabilities")
            })
        })
        .collect()
}
