//! `nnc check`: all faults of models.

use std::path::PathBuf;

use nnc_compiler::{Compilation, Options};
use nnc_grammar::ast::Item;
use nnc_grammar::diagnostic::{Code, Diagnostic};

use crate::output::{Object, Output};
use crate::source::{self, Failure};

/// Checks files; fails if one has a fault.
pub fn run(files: &[PathBuf], set: &[(String, String)], output: &Output) -> Result<(), Failure> {
    let options = Options { set: set.to_vec(), ..Options::default() };
    let mut has_faults = false;
    for file in files {
        let compilation = match source::compile(file, &options) {
            Ok(compilation) => compilation,
            Err(error) => {
                output.error(&error);
                has_faults = true;
                continue;
            }
        };
        let diagnostics = faults(&compilation);
        output.diagnostics(&compilation.sources, &diagnostics);
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        has_faults |= errors > 0;
        let names: Vec<String> = compilation.models.iter().map(|model| model.info.name.clone()).collect();
        output.event(
            Object::event("checked")
                .text("file", &file.display().to_string())
                .whole("errors", errors as u64)
                .whole("warnings", (diagnostics.len() - errors) as u64)
                .texts("models", &names),
        );
        // The drawing of faults ends with their number.
        if errors == 0 {
            let found = if names.is_empty() { "definitions alone".to_owned() } else { names.join(", ") };
            output.line(&format!("{}: {found}", file.display()));
        }
    }
    if has_faults { Err(Failure::Reported) } else { Ok(()) }
}

/// What is wrong with a file. One of definitions alone, which others use, need not have a model.
fn faults(compilation: &Compilation) -> Vec<Diagnostic> {
    let is_definition = |item: &Item| {
        !matches!(
            item,
            Item::Model(_) | Item::Import(_) | Item::Use(_) | Item::Allow(_) | Item::Data(_) | Item::Train(_)
        )
    };
    let items = &compilation.ast.items;
    let is_for_others =
        items.iter().any(is_definition) && !items.iter().any(|item| matches!(item, Item::Model(_)));
    let kept = |fault: &&Diagnostic| fault.code != Code::E0221 || !is_for_others;
    compilation.diagnostics.iter().filter(kept).cloned().collect()
}
