//! W0106: a softmax of a softmax.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::{Cx, is_softmax};
use crate::program::{Application, ValueExpr, ValueId};

/// One softmax behind another, with nothing between but what leaves the values as they are; or before a loss that takes
/// one of its own and is not fused with it.
pub(super) fn softmax_twice(cx: Cx<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (_, application) in cx.applications().filter(|(_, application)| is_softmax(application)) {
        let before = application.inputs.first().and_then(|value| softmax_at(cx, *value));
        if let Some(before) = before {
            found.push(twice(application.span, "the second", before.span));
        }
    }
    // `log_softmax` of a softmax is fused with it, with a note; `softmax` of one is not.
    for loss in cx.program.losses.iter().filter(|loss| takes_softmax(&loss.body)) {
        if let Some(last) = cx.program.compared(loss).and_then(|value| softmax_at(cx, value)) {
            found.push(twice(loss.span, "the loss takes one of its own", last.span));
        }
    }
    found
}

fn twice(span: nnc_grammar::span::Span, label: &str, first: nnc_grammar::span::Span) -> Diagnostic {
    Diagnostic::new(Code::W0106, "softmax is taken twice", span, label)
        .with_label(first, "the first")
        .with_note("the second sees numbers between 0 and 1, and makes them nearly equal")
        .with_help("take the first out")
}

/// The softmax that makes a value.
fn softmax_at<'a>(cx: Cx<'a>, value: ValueId) -> Option<&'a Application> {
    cx.made_by(value).filter(|application| is_softmax(application))
}

fn takes_softmax(expr: &ValueExpr) -> bool {
    match expr {
        ValueExpr::Softmax(x) => **x == ValueExpr::Value || takes_softmax(x),
        ValueExpr::Unary(_, x)
        | ValueExpr::Part(_, _, x)
        | ValueExpr::Reduce(_, x)
        | ValueExpr::LogSoftmax(x)
        | ValueExpr::OneHot(x) => takes_softmax(x),
        ValueExpr::Binary(_, a, b) => takes_softmax(a) || takes_softmax(b),
        ValueExpr::Select(_, a, b, c, d) => [a, b, c, d].into_iter().any(|x| takes_softmax(x)),
        _ => false,
    }
}
