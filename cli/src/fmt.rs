//! `nnc fmt`: one way to write a model.

use std::path::{Path, PathBuf};

use nnc_grammar::span::SourceMap;
use nnc_grammar::{format, parse};
use nnc_runtime::file::write_atomic;

use crate::output::{Output, print};
use crate::source::{self, Failure};

/// Formats files, or says which of them would change.
pub fn run(files: &[PathBuf], check: bool, output: &Output) -> Result<(), Failure> {
    let mut has_failed = false;
    for file in files {
        has_failed |= one(file, check, output).is_err_and(|failure| {
            if let Failure::Error(error) = &failure {
                output.error(error);
            }
            true
        });
    }
    if has_failed { Err(Failure::Reported) } else { Ok(()) }
}

fn one(file: &Path, check: bool, output: &Output) -> Result<(), Failure> {
    let is_stdin = file == Path::new("-");
    let text = if is_stdin { source::read_stdin()? } else { source::read(file)? };
    let name = if is_stdin { "<stdin>".to_owned() } else { file.display().to_string() };
    let mut sources = SourceMap::new();
    let id = sources.add(&name, &text);
    let parsed = parse(&sources, id);
    if !parsed.diagnostics.is_empty() {
        output.diagnostics(&sources, &parsed.diagnostics);
    }
    if parsed.diagnostics.iter().any(nnc_grammar::diagnostic::Diagnostic::is_error) {
        return Err(Failure::Reported);
    }
    let formatted = format(&sources, id, &parsed.ast);
    if check {
        if formatted == text {
            return Ok(());
        }
        let line = text.lines().zip(formatted.lines()).take_while(|(a, b)| a == b).count() + 1;
        output.status(&format!("{name}:{line}: would be formatted otherwise"));
        return Err(Failure::Reported);
    }
    if is_stdin {
        print(&formatted);
    } else if formatted != text {
        write_atomic(file, |to| to.write_all(formatted.as_bytes()))?;
        output.status(&format!("formatted {name}"));
    }
    Ok(())
}
