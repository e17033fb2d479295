//! W0111: a storage that is asked for and holds for nothing.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::Cx;
use crate::graph::STORED_IN_HALVES;
use crate::plan::thousands;
use crate::program::Storage;

/// `storage bf16` of a model none of whose matrices is large enough.
pub(super) fn storage(cx: Cx<'_>) -> Vec<Diagnostic> {
    let train = &cx.program.train;
    let Some(span) = train.storage_span.filter(|_| train.storage == Storage::Bf16) else { return Vec::new() };
    if cx.graph.has_halves() {
        return Vec::new();
    }
    let largest = cx.graph.parameters.iter().max_by_key(|parameter| parameter.len());
    let found = largest.map_or_else(
        || "nothing".to_owned(),
        |largest| format!("`{}` {:?} as the largest parameter", largest.name, largest.shape),
    );
    let least = thousands(STORED_IN_HALVES);
    let help = if largest.is_some_and(|largest| largest.len() >= STORED_IN_HALVES) {
        "leave it out: kernels of convolutions, tables and vectors are kept as they are computed with"
    } else {
        "leave it out: what is small stays near the processor, whatever it is kept as"
    };
    vec![
        Diagnostic::new(
            Code::W0111,
            "`storage bf16` has no effect",
            span,
            format!("expected a matrix of a dense layer with {least} numbers or more, found {found}"),
        )
        .with_help(help),
    ]
}
