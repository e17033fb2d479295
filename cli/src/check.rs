//! `nnc check`: all faults of models.

use std::path::PathBuf;

use nnc_compiler::{Options, compile};

use crate::output::{Object, Output};
use crate::source::{self, Failure};

/// Checks files; fails if one has a fault.
pub fn run(files: &[PathBuf], output: &Output) -> Result<(), Failure> {
    let mut has_faults = false;
    for file in files {
        let text = match source::read(file) {
            Ok(text) => text,
            Err(error) => {
                output.error(&error);
                has_faults = true;
                continue;
            }
        };
        let compilation = compile(&file.display().to_string(), &text, &Options::default());
        output.diagnostics(&compilation.sources, &compilation.diagnostics);
        let errors = compilation.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        has_faults |= errors > 0;
        let names: Vec<String> = compilation.models.iter().map(|model| model.info.name.clone()).collect();
        output.event(
            Object::event("checked")
                .text("file", &file.display().to_string())
                .whole("errors", errors as u64)
                .whole("warnings", (compilation.diagnostics.len() - errors) as u64)
                .texts("models", &names),
        );
        if errors > 0 {
            output.status(&format!(
                "{}: {errors} error{}",
                file.display(),
                if errors == 1 { "" } else { "s" }
            ));
        } else {
            output.line(&format!("{}: {}", file.display(), names.join(", ")));
        }
    }
    if has_faults { Err(Failure::Reported) } else { Ok(()) }
}
