//! W0108: a bias that the layer behind it takes off again.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::{Cx, layer_name};
use crate::program::Kind;

/// A bias directly before `batch_norm`: the mean that is taken off has it in it.
pub(super) fn bias_before_norm(cx: Cx<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (value, application) in cx.applications() {
        let Kind::Layer(_, arguments) = &application.kind else { continue };
        if !arguments.flag("bias") {
            continue;
        }
        let mut users = cx.users(value);
        let (Some(norm), None) = (users.next(), users.next()) else { continue };
        if layer_name(norm) != Some("batch_norm")
            || cx.program.outputs.iter().any(|output| output.value == value)
        {
            continue;
        }
        found.push(
            Diagnostic::new(
                Code::W0108,
                format!("the bias of `{}` has no effect", application.layer),
                application.call_span,
                "this adds a bias",
            )
            .with_label(norm.call_span, "this takes the mean off, and the bias with it")
            .with_help("leave it out: `bias = false`"),
        );
    }
    found
}
