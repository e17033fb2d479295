//! W0107: a loss for values behind a softmax, where one for classes is meant.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::{Cx, is_softmax};
use crate::program::TargetKind;

/// A loss like `mse` of probabilities: its gradient vanishes where the model is sure and wrong.
pub(super) fn values_behind_softmax(cx: Cx<'_>) -> Vec<Diagnostic> {
    let Some(loss) = &cx.program.loss else { return Vec::new() };
    let Some(last) = cx.made_by(cx.program.output).filter(|application| is_softmax(application)) else {
        return Vec::new();
    };
    // Losses of probabilities say so of their target.
    if loss.target == TargetKind::Class || loss.range.is_some() {
        return Vec::new();
    }
    vec![
        Diagnostic::new(
            Code::W0107,
            format!("`{}` compares probabilities as if they were any numbers", loss.name),
            loss.span,
            "expected a loss of classes",
        )
        .with_label(last.span, "this makes probabilities")
        .with_note("where the model is sure and wrong, softmax is flat and hardly any gradient is left")
        .with_help("use `loss cross_entropy`, with `target = values` for rows of probabilities"),
    ]
}
