//! Metrics: what is reported of predictions.

use nnc_grammar::ast::Ident;
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use crate::program::{LossUse, Reduction, TargetKind};

/// Metrics, and what targets they are for: any, where nothing stands.
const METRICS: &[(&str, Option<TargetKind>)] = &[
    ("accuracy", None),
    ("top_5", Some(TargetKind::Class)),
    ("perplexity", Some(TargetKind::Class)),
    ("confusion", Some(TargetKind::Class)),
    ("mae", Some(TargetKind::Values)),
    ("rmse", Some(TargetKind::Values)),
    ("r2", Some(TargetKind::Values)),
];

/// The metrics of these names.
pub(super) fn resolve(cx: &mut Cx<'_>, names: &[&Ident]) -> Vec<(String, Span)> {
    let mut metrics: Vec<(String, Span)> = Vec::with_capacity(names.len());
    for name in names {
        if METRICS.iter().all(|(known, _)| *known != name.name) {
            let mut diagnostic = Diagnostic::new(
                Code::E0214,
                format!("unknown metric `{}`", name.name),
                name.span,
                "not known",
            );
            if name.name == "loss" {
                diagnostic = diagnostic.with_note("the loss is always reported");
            }
            diagnostic = diagnostic.with_closest(&name.name, METRICS.iter().map(|(known, _)| *known));
            if diagnostic.help.is_empty() {
                diagnostic = diagnostic.with_note(those("metrics are", |_| true));
            }
            cx.report(diagnostic);
            continue;
        }
        if let Some((_, first)) = metrics.iter().find(|(known, _)| *known == name.name) {
            let diagnostic = Diagnostic::new(
                Code::E0206,
                format!("metric `{}` is named twice", name.name),
                name.span,
                "named again here",
            )
            .with_label(*first, "first named here");
            cx.report(diagnostic);
            continue;
        }
        metrics.push((name.name.clone(), name.span));
    }
    metrics
}

/// `metrics are …`, those that are for such targets.
fn those(what: &str, is_for: impl Fn(Option<TargetKind>) -> bool) -> String {
    let names: Vec<&str> =
        METRICS.iter().filter(|(_, kind)| is_for(*kind)).map(|(known, _)| *known).collect();
    super::listed(what, &names)
}

/// Whether metrics suit what the losses compare with. Of several losses one is enough.
pub(super) fn check(cx: &mut Cx<'_>, metrics: &[(String, Span)], losses: &[LossUse]) {
    let of_data: Vec<&LossUse> = losses.iter().filter(|loss| loss.within.is_none()).collect();
    let Some(loss) = of_data.first() else { return };
    for (name, span) in metrics {
        let kind = METRICS.iter().find(|(known, _)| known == name).and_then(|(_, kind)| *kind);
        let diagnostic = match kind {
            Some(kind) if of_data.iter().all(|loss| loss.target != kind) => {
                let (wanted, given) = match kind {
                    TargetKind::Class => ("classes", "values"),
                    TargetKind::Values => ("values", "classes"),
                };
                let message = format!("metric `{name}` is for {wanted}, and the targets are {given}");
                let expected = format!("expected a metric of {given}");
                let are = format!("metrics of {given} are");
                let help = those(&are, |of| of.is_none_or(|of| of == loss.target));
                Diagnostic::new(Code::E0214, message, *span, expected).with_help(help)
            }
            // It is e to the loss of the one output.
            _ if name == "perplexity" && of_data.len() > 1 => {
                let message = "metric `perplexity` is for one loss, and the model has several";
                Diagnostic::new(Code::E0214, message, *span, "expected a metric of one output")
                    .with_help("leave it out: the loss is always reported")
            }
            _ if name == "perplexity" && (loss.reduction == Reduction::Sum || loss.weight != 1.0) => {
                let message = "metric `perplexity` is for the mean of a loss";
                let expected = "expected a loss without `weight`, and without `reduction = sum`";
                Diagnostic::new(Code::E0214, message, *span, expected)
                    .with_help("leave it out: the loss is always reported")
            }
            _ => continue,
        };
        cx.report(diagnostic.with_label(loss.span, format!("`{}` compares", loss.text)));
    }
}
