//! `allow W0105`: warnings that a file does not want.

use std::collections::BTreeSet;

use nnc_grammar::ast::{Ast, Ident, Item};
use nnc_grammar::diagnostic::{Code, Diagnostic, Severity, all_codes};
use nnc_grammar::span::FileId;

use crate::load::Uses;

/// Warnings that are not given, by the file that they are about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(BTreeSet<(FileId, Code)>);

impl Allowed {
    /// What a file and those that it uses allow.
    ///
    /// # Errors, as diagnostics
    /// E0224 for what is no code of a warning.
    pub(crate) fn of(file: FileId, ast: &Ast, uses: &Uses) -> (Self, Vec<Diagnostic>) {
        let mut allowed = BTreeSet::new();
        let mut faults = Vec::new();
        for (file, ast) in uses.files.iter().map(|used| (used.file, &used.ast)).chain([(file, ast)]) {
            for item in &ast.items {
                let Item::Allow(allow) = item else { continue };
                for code in &allow.codes {
                    match Code::parse(&code.name) {
                        Some(warning) if warning.severity() == Severity::Warning => {
                            allowed.insert((file, warning));
                        }
                        other => faults.push(no_warning(code, other)),
                    }
                }
            }
        }
        (Self(allowed), faults)
    }

    /// Whether a diagnostic is a warning about a file that allows it.
    pub fn hides(&self, diagnostic: &Diagnostic) -> bool {
        self.0.contains(&(diagnostic.primary.span.file, diagnostic.code))
    }
}

fn no_warning(code: &Ident, known: Option<Code>) -> Diagnostic {
    let found = &code.name;
    let fault = |text: &str| {
        Diagnostic::new(Code::E0224, format!("`{found}` is not a warning"), code.span, text.to_owned())
    };
    match known {
        Some(_) => {
            fault("this is an error").with_help("an error is corrected: what it is about cannot be compiled")
        }
        None => {
            let warnings = all_codes().iter().filter(|code| code.severity() == Severity::Warning);
            fault("expected the code of a warning, such as `W0105`")
                .with_closest(found, warnings.map(|code| code.as_str()))
        }
    }
}
