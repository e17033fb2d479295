//! `nnc check`: all faults of models.

use std::path::PathBuf;

use nnc_compiler::{Options, compile};

use crate::output::{Object, Output};
use crate::source::{self, Failure};

/// Checks files; fails if one has a fault.
pub fn run(files: &[PathBuf], set: &[(String, String)], output: &Output) -> Result<(), Failure> {
    let options = Options { set: set.to_vec(), ..Options::default() };
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
        let compilation = compile(&file.display().to_string(), &text, &options);
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
        // The drawing of faults ends with their number.
        if errors == 0 {
            output.line(&format!("{}: {}", file.display(), names.join(", ")));
        }
    }
    if has_faults { Err(Failure::Reported) } else { Ok(()) }
}
